with orders as (
    select * from olist.orders
),

final as (
    select
        order_id,
        customer_id as order_customer_id,
        order_status,
        order_purchase_timestamp as ordered_at,
        order_approved_at as approved_at,
        order_estimated_delivery_date as delivery_promised_at,
        order_delivered_customer_date as delivered_at
    from orders
)

select * from final
