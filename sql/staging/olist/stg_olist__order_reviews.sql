-- A review may be of several orders and an order have several reviews: both make the row.
with order_reviews as (
    select * from olist.order_reviews
),

final as (
    select
        concat(review_id, '-', order_id) as response_id,
        review_id as survey_id,
        order_id,
        review_creation_date as asked_at,
        review_answer_timestamp as responded_at,
        review_score as score,
        nullif(concat_ws(': ', trim(review_comment_title), trim(review_comment_message)), '')
            as comment
    from order_reviews
)

select * from final
