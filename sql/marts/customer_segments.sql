with scores as (
    select * from int_customers_scored
),

cells as (
    select * from int_segment_cells
),

-- A value that is not known is looked up as the lowest, so that every customer has a segment.
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
        and coalesce(scores.monetary_score, 1) = cells.monetary_score
)

select * from final
