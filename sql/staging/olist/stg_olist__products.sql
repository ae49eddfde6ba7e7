with products as (
    select * from olist.products
),

final as (
    select
        product_id,
        product_category_name as portuguese_category
    from products
)

select * from final
