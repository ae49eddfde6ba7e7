with curves as (
    select * from survival_curves
),

-- The median and the mean of a value stand on each of its rows, and survival is least on the last.
final as (
    select
        dimension,
        dimension_value,
        cast(max(at_risk) as bigint) as customers,
        cast(sum(lost_customers) as bigint) as lost_customers,
        min(survival) as last_survival,
        max(tenure) as longest_tenure_days,
        min(median_tenure) as median_days,
        min(median_low) as median_days_low,
        min(median_high) as median_days_high,
        min(restricted_to) as restricted_to_days,
        min(mean_tenure) as mean_days,
        min(mean_standard_error) as mean_days_standard_error
    from curves
    group by dimension, dimension_value
)

select * from final
