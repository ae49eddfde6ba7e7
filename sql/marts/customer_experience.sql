with customers as (
    select * from entities.customers
),

summaries as (
    select * from int_customers_summarised
),

orders as (
    select * from int_orders_valued
),

returns as (
    select * from int_returns_summarised
),

returned_orders as (
    select * from int_orders_returned
),

responses as (
    select * from int_survey_responses_scored
),

tickets as (
    select * from int_service_tickets_valued
),

mentions as (
    select * from int_social_mentions_dated
),

-- The last answer is the first counted backwards: first_by holds less a group than a window would.
-- Its value is one of few texts: score, place on the scale and group.
answers as (
    select
        customer_id,
        question_kind,
        given_score,
        responded_date,
        score,
        scale_minimum,
        scale_maximum,
        is_high_good,
        cast(score_share as decimal(18, 12)) as score_share,
        case
            when score is not null
                then concat_ws(
                    '|',
                    cast(score as varchar),
                    cast(cast(score_share as decimal(18, 12)) as varchar),
                    coalesce(nps_group, '')
                )
        end as told_score,
        case
            when score is not null
                then cast('1970-01-01T00:00:00' as timestamp)
                    + (cast($as_of as timestamp) - responded_at)
        end as told_before,
        response_id
    from responses
    where customer_id is not null
),

kinds as (
    select
        customer_id,
        question_kind,
        count(*) as asked,
        count(given_score) as answered,
        count(score) as answers,
        max(responded_date) as last_answer_date,
        max(case when score is not null then responded_date end) as last_usable_date,
        first_by(told_score, told_before, response_id) as last_told,
        sum(cast(score as decimal(18, 4))) as score_sum,
        min(scale_minimum) filter (where score is not null)
        = max(scale_minimum) filter (where score is not null)
        and min(scale_maximum) filter (where score is not null)
        = max(scale_maximum) filter (where score is not null)
        and bool_and(is_high_good) filter (where score is not null)
        = bool_or(is_high_good) filter (where score is not null) as has_one_scale,
        sum(score_share) as share_sum
    from answers
    group by customer_id, question_kind
),

unpacked as (
    select
        *,
        answers - 1 as earlier_answers,
        cast(split_part(last_told, '|', 1) as double) as last_score,
        cast(split_part(last_told, '|', 2) as decimal(18, 12)) as last_share,
        nullif(split_part(last_told, '|', 3), '') as last_nps_group,
        share_sum - cast(split_part(last_told, '|', 2) as decimal(18, 12)) as earlier_share_sum
    from kinds
),

-- An answer long ago warns of nothing any more. Both sides are multiplied by the number of earlier
-- answers: decimals compare exactly where a quotient would not.
judged as (
    select
        *,
        case
            when has_one_scale then cast(score_sum as double) / cast(answers as double)
        end as mean_score,
        case
            when earlier_answers >= $falling_score_min_earlier
                and last_usable_date >= $as_of - $experience_days
                then earlier_share_sum - earlier_answers * last_share
                    >= earlier_answers * cast($falling_score_drop as decimal(18, 12))
        end as is_falling,
        case
            when last_usable_date < $as_of - $experience_days then null
            when last_nps_group is not null then last_nps_group = 'detractor'
            else last_share <= cast($poor_answer_share as decimal(18, 12))
        end as is_poor
    from unpacked
),

told as (
    select
        *,
        case
            when is_falling
                then question_kind || ' fell from '
                    || cast(
                        cast(
                            round(
                                100 * cast(earlier_share_sum as double)
                                / cast(earlier_answers as double)
                            ) as bigint
                        ) as varchar
                    )
                    || ' to '
                    || cast(cast(round(100 * cast(last_share as double)) as bigint) as varchar)
                    || ' % of its scale on '
                    || cast(last_usable_date as varchar)
        end as fall,
        case
            when is_poor and is_falling is distinct from true
                then question_kind || ' at '
                    || cast(cast(round(100 * cast(last_share as double)) as bigint) as varchar)
                    || ' % of its scale on '
                    || cast(last_usable_date as varchar)
        end as low_answer
    from judged
),

