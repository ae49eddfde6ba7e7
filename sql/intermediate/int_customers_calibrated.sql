-- What int_customers_summarised would have told on the day before the holdout, and what came after.
with orders as (
    select * from int_orders_valued
),

days as (
    select
        customer_id,
        min(order_date) as first_order_date,
        max(case when order_date < $holdout_start then order_date end) as last_order_date,
        count_distinct_days(
            case when order_date < $holdout_start then order_date end
        ) as purchase_days,
        count_distinct_days(
            case when order_date >= $holdout_start then order_date end
        ) as holdout_purchases
    from orders
    where customer_id is not null
    group by customer_id
),

final as (
    select
        customer_id,
        first_order_date,
        purchase_days - 1 as frequency,
        cast(last_order_date - first_order_date as bigint) as recency_age,
        cast($holdout_start - first_order_date as bigint) - 1 as customer_age,
        holdout_purchases
    from days
    where first_order_date < $holdout_start
)

select * from final
