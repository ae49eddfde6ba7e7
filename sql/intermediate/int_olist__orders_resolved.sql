-- The customer number of an order stands for a person. A sale stands once its payment is approved,
-- unless it was cancelled, could not be supplied or has no goods: the goods are what it is worth.
with orders as (
    select * from stg_olist__orders
),

customers as (
    select * from stg_olist__customers
),

items as (
    select * from stg_olist__order_items
),

payments as (
    select * from int_olist__payments_summarised
),

item_sums as (
    select
        order_id,
        count(*) as units,
        min(product_id) as first_product_id,
        max(product_id) as last_product_id,
        sum(unit_price) as goods_amount,
        sum(freight_amount) as freight_amount
    from items
    group by order_id
),

final as (
    select
        orders.order_id,
        customers.customer_id,
        orders.order_status,
        case
            when orders.order_status in ('canceled', 'unavailable') then orders.order_status
            when orders.order_status = 'created' then 'not_approved'
            when item_sums.order_id is null then 'no_goods'
            else 'sale'
        end as treatment,
        orders.ordered_at,
        orders.delivery_promised_at,
        orders.delivered_at,
        customers.region,
        customers.city,
        customers.postal_code,
        coalesce(item_sums.units, 0) as units,
        case
            when item_sums.first_product_id = item_sums.last_product_id
                then item_sums.first_product_id
        end as product_id,
        cast(item_sums.goods_amount as decimal(18, 4)) as goods_amount,
        cast(item_sums.freight_amount as decimal(18, 4)) as freight_amount,
        coalesce(payments.payments, 0) as payments,
        payments.paid_amount,
        payments.payment_method
    from orders
    left join customers
        on orders.order_customer_id = customers.order_customer_id
    left join item_sums
        on orders.order_id = item_sums.order_id
    left join payments
        on orders.order_id = payments.order_id
)

select * from final