surveyed as (
    select
        customer_id,
        sum(asked) as asked,
        sum(answered) as answered,
        sum(answered) - sum(answers) as unusable_answers,
        max(last_answer_date) as last_answer_date,
        max(last_score) filter (where question_kind = 'nps') as last_nps_score,
        max(mean_score) filter (where question_kind = 'nps') as mean_nps_score,
        max(last_nps_group) filter (where question_kind = 'nps') as nps_group,
        max(last_score) filter (where question_kind = 'csat') as last_csat_score,
        max(mean_score) filter (where question_kind = 'csat') as mean_csat_score,
        max(last_score) filter (where question_kind = 'ces') as last_effort_score,
        max(mean_score) filter (where question_kind = 'ces') as mean_effort_score,
        max(last_score) filter (where question_kind = 'review') as last_review_score,
        max(mean_score) filter (where question_kind = 'review') as mean_review_score,
        cast(sum(share_sum) as double) / cast(sum(answers) as double) as mean_score_share,
        bool_or(is_falling) as is_score_falling,
        bool_or(is_poor) as is_last_answer_poor,
        min(fall) as score_fall,
        min(low_answer) as low_answer
    from told
    group by customer_id
),

order_windows as (
    select
        customer_id,
        count(*) filter (where order_date >= $as_of - $falling_frequency_days) as recent_orders,
        count(*) filter (
            where order_date < $as_of - $falling_frequency_days
                and order_date >= $as_of - 2 * $falling_frequency_days
        ) as earlier_orders,
        count(*) filter (where order_date >= $as_of - $experience_days) as orders_of_late
    from orders
    where customer_id is not null
    group by customer_id
),

returned as (
    select
        customer_id,
        count(*) as returned_orders,
        count(*) filter (where order_date >= $as_of - $experience_days) as returned_of_late
    from returned_orders
    where customer_id is not null
    group by customer_id
),

-- Where no source tells of returns, nobody is known to return little.
known_returns as (
    select count(*) > 0 as has_returns
    from returns
),

bought as (
    select
        summaries.customer_id,
        summaries.orders,
        summaries.last_order_date,
        cast($as_of - summaries.last_order_date as bigint) as days_since_last_order,
        summaries.frequency,
        summaries.recency_age,
        summaries.revenue,
        order_windows.recent_orders,
        order_windows.earlier_orders,
        coalesce(returned.returned_orders, 0) as returned_orders,
        order_windows.orders_of_late,
        coalesce(returned.returned_of_late, 0) as returned_of_late,
        known_returns.has_returns,
        order_windows.earlier_orders >= $falling_frequency_min_orders as has_window,
        summaries.purchase_days >= $falling_frequency_min_purchase_days as has_rhythm
    from summaries
    inner join order_windows
        on summaries.customer_id = order_windows.customer_id
    left join returned
        on summaries.customer_id = returned.customer_id
    cross join known_returns
),

slowed as (
    select
        *,
        has_window
        and cast(recent_orders as double)
        <= $falling_frequency_share * cast(earlier_orders as double) as has_slower_window,
        has_rhythm
        and cast(days_since_last_order * frequency as double)
        > $falling_frequency_rhythm * cast(recency_age as double) as is_overdue
    from bought
),

-- Who is inactive is lost already: that is no early warning.
frequencies as (
    select
        *,
        case
            when (has_window or has_rhythm) and days_since_last_order <= $inactive_after_days
                then has_slower_window or is_overdue
        end as is_frequency_falling,
        case
            when has_slower_window
                then 'orders fell from ' || cast(earlier_orders as varchar)
                    || ' to ' || cast(recent_orders as varchar)
                    || ' in ' || cast($falling_frequency_days as varchar) || ' days'
            when is_overdue
                then 'last order ' || cast(days_since_last_order as varchar)
                    || ' days ago against one in '
                    || cast(
                        cast(
                            round(cast(recency_age as double) / cast(frequency as double))
                            as bigint
                        ) as varchar
                    ) || ' days before'
        end as frequency_fall,
        case
            when has_returns and orders_of_late >= $frequent_returns_min_orders
                then returned_of_late >= $frequent_returns_min_orders
                    and cast(returned_of_late as double)
                    >= $frequent_returns_share * cast(orders_of_late as double)
        end as is_returning_often
    from slowed
),

