with products as (
    select * from stg_olist__products
),

translations as (
    select * from stg_olist__category_translations
),

final as (
    select
        products.product_id,
        coalesce(translations.category, products.portuguese_category) as category
    from products
    left join translations
        on products.portuguese_category = translations.portuguese_category
)

select * from final
