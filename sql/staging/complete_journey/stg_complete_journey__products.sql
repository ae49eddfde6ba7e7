with products as (
    select * from complete_journey.products
),

final as (
    select
        product_id,
        product_type || coalesce(', ' || package_size, '') as product_name,
        coalesce(product_category, department) as category,
        product_type as subcategory,
        manufacturer_id as brand,
        brand = 'Private' as is_private_label
    from products
)

select * from final
