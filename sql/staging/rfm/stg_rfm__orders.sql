-- An order has no number of its own, so the line of the file tells equal rows apart.
with orders as (
    select * from rfm.orders
),

final as (
    select
        concat('line-', cast("_line" as varchar)) as order_id,
        customer_id,
        cast(order_date as timestamp) as ordered_at,
        revenue as order_amount
    from orders
)

select * from final
