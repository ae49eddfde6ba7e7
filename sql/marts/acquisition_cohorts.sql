with cohorts as (
    select * from int_acquisition_cohorts_summarised
),

months as (
    select * from int_acquisition_months_valued
),

cumulated as (
    select
        acquisition_channel,
        acquisition_month,
        months_since_acquisition,
        sum(value) over earlier as value_so_far,
        sum(case when value is null then 1 else 0 end) over earlier = 0 as is_known
    from months
    window earlier as (
        partition by acquisition_channel, acquisition_month
        order by months_since_acquisition
        rows between unbounded preceding and current row
    )
),

paid_back as (
    select
        cohorts.acquisition_channel,
        cohorts.acquisition_month,
        min(cumulated.months_since_acquisition) as payback_month
    from cohorts
    inner join cumulated
        on cohorts.acquisition_channel = cumulated.acquisition_channel
        and cohorts.acquisition_month = cumulated.acquisition_month
    where cumulated.is_known
        and cumulated.value_so_far >= cohorts.spend
        and cohorts.customers > 0
        and cast(
            12 * (
                date_part('year', $as_of) - date_part('year', cohorts.acquisition_month)
            )
            + date_part('month', $as_of) - date_part('month', cohorts.acquisition_month) as bigint
        ) > cumulated.months_since_acquisition
    group by cohorts.acquisition_channel, cohorts.acquisition_month
),

averaged as (
    select
        cohorts.*,
        cast(nullif(customers, 0) as decimal(18, 0)) as divisor,
        cast(
            spend / cast(nullif(customers, 0) as decimal(18, 0)) as decimal(18, 4)
        ) as customer_acquisition_cost,
        case when predicted_customers > 0 then value_to_date + predicted_value end as lifetime_sum
    from cohorts
),

final as (
    select
        averaged.acquisition_channel,
        averaged.acquisition_month,
        averaged.customers,
        averaged.spend,
        averaged.customer_acquisition_cost,
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
            when averaged.spend > 0
                then cast(averaged.lifetime_sum as double) / cast(averaged.spend as double)
        end as lifetime_value_to_acquisition_cost,
        paid_back.payback_month,
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
        and averaged.acquisition_month = paid_back.acquisition_month
)

select * from final
