with cohort_months as (
    select * from int_cohort_months_summarised
),

months_ahead as (
    select * from int_cohort_months_ahead
),

projections as (
    select * from cohort_projections
),

products as (
    select * from entities.products
),

campaigns as (
    select * from entities.campaigns
),

projected as (
    select
        months_ahead.activity_month,
        projections.*
    from months_ahead
    inner join projections
        on months_ahead.dimension = projections.dimension
        and months_ahead.dimension_value = projections.dimension_value
        and months_ahead.cohort_month = projections.cohort_month
        and months_ahead.months_ahead = projections.months_ahead
),

-- A sum over months of which one is unknown is unknown.
cumulated as (
    select
        *,
        revenue - cost as margin,
        case
            when count(*) over since_first_order = count(revenue) over since_first_order
                then sum(revenue) over since_first_order
        end as cumulative_revenue,
        case
            when count(*) over since_first_order = count(revenue - cost) over since_first_order
                then sum(revenue - cost) over since_first_order
        end as cumulative_margin
    from cohort_months
    window since_first_order as (
        partition by dimension, dimension_value, cohort_month
        order by activity_month
        rows between unbounded preceding and current row
    )
),

observed as (
    select
        cumulated.dimension,
        cumulated.dimension_value,
        cumulated.cohort_month,
        cumulated.activity_month,
        cumulated.months_since_first_order,
        cumulated.is_partial_month,
        false as is_projected,
        cumulated.customers,
        cumulated.active_customers,
        cumulated.retained_customers,
        cumulated.orders,
        cumulated.revenue,
        cumulated.margin,
        cumulated.cumulative_revenue / cast(cumulated.customers as decimal(18, 0))
            as cumulative_revenue_per_customer,
        cumulated.cumulative_margin / cast(cumulated.customers as decimal(18, 0))
            as cumulative_margin_per_customer,
        projected.projected_retention,
        projected.projected_retention_low,
        projected.projected_retention_high,
        projected.projected_survival,
        projected.projected_survival_low,
        projected.projected_survival_high,
        projected.model,
        projected.reason
    from cumulated
    left join projected
        on cumulated.dimension = projected.dimension
        and cumulated.dimension_value = projected.dimension_value
        and cumulated.cohort_month = projected.cohort_month
        and cumulated.activity_month = projected.activity_month
),

unobserved as (
    select
        projected.dimension,
        projected.dimension_value,
        projected.cohort_month,
        projected.activity_month,
        cast(
            12 * (
                date_part('year', projected.activity_month)
                - date_part('year', projected.cohort_month)
            )
            + date_part('month', projected.activity_month)
            - date_part('month', projected.cohort_month) as bigint
        ) as months_since_first_order,
        false as is_partial_month,
        true as is_projected,
        cohort_months.customers,
        null as active_customers,
        null as retained_customers,
        null as orders,
        null as revenue,
        null as margin,
        null as cumulative_revenue_per_customer,
        null as cumulative_margin_per_customer,
        projected.projected_retention,
        projected.projected_retention_low,
        projected.projected_retention_high,
        projected.projected_survival,
        projected.projected_survival_low,
        projected.projected_survival_high,
        projected.model,
        projected.reason
    from projected
    inner join cohort_months
        on projected.dimension = cohort_months.dimension
        and projected.dimension_value = cohort_months.dimension_value
        and projected.cohort_month = cohort_months.cohort_month
        and cohort_months.months_since_first_order = 0
    where projected.activity_month >= $as_of
),

months as (
    select * from observed
    union all
    select * from unobserved
),

final as (
    select
        months.dimension,
        months.dimension_value,
        coalesce(
            products.product_name, campaigns.campaign_name, months.dimension_value
        ) as dimension_value_name,
        months.cohort_month,
        months.activity_month,
        months.months_since_first_order,
        months.is_partial_month,
        months.is_projected,
        months.customers,
        months.active_customers,
        months.retained_customers,
        cast(months.active_customers as double) / cast(months.customers as double) as retention,
        cast(months.retained_customers as double) / cast(months.customers as double)
            as retained_share,
        months.orders,
        cast(months.revenue as decimal(18, 4)) as revenue,
        cast(months.margin as decimal(18, 4)) as margin,
        cast(months.cumulative_revenue_per_customer as decimal(18, 4))
            as cumulative_revenue_per_customer,
        cast(months.cumulative_margin_per_customer as decimal(18, 4))
            as cumulative_margin_per_customer,
        months.projected_retention,
        months.projected_retention_low,
        months.projected_retention_high,
        months.projected_survival,
        months.projected_survival_low,
        months.projected_survival_high,
        months.model as projection_model,
        months.reason as projection_reason
    from months
    left join products
        on months.dimension = 'first_product'
        and months.dimension_value = products.product_id
    left join campaigns
        on months.dimension = 'acquisition_campaign'
        and months.dimension_value = campaigns.campaign_id
)

select * from final
