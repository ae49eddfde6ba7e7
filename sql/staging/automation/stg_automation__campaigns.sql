with campaigns as (
    select * from automation.campaigns
),

final as (
    select
        id as campaign_id,
        title as campaign_name,
        kind as campaign_kind,
        channel,
        goal as objective,
        starts as started_on,
        ends as ended_on,
        true as is_experiment,
        holdout_arm as control_arm
    from campaigns
)

select * from final
