with visits as (
    select * from int_visits_stitched
),

contacts as (
    select * from int_campaign_contacts_valued
),

contact_touches as (
    select
        contact_id,
        customer_id,
        campaign_id,
        channel,
        case
            when $touch_requires = 'delivered' then contacted_at
            when $touch_requires = 'opened' then coalesce(opened_at, clicked_at)
            when $touch_requires = 'clicked' then clicked_at
        end as touched_at
    from contacts
    where is_delivered
),

dated_contacts as (
    select
        *,
        local_date(touched_at, $timezone) as touch_date
    from contact_touches
    where touched_at is not null
),

-- Who clicks on a message arrives as a visit of the same campaign: one touch, not two.
contact_days as (
    select distinct customer_id, campaign_id, touch_date
    from dated_contacts
),

visit_touches as (
    select
        visits.visit_id,
        visits.customer_id,
        visits.started_at,
        visits.channel,
        visits.campaign_id,
        visits.is_direct
    from visits
    left join contact_days
        on visits.customer_id = contact_days.customer_id
        and visits.campaign_id = contact_days.campaign_id
        and local_date(visits.started_at, $timezone) = contact_days.touch_date
    where visits.customer_id is not null
        and contact_days.customer_id is null
),

final as (
    select
        'visit' as touch_kind,
        visit_id as touch_id,
        customer_id,
        started_at as touched_at,
        channel,
        campaign_id,
        is_direct
    from visit_touches
    union all
    select
        'contact' as touch_kind,
        contact_id as touch_id,
        customer_id,
        touched_at,
        coalesce(channel, 'unknown') as channel,
        campaign_id,
        false as is_direct
    from dated_contacts
)

select * from final
