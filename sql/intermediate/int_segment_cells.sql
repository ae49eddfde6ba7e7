with rules as (
    select * from int_segment_rules
),

scores (score) as (
    values (1), (2), (3), (4), (5)
),

final as (
    select
        rules.scheme,
        recency.score as recency_score,
        frequency.score as frequency_score,
        monetary.score as monetary_score,
        rules.segment
    from rules
    inner join scores as recency
        on recency.score between rules.recency_low and rules.recency_high
    inner join scores as frequency
        on frequency.score between rules.frequency_low and rules.frequency_high
    inner join scores as monetary
        on monetary.score between rules.monetary_low and rules.monetary_high
)

select * from final
