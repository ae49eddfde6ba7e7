with products as (
    select * from shop.products
),

final as (
    select
        sku as product_id,
        name as product_name,
        category,
        subcategory,
        brand,
        list_price,
        unit_cost,
        premium as is_premium,
        brand = 'Hausmarke' as is_private_label
    from products
)

select * from final
