with campaign_descriptions as (
    select * from complete_journey.campaign_descriptions
),

final as (
    select
        campaign_id,
        'Campaign ' || campaign_id as campaign_name,
        campaign_type as campaign_kind,
        'direct marketing' as channel,
        start_date as started_at,
        local_date(start_date, 'America/New_York') as started_on,
        local_date(end_date, 'America/New_York') as ended_on
    from campaign_descriptions
)

select * from final