watched as (
    select
        *,
        opened_date >= $as_of - $experience_days as is_of_late,
        (not is_resolved and opened_date < $as_of - $open_ticket_days) or reopened_count > 0
            as is_troubled
    from tickets
),

helped as (
    select
        customer_id,
        count(*) as tickets,
        count(*) filter (where not is_resolved) as open_tickets,
        count(reopened_count) as tickets_that_tell,
        count(*) filter (where reopened_count > 0) as reopened_tickets,
        count(is_complaint) as tickets_of_known_kind,
        count(*) filter (where is_complaint) as complaints,
        sum(seconds_to_first_reply) as reply_seconds,
        count(seconds_to_first_reply) as replied_tickets,
        sum(seconds_to_resolve) as resolve_seconds,
        count(seconds_to_resolve) as timed_tickets,
        max(opened_date) as last_ticket_date,
        count(*) filter (where is_of_late) as tickets_of_late,
        count(*) filter (where is_of_late and is_troubled) as troubled_tickets,
        count(*) filter (where is_of_late and is_troubled is null) as unclear_tickets,
        count(*) filter (where is_of_late and is_complaint) as complaints_of_late,
        count(*) filter (where is_of_late and is_complaint is null) as tickets_of_unknown_kind
    from watched
    where customer_id is not null
    group by customer_id
),

heard as (
    select
        *,
        mentioned_date >= $as_of - $experience_days as is_of_late,
        coalesce(sentiment_label = 'negative', sentiment <= $negative_sentiment) as is_negative
    from mentions
),

mentioned as (
    select
        customer_id,
        count(*) as mentions,
        count(*) filter (where sentiment_label = 'negative') as negative_mentions,
        sum(sentiment) as sentiment_sum,
        count(sentiment) as scored_mentions,
        max(mentioned_date) as last_mention_date,
        count(*) filter (where is_of_late) as mentions_of_late,
        count(*) filter (where is_of_late and is_negative) as negative_of_late,
        count(*) filter (where is_of_late and is_negative is null) as unclear_mentions
    from heard
    where customer_id is not null
    group by customer_id
),

-- Each source is read once: a list of all customers beside them would read each twice.
buyers as (
    select
        coalesce(customers.customer_id, frequencies.customer_id) as customer_id,
        frequencies.orders,
        frequencies.last_order_date,
        frequencies.recent_orders,
        frequencies.earlier_orders,
        frequencies.returned_orders,
        frequencies.revenue,
        frequencies.is_frequency_falling,
        frequencies.is_returning_often,
        frequencies.orders_of_late,
        frequencies.returned_of_late,
        frequencies.frequency_fall
    from customers
    full join frequencies
        on customers.customer_id = frequencies.customer_id
),

returners as (
    select
        coalesce(buyers.customer_id, returns.customer_id) as customer_id,
        buyers.orders,
        buyers.last_order_date,
        buyers.recent_orders,
        buyers.earlier_orders,
        buyers.returned_orders,
        buyers.revenue,
        buyers.is_frequency_falling,
        buyers.is_returning_often,
        buyers.orders_of_late,
        buyers.returned_of_late,
        buyers.frequency_fall,
        returns.customer_id is not null as has_returned,
        returns.returned_revenue,
        returns.last_return_date
    from buyers
    full join returns
        on buyers.customer_id = returns.customer_id
),

respondents as (
    select
        coalesce(returners.customer_id, surveyed.customer_id) as customer_id,
        returners.orders,
        returners.last_order_date,
        returners.recent_orders,
        returners.earlier_orders,
        returners.returned_orders,
        returners.revenue,
        returners.is_frequency_falling,
        returners.is_returning_often,
        returners.orders_of_late,
        returners.returned_of_late,
        returners.frequency_fall,
        returners.has_returned,
        returners.returned_revenue,
        returners.last_return_date,
        surveyed.asked,
        surveyed.answered,
        surveyed.unusable_answers,
        surveyed.last_answer_date,
        surveyed.last_nps_score,
        surveyed.mean_nps_score,
        surveyed.nps_group,
        surveyed.last_csat_score,
        surveyed.mean_csat_score,
        surveyed.last_effort_score,
        surveyed.mean_effort_score,
        surveyed.last_review_score,
        surveyed.mean_review_score,
        surveyed.mean_score_share,
        surveyed.is_score_falling,
        surveyed.is_last_answer_poor,
        surveyed.score_fall,
        surveyed.low_answer
    from returners
    full join surveyed
        on returners.customer_id = surveyed.customer_id
),

