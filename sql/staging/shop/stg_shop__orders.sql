-- The shop exports an order again when its webhook is retried: the same row, so distinct makes one of them.
with orders as (
    select * from shop.orders
),

sales as (
    select distinct
        order_id,
        customer_id,
        ordered_at,
        channel,
        order_total,
        payment_method
    from orders
    where status <> 'cancelled'
),

final as (
    select
        order_id,
        customer_id,
        ordered_at,
        channel,
        order_total as order_amount,
        payment_method
    from sales
)

select * from final
