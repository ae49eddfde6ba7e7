with curves as (
    select * from contract_curves
),

final as (
    select
        dimension,
        dimension_value,
        tenure as tenure_months,
        at_risk,
        lost_customers,
        censored_customers,
        survival,
        standard_error,
        survival_low,
        survival_high,
        median_tenure as median_months,
        median_low as median_months_low,
        median_high as median_months_high,
        restricted_to as restricted_to_months,
        mean_tenure as mean_months,
        mean_standard_error as mean_months_standard_error
    from curves
)

select * from final