spoken as (
    select
        coalesce(helped.customer_id, mentioned.customer_id) as customer_id,
        coalesce(helped.tickets, 0) as tickets,
        coalesce(helped.open_tickets, 0) as open_tickets,
        case
            when helped.customer_id is null then 0
            when helped.tickets_that_tell = helped.tickets then helped.reopened_tickets
        end as reopened_tickets,
        case
            when helped.customer_id is null then 0
            when helped.tickets_of_known_kind = helped.tickets then helped.complaints
        end as complaints,
        cast(helped.reply_seconds as double) / cast(3600 * helped.replied_tickets as double)
            as mean_hours_to_first_reply,
        cast(helped.resolve_seconds as double) / cast(3600 * helped.timed_tickets as double)
            as mean_hours_to_resolve,
        helped.last_ticket_date,
        coalesce(mentioned.mentions, 0) as mentions,
        coalesce(mentioned.negative_mentions, 0) as negative_mentions,
        cast(mentioned.sentiment_sum as double) / cast(mentioned.scored_mentions as double)
            as mean_sentiment,
        mentioned.last_mention_date,
        case
            when helped.troubled_tickets > 0 then true
            when helped.tickets_of_late > 0 and helped.unclear_tickets = 0 then false
        end as has_ticket_trouble,
        case
            when helped.complaints_of_late > 0 then true
            when helped.tickets_of_late > 0 and helped.tickets_of_unknown_kind = 0 then false
        end as has_complained,
        case
            when mentioned.negative_of_late > 0 then true
            when mentioned.mentions_of_late > 0 and mentioned.unclear_mentions = 0 then false
        end as has_spoken_ill,
        helped.troubled_tickets,
        helped.complaints_of_late,
        mentioned.negative_of_late
    from helped
    full join mentioned
        on helped.customer_id = mentioned.customer_id
),

joined as (
    select
        coalesce(respondents.customer_id, spoken.customer_id) as customer_id,
        coalesce(respondents.asked, 0) as asked,
        coalesce(respondents.answered, 0) as answered,
        coalesce(respondents.unusable_answers, 0) as unusable_answers,
        cast(respondents.answered as double) / cast(respondents.asked as double) as response_rate,
        respondents.last_answer_date,
        respondents.last_nps_score,
        respondents.mean_nps_score,
        respondents.nps_group,
        respondents.last_csat_score,
        respondents.mean_csat_score,
        respondents.last_effort_score,
        respondents.mean_effort_score,
        respondents.last_review_score,
        respondents.mean_review_score,
        respondents.mean_score_share,
        coalesce(respondents.orders, 0) as orders,
        respondents.last_order_date,
        coalesce(respondents.recent_orders, 0) as recent_orders,
        coalesce(respondents.earlier_orders, 0) as earlier_orders,
        coalesce(respondents.returned_orders, 0) as returned_orders,
        cast(respondents.returned_orders as double) / cast(respondents.orders as double)
            as return_rate,
        case
            when respondents.has_returned then respondents.returned_revenue
            else cast(0 as decimal(18, 4))
        end as returned_revenue,
        respondents.revenue,
        respondents.last_return_date,
        coalesce(spoken.tickets, 0) as tickets,
        coalesce(spoken.open_tickets, 0) as open_tickets,
        case
            when spoken.customer_id is null then 0
            else spoken.reopened_tickets
        end as reopened_tickets,
        case when spoken.customer_id is null then 0 else spoken.complaints end as complaints,
        spoken.mean_hours_to_first_reply,
        spoken.mean_hours_to_resolve,
        spoken.last_ticket_date,
        coalesce(spoken.mentions, 0) as mentions,
        coalesce(spoken.negative_mentions, 0) as negative_mentions,
        spoken.mean_sentiment,
        spoken.last_mention_date,
        respondents.is_score_falling,
        respondents.is_last_answer_poor,
        respondents.is_frequency_falling,
        spoken.has_ticket_trouble,
        spoken.has_complained,
        respondents.is_returning_often,
        spoken.has_spoken_ill,
        respondents.score_fall,
        respondents.low_answer,
        respondents.frequency_fall,
        respondents.orders_of_late,
        respondents.returned_of_late,
        spoken.troubled_tickets,
        spoken.complaints_of_late,
        spoken.negative_of_late
    from respondents
    full join spoken
        on respondents.customer_id = spoken.customer_id
),

