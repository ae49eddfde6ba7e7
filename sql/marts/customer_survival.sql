with curves as (
    select * from survival_curves
),

final as (
    select
        dimension,
        dimension_value,
        tenure as tenure_days,
        at_risk,
        lost_customers,
        censored_customers,
        survival,
        standard_error,
        survival_low,
        survival_high
    from curves
)

select * from final
