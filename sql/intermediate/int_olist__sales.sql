with orders as (
    select * from int_olist__orders_resolved
),

final as (
    select
        order_id,
        customer_id,
        ordered_at,
        goods_amount as order_amount,
        freight_amount as shipping_amount,
        units,
        payment_method,
        'BR' as shipping_country,
        region as shipping_region,
        delivery_promised_at,
        delivered_at
    from orders
    where treatment = 'sale'
)

select * from final
