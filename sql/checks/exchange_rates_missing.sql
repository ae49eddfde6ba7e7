with missing as (
    select * from int_exchange_rates_missing
),

final as (
    select
        entity,
        currency,
        rate_date,
        rows
    from missing
)

select * from final
