with campaign_contacts as (
    select * from entities.campaign_contacts
),

campaigns as (
    select * from entities.campaigns
),

exchange_rates as (
    select * from entities.exchange_rates
),

rates as (
    select rate_date, currency, rate
    from exchange_rates
    where target_currency = $currency
),

described as (
    select
        campaign_contacts.contact_id,
        campaign_contacts.campaign_id,
        campaign_contacts.customer_id,
        campaign_contacts.contacted_at,
        local_date(campaign_contacts.contacted_at, $timezone) as contact_date,
        campaign_contacts.arm,
        coalesce(campaign_contacts.channel, campaigns.channel) as channel,
        campaign_contacts.is_control is not null and campaign_contacts.is_control as is_control,
        campaign_contacts.is_delivered,
        campaign_contacts.opened_at,
        campaign_contacts.clicked_at,
        campaign_contacts.converted_at,
        campaign_contacts.unsubscribed_at,
        campaign_contacts.cost_amount,
        coalesce(campaign_contacts.currency, $currency) as currency
    from campaign_contacts
    left join campaigns
        on campaign_contacts.campaign_id = campaigns.campaign_id
),

seen as (
    select *
    from described
    where contact_date < $as_of
),

-- What the source tells of a contact may be later than the as-of day though the contact is not.
final as (
    select
        seen.contact_id,
        seen.campaign_id,
        seen.customer_id,
        seen.contacted_at,
        seen.contact_date,
        seen.arm,
        seen.channel,
        seen.is_control,
        (seen.is_delivered is null or seen.is_delivered) and not seen.is_control as is_delivered,
        case
            when local_date(seen.opened_at, $timezone) < $as_of then seen.opened_at
        end as opened_at,
        case
            when local_date(seen.clicked_at, $timezone) < $as_of then seen.clicked_at
        end as clicked_at,
        case
            when local_date(seen.converted_at, $timezone) < $as_of then seen.converted_at
        end as converted_at,
        case
            when local_date(seen.unsubscribed_at, $timezone) < $as_of then seen.unsubscribed_at
        end as unsubscribed_at,
        case
            when seen.is_control and seen.cost_amount is null then cast(0 as decimal(18, 4))
            when seen.currency = $currency then seen.cost_amount
            else cast(seen.cost_amount * rates.rate as decimal(18, 4))
        end as contact_cost
    from seen
    left join rates
        on seen.currency = rates.currency
        and seen.contact_date = rates.rate_date
)

select * from final
