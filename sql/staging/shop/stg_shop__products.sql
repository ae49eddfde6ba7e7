with products as (
    select * from shop.products
),

final as (
    select
        sku as product_id,
        name as product_name,
        category,
        list_price,
        unit_cost
    from products
)

select * from final
