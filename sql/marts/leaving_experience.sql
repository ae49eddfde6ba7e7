-- Two bad experiences in a row tell apart what one cannot. Be d the share of the lost who were
-- disappointed, u and v how much likelier that makes a bad experience of the last purchase but one
-- and of the last than the baseline q. Then the two means exceed q by d u and d v, and the mean
-- product of the two deviations from q is d u v, so that d = (d u) (d v) / (d u v): a count of two
-- catches (Lincoln and Petersen) less what is caught of everybody.
with days as (
    select * from int_purchase_days_experienced
),

lifetimes as (
    select * from customer_lifetimes
),

signs as (
    select *
    from (values ('any'), ('complaint'), ('reopened_ticket'), ('poor_answer')) as listed (sign)
),

-- Who bought at least twice more had not been lost by it.
earlier as (
    select
        has_complaint,
        has_reopened_ticket,
        has_poor_answer,
        count(*) as days
    from days
    where later_purchases >= 2
    group by has_complaint, has_reopened_ticket, has_poor_answer
),

lost as (
    select
        customer_id,
        cast(1 - probability_alive as decimal(18, 12)) as probability_gone
    from lifetimes
    where frequency >= 2 and probability_alive < $lost_probability_alive
),

pairs as (
    select
        lost.customer_id,
        max(lost.probability_gone) as probability_gone,
        bool_or(days.later_purchases = 1 and days.has_complaint) as had_complaint,
        bool_or(days.later_purchases = 1 and days.has_reopened_ticket) as had_reopened_ticket,
        bool_or(days.later_purchases = 1 and days.has_poor_answer) as had_poor_answer,
        bool_or(days.later_purchases = 0 and days.has_complaint) as has_complaint,
        bool_or(days.later_purchases = 0 and days.has_reopened_ticket) as has_reopened_ticket,
        bool_or(days.later_purchases = 0 and days.has_poor_answer) as has_poor_answer
    from lost
    inner join days
        on lost.customer_id = days.customer_id
    where days.later_purchases <= 1
    group by lost.customer_id
),

combined as (
    select
        had_complaint,
        had_reopened_ticket,
        had_poor_answer,
        has_complaint,
        has_reopened_ticket,
        has_poor_answer,
        count(*) as customers,
        sum(probability_gone) as expected_gone
    from pairs
    group by
        had_complaint,
        had_reopened_ticket,
        had_poor_answer,
        has_complaint,
        has_reopened_ticket,
        has_poor_answer
),

signed_earlier as (
    select
        signs.sign,
        earlier.days,
        case signs.sign
            when 'complaint' then earlier.has_complaint
            when 'reopened_ticket' then earlier.has_reopened_ticket
            when 'poor_answer' then earlier.has_poor_answer
            else earlier.has_complaint or earlier.has_reopened_ticket or earlier.has_poor_answer
        end as is_bad
    from signs
    cross join earlier
),

signed_pairs as (
    select
        signs.sign,
        combined.customers,
        combined.expected_gone,
        case signs.sign
            when 'complaint' then combined.had_complaint
            when 'reopened_ticket' then combined.had_reopened_ticket
            when 'poor_answer' then combined.had_poor_answer
            else combined.had_complaint or combined.had_reopened_ticket or combined.had_poor_answer
        end as was_bad,
        case signs.sign
            when 'complaint' then combined.has_complaint
            when 'reopened_ticket' then combined.has_reopened_ticket
            when 'poor_answer' then combined.has_poor_answer
            else combined.has_complaint or combined.has_reopened_ticket or combined.has_poor_answer
        end as is_bad
    from signs
    cross join combined
),

baselines as (
    select
        sign,
        sum(days) as baseline_purchases,
        sum(case when is_bad then days else 0 end) as baseline_bad
    from signed_earlier
    group by sign
),

leavers as (
    select
        sign,
        sum(customers) as customers,
        sum(expected_gone) as expected_gone,
        sum(case when was_bad and not is_bad then customers else 0 end) as only_before,
        sum(case when is_bad and not was_bad then customers else 0 end) as only_last,
        sum(case when was_bad and is_bad then customers else 0 end) as both_bad
    from signed_pairs
    group by sign
),

counted as (
    select
        signs.sign,
        coalesce(leavers.customers, 0) as customers,
        cast(coalesce(leavers.expected_gone, 0) as double) as expected_gone,
        coalesce(leavers.only_before, 0) as only_before,
        coalesce(leavers.only_last, 0) as only_last,
        coalesce(leavers.both_bad, 0) as both_bad,
        coalesce(baselines.baseline_purchases, 0) as baseline_purchases,
        coalesce(baselines.baseline_bad, 0) as baseline_bad
    from signs
    left join leavers
        on signs.sign = leavers.sign
    left join baselines
        on signs.sign = baselines.sign
),

