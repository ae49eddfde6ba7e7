with orders as (
    select * from int_orders_valued
),

customers as (
    select * from int_customers_calibrated
),

purchase_days as (
    select distinct customer_id, order_date
    from orders
    where customer_id is not null
),

repeats as (
    select purchase_days.order_date
    from purchase_days
    inner join customers
        on purchase_days.customer_id = customers.customer_id
    where purchase_days.order_date > customers.first_order_date
),

final as (
    select
        cast(date_trunc('week', order_date) as date) as week_start_date,
        count(*) as repeat_purchases
    from repeats
    group by cast(date_trunc('week', order_date) as date)
)

select * from final
