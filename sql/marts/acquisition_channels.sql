with cohorts as (
    select * from int_acquisition_cohorts_summarised
),

months as (
    select * from int_acquisition_months_valued
),

visitors as (
    select * from int_visitors_converted
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

arrivals as (
    select
        channel,
        count(*) as visitors,
        count(*) filter (where is_measured) as measured_visitors,
        count(*) filter (where is_measured and is_converted) as converted_visitors
    from visitors
    group by channel
),

-- Nobody came by a channel only where it is known of anybody how they came.
arrived as (
    select
        averaged.*,
        coalesce(averaged.acquisition_channel, arrivals.channel) as any_channel,
        sum(arrivals.visitors) over () is not null as has_visitors,
        coalesce(arrivals.visitors, 0) as visitors,
        coalesce(arrivals.measured_visitors, 0) as measured_visitors,
        coalesce(arrivals.converted_visitors, 0) as converted_visitors
    from averaged
    full join arrivals
        on averaged.acquisition_channel = arrivals.channel
),

final as (
    select
        arrived.any_channel as acquisition_channel,
        arrived.first_acquisition_month,
        arrived.last_acquisition_month,
        coalesce(arrived.customers, 0) as customers,
        cast(arrived.known_spend as decimal(18, 4)) as spend,
        coalesce(arrived.costed_customers, 0) as costed_customers,
        cast(
            arrived.known_spend / cast(nullif(arrived.costed_customers, 0) as decimal(18, 0))
            as decimal(18, 4)
        ) as customer_acquisition_cost,
        coalesce(arrived.customers_30_days, 0) as customers_30_days,
        cast(
            arrived.value_30_days / cast(nullif(arrived.customers_30_days, 0) as decimal(18, 0))
            as decimal(18, 4)
        ) as value_30_days,
        coalesce(arrived.customers_90_days, 0) as customers_90_days,
        cast(
            arrived.value_90_days / cast(nullif(arrived.customers_90_days, 0) as decimal(18, 0))
            as decimal(18, 4)
        ) as value_90_days,
        coalesce(arrived.customers_365_days, 0) as customers_365_days,
        cast(
            arrived.value_365_days
            / cast(nullif(arrived.customers_365_days, 0) as decimal(18, 0)) as decimal(18, 4)
        ) as value_365_days,
        cast(arrived.value_to_date / arrived.divisor as decimal(18, 4)) as value_to_date,
        coalesce(arrived.predicted_customers, 0) as predicted_customers,
        cast(arrived.lifetime_sum / arrived.divisor as decimal(18, 4)) as lifetime_value,
        case
            when arrived.known_spend > 0 and arrived.costed_customers > 0
                then cast(arrived.lifetime_sum as double) / cast(arrived.customers as double)
                    / (
                        cast(arrived.known_spend as double)
                        / cast(arrived.costed_customers as double)
                    )
        end as lifetime_value_to_acquisition_cost,
        case when not arrived.has_unknown_spend then paid_back.payback_month end as payback_month,
        cast(arrived.returned_90_days as double)
        / cast(nullif(arrived.customers_90_days, 0) as double) as retention_90_days,
        cast(arrived.returned_365_days as double)
        / cast(nullif(arrived.customers_365_days, 0) as double) as retention_365_days,
        coalesce(arrived.active_customers, 0) as active_customers,
        cast(arrived.active_customers as double)
        / cast(nullif(arrived.customers, 0) as double) as active_share,
        case when arrived.has_visitors then arrived.visitors end as visitors,
        case when arrived.has_visitors then arrived.measured_visitors end as measured_visitors,
        case when arrived.has_visitors then arrived.converted_visitors end as converted_visitors,
        cast(arrived.converted_visitors as double)
        / cast(nullif(arrived.measured_visitors, 0) as double) as conversion_rate,
        case
            when not arrived.has_visitors then 'no_web_events'
            when arrived.visitors = 0 then 'no_visitors'
            when arrived.measured_visitors = 0 then 'window_not_over'
        end as conversion_reason
    from arrived
    left join paid_back
        on arrived.any_channel = paid_back.acquisition_channel
)

select * from final
