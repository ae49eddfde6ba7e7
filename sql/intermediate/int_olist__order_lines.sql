with items as (
    select * from stg_olist__order_items
),

orders as (
    select * from int_olist__orders_resolved
),

final as (
    select
        items.order_id,
        items.line_number,
        coalesce(orders.treatment, 'no_order') as line_kind,
        orders.customer_id,
        orders.ordered_at,
        items.product_id,
        cast(1 as bigint) as quantity,
        items.unit_price,
        items.unit_price as line_amount
    from items
    left join orders
        on items.order_id = orders.order_id
)

select * from final
