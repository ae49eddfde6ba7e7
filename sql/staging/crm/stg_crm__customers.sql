with customers as (
    select * from crm.customers
),

final as (
    select
        customer_id,
        name as customer_name,
        'person' as customer_type,
        lower(trim(email)) as email,
        cast(created_on as timestamp) as signed_up_at,
        acquisition_channel,
        acquisition_campaign as acquisition_campaign_id,
        birth_date,
        gender,
        household_size,
        income_band,
        country,
        region,
        substr(split_part(address, chr(10), 2), strpos(split_part(address, chr(10), 2), ' ') + 1) as city,
        split_part(split_part(address, chr(10), 2), ' ', 1) as postal_code,
        language,
        marketing_consent = 'yes' as has_marketing_consent
    from customers
)

select * from final
