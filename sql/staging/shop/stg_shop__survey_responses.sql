with reviews as (
    select * from shop.reviews
),

final as (
    select
        review_id as response_id,
        'reviews' as survey_id,
        'review' as question_kind,
        customer_id,
        order_id,
        sku as product_id,
        false as is_solicited,
        written_at as responded_at,
        cast(stars as double) as score,
        cast(1 as double) as scale_minimum,
        cast(5 as double) as scale_maximum,
        true as is_high_good,
        "text" as comment,
        'web' as channel
    from reviews
)

select * from final
