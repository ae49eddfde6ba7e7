-- A gift belongs to the sale that it came with: it earns nothing and costs what it costs.
with order_lines as (
    select * from shop.order_lines
),

final as (
    select
        order_id,
        line_number,
        'sale' as line_kind,
        sku as product_id,
        quantity,
        unit_price,
        discount as discount_amount,
        cast(quantity * unit_price - discount as decimal(18, 4)) as line_amount
    from order_lines
)

select * from final
