with contracts as (
    select * from telco.contracts
),

final as (
    select
        "customerID" as customer_id,
        tenure as tenure_months,
        "Churn" = 'Yes' as has_left,
        "Contract" as contract_kind,
        "InternetService" as internet_service,
        "PaymentMethod" as payment_method,
        "MonthlyCharges" as monthly_amount
    from contracts
)

select * from final
