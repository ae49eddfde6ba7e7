with contracts as (
    select * from stg_telco__contracts
),

contract_sets as (
    select
        tenure_months,
        contract_kind,
        internet_service,
        payment_method,
        count(*) filter (where has_left) as lost_customers,
        count(*) filter (where not has_left) as censored_customers
    from contracts
    group by grouping sets (
        (tenure_months),
        (tenure_months, contract_kind),
        (tenure_months, internet_service),
        (tenure_months, payment_method)
    )
),

final as (
    select
        case
            when contract_kind is not null then 'contract_kind'
            when internet_service is not null then 'internet_service'
            when payment_method is not null then 'payment_method'
            else 'all'
        end as dimension,
        coalesce(contract_kind, internet_service, payment_method, 'all') as dimension_value,
        tenure_months as tenure,
        lost_customers,
        censored_customers
    from contract_sets
)

select * from final
