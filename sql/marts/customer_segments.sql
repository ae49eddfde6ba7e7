with scores as (
    select * from int_customers_scored
),

cells as (
    select * from int_segment_cells
),

final as (
    select
        scores.customer_id,
        cells.scheme,
        cells.segment,
        scores.recency_score,
        scores.frequency_score,
        scores.monetary_score
    from scores
    left join cells
        on scores.recency_score = cells.recency_score
        and scores.frequency_score = cells.frequency_score
        and scores.monetary_score = cells.monetary_score
)

select * from final
