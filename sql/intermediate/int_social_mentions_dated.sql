with social_mentions as (
    select * from entities.social_mentions
),

dated as (
    select
        mention_id,
        customer_id,
        product_id,
        network,
        local_date(mentioned_at, $timezone) as mentioned_date,
        sentiment_score,
        lower(trim(sentiment_label)) as sentiment_label
    from social_mentions
),

-- Eight decimals, so that sums of sentiment are exact whatever their order.
final as (
    select
        mention_id,
        customer_id,
        product_id,
        network,
        mentioned_date,
        case
            when sentiment_score >= -1 and sentiment_score <= 1
                then try_cast(sentiment_score as decimal(18, 8))
        end as sentiment,
        sentiment_label
    from dated
    where mentioned_date < $as_of
)

select * from final
