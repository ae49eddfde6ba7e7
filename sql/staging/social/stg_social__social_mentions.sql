with mentions as (
    select * from social.mentions
),

final as (
    select
        id as mention_id,
        published as mentioned_at,
        network,
        customer as customer_id,
        handle as author,
        "text" as body,
        lang as language,
        sentiment as sentiment_score,
        label as sentiment_label,
        reach
    from mentions
)

select * from final
