with cohorts as (
    select * from int_acquisition_cohorts_summarised
),

months as (
    select * from int_acquisition_months_valued
),

sums as (
    select
        acquisition_channel,
        min(case when customers > 0 then acquisition_month end) as first_acquisition_month,
        max(case when customers > 0 then acquisition_month end) as last_acquisition_month,
        sum(customers) as customers,
        sum(spend) as spend,
        sum(case when spend is null then 0 else customers end) as costed_customers,
        bool_or(has_unknown_spend) as has_unknown_spend,
        sum(customers_30_days) as customers_30_days,
        sum(customers_90_days) as customers_90_days,
        sum(customers_365_days) as customers_365_days,
        case when count(value_30_days) = count(*) then sum(value_30_days) end as value_30_days,
        case when count(value_90_days) = count(*) then sum(value_90_days) end as value_90_days,
        case when count(value_365_days) = count(*) then sum(value_365_days) end as value_365_days,
        case when count(value_to_date) = count(*) then sum(value_to_date) end as value_to_date,
        sum(returned_90_days) as returned_90_days,
        sum(returned_365_days) as returned_365_days,
        sum(active_customers) as active_customers,
        sum(predicted_customers) as predicted_customers,
        sum(predicted_value) as predicted_value
    from cohorts
    group by acquisition_channel
),

-- Payback compares like with like: in each month since acquisition only the cohorts that are so
-- old take part, with their own spend.
whole_months as (
    select
        acquisition_channel,
        acquisition_month,
        spend,
        customers,
        cast(
            12 * (
                date_part('year', $as_of) - date_part('year', acquisition_month)
            )
            + date_part('month', $as_of) - date_part('month', acquisition_month) as bigint
        ) as whole_months
    from cohorts
    where spend is not null
),

cohort_months as (
    select
        acquisition_channel,
        acquisition_month,
        spend,
        customers,
        unnest(generate_series(cast(0 as bigint), whole_months - 1)) as months_since_acquisition
    from whole_months
    where whole_months > 0
),

valued_months as (
    select
        cohort_months.acquisition_channel,
        cohort_months.acquisition_month,
        cohort_months.months_since_acquisition,
        cohort_months.spend,
        cohort_months.customers,
        months.value,
        months.acquisition_channel is not null and months.value is null as is_unknown
    from cohort_months
    left join months
        on cohort_months.acquisition_channel = months.acquisition_channel
        and cohort_months.acquisition_month = months.acquisition_month
        and cohort_months.months_since_acquisition = months.months_since_acquisition
),

cumulated as (
    select
        acquisition_channel,
        months_since_acquisition,
        spend,
        customers,
        sum(coalesce(value, 0)) over earlier as value_so_far,
        sum(case when is_unknown then 1 else 0 end) over earlier as unknown_so_far
    from valued_months
    window earlier as (
        partition by acquisition_channel, acquisition_month
        order by months_since_acquisition
        rows between unbounded preceding and current row
    )
),

curves as (
    select
        acquisition_channel,
        months_since_acquisition,
        sum(spend) as spend,
        sum(customers) as customers,
        sum(value_so_far) as value_so_far,
        sum(unknown_so_far) as unknown_so_far
    from cumulated
    group by acquisition_channel, months_since_acquisition
),

paid_back as (
    select
        acquisition_channel,
        min(months_since_acquisition) as payback_month
    from curves
    where unknown_so_far = 0
        and customers > 0
        and value_so_far >= spend
    group by acquisition_channel
),

averaged as (
    select
        *,
        cast(nullif(customers, 0) as decimal(18, 0)) as divisor,
        case when not has_unknown_spend then spend end as known_spend,
        case when predicted_customers > 0 then value_to_date + predicted_value end as lifetime_sum
    from sums
),

final as (
    select
        averaged.acquisition_channel,
        averaged.first_acquisition_month,
        averaged.last_acquisition_month,
        averaged.customers,
        cast(averaged.known_spend as decimal(18, 4)) as spend,
        averaged.costed_customers,
        cast(
            averaged.known_spend / cast(nullif(averaged.costed_customers, 0) as decimal(18, 0))
            as decimal(18, 4)
        ) as customer_acquisition_cost,
        averaged.customers_30_days,
        cast(
            averaged.value_30_days / cast(nullif(averaged.customers_30_days, 0) as decimal(18, 0))
            as decimal(18, 4)
        ) as value_30_days,
        averaged.customers_90_days,
        cast(
            averaged.value_90_days / cast(nullif(averaged.customers_90_days, 0) as decimal(18, 0))
            as decimal(18, 4)
        ) as value_90_days,
        averaged.customers_365_days,
        cast(
            averaged.value_365_days
            / cast(nullif(averaged.customers_365_days, 0) as decimal(18, 0)) as decimal(18, 4)
        ) as value_365_days,
        cast(averaged.value_to_date / averaged.divisor as decimal(18, 4)) as value_to_date,
        averaged.predicted_customers,
        cast(averaged.lifetime_sum / averaged.divisor as decimal(18, 4)) as lifetime_value,
        case
            when averaged.known_spend > 0 and averaged.costed_customers > 0
                then cast(averaged.lifetime_sum as double) / cast(averaged.customers as double)
                    / (
                        cast(averaged.known_spend as double)
                        / cast(averaged.costed_customers as double)
                    )
        end as lifetime_value_to_acquisition_cost,
        case when not averaged.has_unknown_spend then paid_back.payback_month end as payback_month,
        cast(averaged.returned_90_days as double)
        / cast(nullif(averaged.customers_90_days, 0) as double) as retention_90_days,
        cast(averaged.returned_365_days as double)
        / cast(nullif(averaged.customers_365_days, 0) as double) as retention_365_days,
        averaged.active_customers,
        cast(averaged.active_customers as double)
        / cast(nullif(averaged.customers, 0) as double) as active_share
    from averaged
    left join paid_back
        on averaged.acquisition_channel = paid_back.acquisition_channel
)

select * from final
