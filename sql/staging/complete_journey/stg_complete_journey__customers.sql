with demographics as (
    select * from complete_journey.demographics
),

final as (
    select
        household_id as customer_id,
        'household' as customer_type,
        cast(replace(household_size, '+', '') as bigint) as household_size,
        income as income_band
    from demographics
)

select * from final
