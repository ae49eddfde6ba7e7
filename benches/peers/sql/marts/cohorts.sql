with orders as (
    select * from int_orders_valued
),

customers as (
    select * from int_customers_summarised
),

customer_months as (
    select
        customer_id,
        date_trunc('month', order_date) as activity_month,
        count(*) as orders,
        sum(revenue) as revenue,
        bool_or(revenue is null) as has_unvalued_order
    from orders
    where customer_id is not null
    group by customer_id, date_trunc('month', order_date)
),

cohort_members as (
    select
        customer_id,
        date_trunc('month', first_order_date) as cohort_month
    from customers
),

cohorts as (
    select cohort_month, count(*) as customers
    from cohort_members
    group by cohort_month
),

activity as (
    select
        cohort_members.cohort_month,
        customer_months.activity_month,
        count(*) as active_customers,
        sum(customer_months.orders) as orders,
        sum(customer_months.revenue) as revenue,
        bool_or(customer_months.has_unvalued_order) as has_unvalued_order
    from customer_months
    inner join cohort_members
        on customer_months.customer_id = cohort_members.customer_id
    group by cohort_members.cohort_month, customer_months.activity_month
),

-- Months in which nobody of a cohort bought are rows too, so that a curve can be drawn and
-- averaged.
cohort_months as (
    select
        cohort_month,
        customers,
        unnest(
            generate_series(
                cast(cohort_month as date), $as_of - interval '1 day', interval '1 month'
            )
        ) as activity_month
    from cohorts
),

final as (
    select
        cast(cohort_months.cohort_month as date) as cohort_month,
        cast(cohort_months.activity_month as date) as activity_month,
        cast(
            12 * (
                date_part('year', cohort_months.activity_month)
                - date_part('year', cohort_months.cohort_month)
            )
            + date_part('month', cohort_months.activity_month)
            - date_part('month', cohort_months.cohort_month) as bigint
        ) as months_since_first_order,
        cohort_months.activity_month > $as_of - interval '1 month' as is_partial_month,
        cohort_months.customers,
        coalesce(activity.active_customers, 0) as active_customers,
        cast(coalesce(activity.active_customers, 0) as double)
        / cast(cohort_months.customers as double) as retention,
        coalesce(activity.orders, 0) as orders,
        cast(
            case
                when activity.cohort_month is null then 0
                when not activity.has_unvalued_order then activity.revenue
            end as decimal(18, 4)
        ) as revenue
    from cohort_months
    left join activity
        on cohort_months.cohort_month = activity.cohort_month
        and cohort_months.activity_month = activity.activity_month
)

select * from final
