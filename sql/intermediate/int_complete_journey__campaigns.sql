with campaigns as (
    select * from stg_complete_journey__campaigns
),

final as (
    select campaign_id, campaign_name, campaign_kind, channel, started_on, ended_on
    from campaigns
)

select * from final
