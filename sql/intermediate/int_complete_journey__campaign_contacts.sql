with contacts as (
    select * from stg_complete_journey__campaign_contacts
),

campaigns as (
    select * from stg_complete_journey__campaigns
),

redemptions as (
    select * from int_complete_journey__redemptions_summarised
),

final as (
    select
        contacts.contact_id,
        contacts.campaign_id,
        contacts.customer_id,
        campaigns.started_at as contacted_at,
        campaigns.channel,
        redemptions.first_redeemed_at as converted_at
    from contacts
    inner join campaigns
        on contacts.campaign_id = campaigns.campaign_id
    left join redemptions
        on contacts.campaign_id = redemptions.campaign_id
        and contacts.customer_id = redemptions.customer_id
)

select * from final
