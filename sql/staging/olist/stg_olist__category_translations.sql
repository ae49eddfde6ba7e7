with category_translations as (
    select * from olist.category_translations
),

final as (
    select
        product_category_name as portuguese_category,
        product_category_name_english as category
    from category_translations
)

select * from final