-- One bad answer is not two warnings for being both poor and a fall, nor is a complaint that had to
-- be reopened.
sided as (
    select
        *,
        coalesce(is_score_falling or is_last_answer_poor, is_score_falling, is_last_answer_poor)
            as answers_warn,
        coalesce(has_ticket_trouble or has_complained, has_ticket_trouble, has_complained)
            as service_warns
    from joined
),

counted as (
    select
        *,
        cast(answers_warn is not null as bigint)
        + cast(is_frequency_falling is not null as bigint)
        + cast(service_warns is not null as bigint)
        + cast(is_returning_often is not null as bigint)
        + cast(has_spoken_ill is not null as bigint) as sides_known,
        cast(coalesce(answers_warn, false) as bigint)
        + cast(coalesce(is_frequency_falling, false) as bigint)
        + cast(coalesce(service_warns, false) as bigint)
        + cast(coalesce(is_returning_often, false) as bigint)
        + cast(coalesce(has_spoken_ill, false) as bigint) as sides_warning
    from sided
),

warned as (
    select
        *,
        case when sides_known > 0 then sides_warning end as warnings,
        nullif(
            concat_ws(
                '; ',
                case when is_score_falling then score_fall end,
                case when is_last_answer_poor then low_answer end,
                case when is_frequency_falling then frequency_fall end,
                case
                    when has_ticket_trouble
                        then 'tickets reopened or long open: ' || cast(troubled_tickets as varchar)
                end,
                case
                    when has_complained
                        then 'complaints: ' || cast(complaints_of_late as varchar)
                end,
                case
                    when is_returning_often
                        then 'orders returned: ' || cast(returned_of_late as varchar)
                            || ' of ' || cast(orders_of_late as varchar)
                end,
                case
                    when has_spoken_ill
                        then 'negative mentions: ' || cast(negative_of_late as varchar)
                end
            ),
            ''
        ) as warning_reason
    from counted
),

final as (
    select
        customer_id,
        asked,
        answered,
        unusable_answers,
        response_rate,
        last_answer_date,
        last_nps_score,
        mean_nps_score,
        nps_group,
        last_csat_score,
        mean_csat_score,
        last_effort_score,
        mean_effort_score,
        last_review_score,
        mean_review_score,
        mean_score_share,
        orders,
        recent_orders,
        earlier_orders,
        returned_orders,
        return_rate,
        returned_revenue,
        case
            when revenue > 0 then cast(returned_revenue as double) / cast(revenue as double)
        end as returned_revenue_share,
        tickets,
        open_tickets,
        reopened_tickets,
        complaints,
        mean_hours_to_first_reply,
        mean_hours_to_resolve,
        mentions,
        negative_mentions,
        mean_sentiment,
        greatest(
            last_answer_date, last_order_date, last_return_date, last_ticket_date, last_mention_date
        ) as last_contact_date,
        is_score_falling,
        is_last_answer_poor,
        is_frequency_falling,
        has_ticket_trouble,
        has_complained,
        is_returning_often,
        has_spoken_ill,
        sides_known,
        warnings,
        warnings >= $early_warning_sides as is_early_warning,
        case
            when warnings = 0 then 'none'
            when warnings >= $alarm_sides then 'alarm'
            when warnings >= $early_warning_sides then 'warning'
            when warnings > 0 then 'watch'
        end as warning_level,
        warning_reason
    from warned
)

select * from final
