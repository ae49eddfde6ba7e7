with reviews as (
    select * from stg_olist__order_reviews
),

orders as (
    select * from int_olist__orders_resolved
),

final as (
    select
        reviews.response_id,
        reviews.survey_id,
        'review' as question_kind,
        orders.customer_id,
        reviews.order_id,
        orders.product_id,
        reviews.asked_at,
        reviews.responded_at,
        reviews.score,
        cast(1 as double) as scale_minimum,
        cast(5 as double) as scale_maximum,
        reviews.comment,
        'email' as channel
    from reviews
    left join orders
        on reviews.order_id = orders.order_id
)

select * from final
