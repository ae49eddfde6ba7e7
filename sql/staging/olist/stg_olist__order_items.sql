with order_items as (
    select * from olist.order_items
),

final as (
    select
        order_id,
        order_item_id as line_number,
        product_id,
        seller_id,
        price as unit_price,
        freight_value as freight_amount
    from order_items
)

select * from final
