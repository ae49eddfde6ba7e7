with campaigns as (
    select * from ads.campaigns
),

final as (
    select
        campaign_id,
        title as campaign_name,
        'acquisition' as campaign_kind,
        case platform
            when 'google_ads' then 'search'
            when 'meta_ads' then 'social'
            when 'newsletter' then 'email'
            when 'awin' then 'affiliate'
            when 'print' then 'store'
            when 'friends' then 'referral'
            else platform
        end as channel,
        started as started_on,
        false as is_experiment
    from campaigns
)

select * from final