whole as (
    select
        *,
        cast(customers as decimal(12, 0)) as lost,
        cast(only_before + both_bad as decimal(12, 0)) as bad_before,
        cast(only_last + both_bad as decimal(12, 0)) as bad_last,
        cast(only_before + only_last as decimal(12, 0)) as bad_once,
        cast(both_bad as decimal(12, 0)) as bad_twice,
        cast(customers - only_before - only_last - both_bad as decimal(12, 0)) as never_bad,
        cast(baseline_purchases as decimal(12, 0)) as usual,
        cast(baseline_bad as decimal(12, 0)) as usual_bad,
        cast(baseline_purchases - baseline_bad as decimal(12, 0)) as usual_good
    from counted
),

-- The excesses times customers and purchases are whole numbers: in doubles one of nothing may come
-- out as a little more than nothing, and what is divided by it as a share of anything.
exact as (
    select
        *,
        bad_before * usual - lost * usual_bad as before_times,
        bad_last * usual - lost * usual_bad as last_times,
        bad_twice * (usual_good * usual_good) - bad_once * (usual_bad * usual_good)
        + never_bad * (usual_bad * usual_bad) as both_times
    from whole
),

shares as (
    select
        *,
        cast(customers as double) as n,
        cast(baseline_bad as double) / cast(nullif(baseline_purchases, 0) as double) as q,
        cast(only_before + only_last + both_bad as double) / cast(nullif(customers, 0) as double)
            as bad_share,
        cast(customers - only_before - only_last - both_bad as double) as neither,
        cast(nullif(baseline_purchases, 0) as double) as purchases
    from exact
),

-- The variance of a share near q, (1 − q) q ÷ purchases, goes into what is compared with q.
compared as (
    select
        *,
        q * (1 - q) / purchases as q_variance,
        cast(before_times as double) / (nullif(n, 0) * purchases) as excess_before,
        cast(last_times as double) / (nullif(n, 0) * purchases) as excess_last,
        cast(both_times as double) / (nullif(n, 0) * purchases * purchases) as excess_both
    from shares
),

judged as (
    select
        *,
        before_times > 0 and last_times > 0 and both_times > 0 as is_told
    from compared
),

estimated as (
    select
        *,
        case when is_told then excess_before * excess_last / excess_both end as d
    from judged
),

-- What one customer more of each of the four kinds adds to d, times their number, and how d follows
-- q: the delta method.
erring as (
    select
        *,
        cast(both_bad as double)
        * power(
            (1 - q) / excess_before + (1 - q) / excess_last - (1 - q) * (1 - q) / excess_both - 1, 2
        )
        + cast(only_before as double)
        * power((1 - q) / excess_before - q / excess_last + (1 - q) * q / excess_both - 1, 2)
        + cast(only_last as double)
        * power((1 - q) / excess_last - q / excess_before + (1 - q) * q / excess_both - 1, 2)
        + neither
        * power(-q / excess_before - q / excess_last - q * q / excess_both - 1, 2) as squares,
        (excess_before + excess_last) / excess_both - 1 / excess_before - 1 / excess_last as q_slope
    from estimated
    where is_told
),

errors as (
    select
        sign,
        d * sqrt(squares / (n * n) + q_slope * q_slope * q_variance) as d_error
    from erring
),

final as (
    select
        estimated.sign,
        estimated.customers,
        estimated.expected_gone,
        estimated.only_before + estimated.both_bad as bad_before_last,
        estimated.only_last + estimated.both_bad as bad_at_last,
        estimated.both_bad as bad_at_both,
        estimated.baseline_purchases,
        estimated.baseline_bad,
        estimated.q as baseline_share,
        estimated.bad_share,
        estimated.bad_share - (1 - (1 - estimated.q) * (1 - estimated.q)) as excess_share,
        sqrt(
            estimated.bad_share * (1 - estimated.bad_share) / nullif(estimated.n, 0)
            + 4 * (1 - estimated.q) * (1 - estimated.q) * estimated.q_variance
        ) as excess_share_standard_error,
        estimated.d * estimated.n / nullif(estimated.expected_gone, 0) as disappointed_share,
        errors.d_error * estimated.n / nullif(estimated.expected_gone, 0)
            as disappointed_share_standard_error,
        case
            when estimated.customers = 0 then 'nobody_lost'
            when estimated.expected_gone = 0 then 'nobody_gone'
            when estimated.baseline_purchases = 0 then 'no_baseline'
            when not estimated.is_told then 'no_excess'
        end as disappointed_share_reason
    from estimated
    left join errors
        on estimated.sign = errors.sign
)

select * from final
