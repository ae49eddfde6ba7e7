with customers as (
    select * from int_customers_cohorted
),

customer_months as (
    select * from int_customer_months_ordered
),

ranked as (
    select * from int_cohort_values_ranked
),

known_dimensions as (
    select dimension
    from ranked
    group by dimension
    union all
    select 'all' as dimension
),

-- By all dimensions at once first, so that only few rows are counted once for each.
combined_activity as (
    select
        customers.cohort_month,
        customer_months.activity_month,
        customers.acquisition_channel,
        customers.acquisition_campaign,
        customers.first_product,
        customers.first_category,
        count(*) as active_customers,
        sum(customer_months.orders) as orders,
        sum(customer_months.revenue) as revenue,
        sum(customer_months.cost) as cost,
        bool_or(customer_months.revenue is null) as has_unknown_revenue,
        bool_or(customer_months.cost is null) as has_unknown_cost
    from customer_months
    inner join customers
        on customer_months.customer_id = customers.customer_id
    group by
        customers.cohort_month,
        customer_months.activity_month,
        customers.acquisition_channel,
        customers.acquisition_campaign,
        customers.first_product,
        customers.first_category
),

-- The values of a customer are never null, so that a null tells that a set does not group by them.
activity_sets as (
    select
        cohort_month,
        activity_month,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        sum(active_customers) as active_customers,
        sum(orders) as orders,
        case when not bool_or(has_unknown_revenue) then sum(revenue) end as revenue,
        case when not bool_or(has_unknown_cost) then sum(cost) end as cost
    from combined_activity
    group by grouping sets (
        (cohort_month, activity_month),
        (cohort_month, activity_month, acquisition_channel),
        (cohort_month, activity_month, acquisition_campaign),
        (cohort_month, activity_month, first_product),
        (cohort_month, activity_month, first_category)
    )
),

combined_last_months as (
    select
        cohort_month,
        last_order_month,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        count(*) as customers
    from customers
    group by
        cohort_month,
        last_order_month,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category
),

last_month_sets as (
    select
        cohort_month,
        last_order_month,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        sum(customers) as customers
    from combined_last_months
    group by grouping sets (
        (cohort_month, last_order_month),
        (cohort_month, last_order_month, acquisition_channel),
        (cohort_month, last_order_month, acquisition_campaign),
        (cohort_month, last_order_month, first_product),
        (cohort_month, last_order_month, first_category)
    )
),

activity as (
    select
        case
            when acquisition_channel is not null then 'acquisition_channel'
            when acquisition_campaign is not null then 'acquisition_campaign'
            when first_product is not null then 'first_product'
            when first_category is not null then 'first_category'
            else 'all'
        end as dimension,
        coalesce(
            acquisition_channel, acquisition_campaign, first_product, first_category, 'all'
        ) as dimension_value,
        cohort_month,
        activity_month,
        active_customers,
        orders,
        revenue,
        cost
    from activity_sets
),

last_months as (
    select
        case
            when acquisition_channel is not null then 'acquisition_channel'
            when acquisition_campaign is not null then 'acquisition_campaign'
            when first_product is not null then 'first_product'
            when first_category is not null then 'first_category'
            else 'all'
        end as dimension,
        coalesce(
            acquisition_channel, acquisition_campaign, first_product, first_category, 'all'
        ) as dimension_value,
        cohort_month,
        last_order_month,
        customers
    from last_month_sets
),

cohorts as (
    select
        last_months.dimension,
        last_months.dimension_value,
        last_months.cohort_month,
        sum(last_months.customers) as customers
    from last_months
    inner join known_dimensions
        on last_months.dimension = known_dimensions.dimension
    group by last_months.dimension, last_months.dimension_value, last_months.cohort_month
),

-- Months in which nobody of a cohort bought are rows too, so that a curve can be drawn and
-- averaged.
cohort_months as (
    select
        dimension,
        dimension_value,
        cohort_month,
        customers,
        unnest(
            generate_series(cohort_month, $as_of - interval '1 day', interval '1 month')
        ) as activity_month
    from cohorts
),

counted as (
    select
        cohort_months.dimension,
        cohort_months.dimension_value,
        cohort_months.cohort_month,
        cast(cohort_months.activity_month as date) as activity_month,
        cohort_months.customers,
        coalesce(last_months.customers, 0) as last_active_customers,
        coalesce(activity.active_customers, 0) as active_customers,
        coalesce(activity.orders, 0) as orders,
        case when activity.orders is null then 0 else activity.revenue end as revenue,
        case when activity.orders is null then 0 else activity.cost end as cost
    from cohort_months
    left join activity
        on cohort_months.dimension = activity.dimension
        and cohort_months.dimension_value = activity.dimension_value
        and cohort_months.cohort_month = activity.cohort_month
        and cohort_months.activity_month = activity.activity_month
    left join last_months
        on cohort_months.dimension = last_months.dimension
        and cohort_months.dimension_value = last_months.dimension_value
        and cohort_months.cohort_month = last_months.cohort_month
        and cohort_months.activity_month = last_months.last_order_month
),

final as (
    select
        dimension,
        dimension_value,
        cohort_month,
        activity_month,
        cast(
            12 * (date_part('year', activity_month) - date_part('year', cohort_month))
            + date_part('month', activity_month)
            - date_part('month', cohort_month) as bigint
        ) as months_since_first_order,
        activity_month > $as_of - interval '1 month' as is_partial_month,
        customers,
        active_customers,
        cast(
            sum(last_active_customers) over (
                partition by dimension, dimension_value, cohort_month
                order by activity_month desc
            ) as bigint
        ) as retained_customers,
        orders,
        cast(revenue as decimal(18, 4)) as revenue,
        cast(cost as decimal(18, 4)) as cost
    from counted
)

select * from final
