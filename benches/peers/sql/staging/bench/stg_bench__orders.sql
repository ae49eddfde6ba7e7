with orders as (
    select * from bench.orders
),

final as (
    select
        order_id,
        customer_id,
        ordered_at,
        channel,
        order_amount
    from orders
)

select * from final
