-- The recency by frequency grid of the ten names. A rule that overlaps another makes two rows of
-- one triple in int_segment_cells, whose key then stops the run; a triple that no rule covers
-- leaves a customer without a segment, which customer_segments does not allow.
with rules (
    scheme, segment,
    recency_low, recency_high, frequency_low, frequency_high, monetary_low, monetary_high
) as (
    values
    ('rfm', 'Champions', 5, 5, 4, 5, 1, 5),
    ('rfm', 'Loyal Customers', 3, 4, 4, 5, 1, 5),
    ('rfm', 'Potential Loyalist', 4, 5, 2, 3, 1, 5),
    ('rfm', 'New Customers', 5, 5, 1, 1, 1, 5),
    ('rfm', 'Promising', 4, 4, 1, 1, 1, 5),
    ('rfm', 'Need Attention', 3, 3, 3, 3, 1, 5),
    ('rfm', 'About To Sleep', 3, 3, 1, 2, 1, 5),
    ('rfm', 'At Risk', 1, 2, 3, 4, 1, 5),
    ('rfm', 'Can''t Lose Them', 1, 2, 5, 5, 1, 5),
    ('rfm', 'Lost', 1, 2, 1, 2, 1, 5)
),

final as (
    select
        scheme,
        segment,
        recency_low,
        recency_high,
        frequency_low,
        frequency_high,
        monetary_low,
        monetary_high
    from rules
)

select * from final
