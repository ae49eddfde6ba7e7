-- Platforms are told by the names of the channels that the CRM and web analytics know.
with spend as (
    select * from ads.spend
),

final as (
    select
        platform || ' ' || campaign_id || ' ' || day as spend_id,
        day as spend_date,
        case platform
            when 'google_ads' then 'search'
            when 'meta_ads' then 'social'
            when 'newsletter' then 'email'
            when 'awin' then 'affiliate'
            when 'print' then 'store'
            when 'friends' then 'referral'
            else platform
        end as channel,
        campaign_id,
        cost as spend_amount,
        currency,
        impressions,
        clicks
    from spend
)

select * from final
