-- The shop exports an order again when its webhook is retried: the same row, so distinct makes one
-- of them.
with orders as (
    select * from shop.orders
),

sales as (
    select distinct
        order_id,
        customer_id,
        ordered_at,
        channel,
        store,
        device,
        campaign,
        coupon,
        currency,
        order_total,
        shipping_charged,
        shipping_cost,
        payment_method,
        ship_to_country
    from orders
    where status <> 'cancelled'
),

final as (
    select
        order_id,
        customer_id,
        ordered_at,
        channel,
        store as store_id,
        device,
        campaign as campaign_id,
        coupon as coupon_code,
        currency,
        order_total as order_amount,
        shipping_charged as shipping_amount,
        shipping_cost as shipping_cost_amount,
        payment_method,
        ship_to_country as shipping_country
    from sales
)

select * from final
