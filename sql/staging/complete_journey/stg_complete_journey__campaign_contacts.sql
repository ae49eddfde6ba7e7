with campaigns as (
    select * from complete_journey.campaigns
),

final as (
    select
        campaign_id || '-' || household_id as contact_id,
        campaign_id,
        household_id as customer_id
    from campaigns
)

select * from final
