with mentions as (
    select * from int_social_mentions_dated
),

heard as (
    select
        *,
        mentioned_date >= $as_of - $experience_days as is_of_late,
        coalesce(sentiment_label = 'negative', sentiment <= $negative_sentiment) as is_negative
    from mentions
),

mentioned as (
    select
        customer_id,
        count(*) as mentions,
        count(*) filter (where sentiment_label = 'negative') as negative_mentions,
        sum(sentiment) as sentiment_sum,
        count(sentiment) as scored_mentions,
        max(mentioned_date) as last_mention_date,
        count(*) filter (where is_of_late) as mentions_of_late,
        count(*) filter (where is_of_late and is_negative) as negative_of_late,
        count(*) filter (where is_of_late and is_negative is null) as unclear_mentions
    from heard
    where customer_id is not null
    group by customer_id
),

final as (
    select
        customer_id,
        mentions,
        negative_mentions,
        cast(sentiment_sum as double) / cast(scored_mentions as double) as mean_sentiment,
        last_mention_date,
        case
            when negative_of_late > 0 then true
            when mentions_of_late > 0 and unclear_mentions = 0 then false
        end as has_spoken_ill,
        negative_of_late
    from mentioned
)

select * from final
