with web_events as (
    select * from entities.web_events
),

campaigns as (
    select * from entities.campaigns
),

-- Traffic that analytics tools write down as having no source tells none.
events as (
    select
        event_id,
        occurred_at,
        visitor_id,
        coalesce(
            session_id, cast(local_date(occurred_at, $timezone) as varchar)
        ) as session_id,
        customer_id,
        order_id,
        coalesce(channel, '') as channel,
        coalesce(campaign_id, '') as campaign_id,
        case
            when lower(source) in ('(direct)', '(none)', '(not set)') then ''
            else coalesce(source, '')
        end as source,
        case
            when lower(medium) in ('(direct)', '(none)', '(not set)') then ''
            else coalesce(medium, '')
        end as medium
    from web_events
    where local_date(occurred_at, $timezone) < $as_of
),

-- What tells a source is joined to one text so that all of it comes from the same event: first_by
-- keeps one small number a visit.
sourced as (
    select
        *,
        channel || chr(31) || campaign_id || chr(31) || source || chr(31) || medium as origin,
        case
            when channel || campaign_id || source || medium <> '' then occurred_at
        end as sourced_at
    from events
),

visits as (
    select
        visitor_id,
        session_id,
        min(event_id) as visit_id,
        min(occurred_at) as started_at,
        first_by(origin, sourced_at) as origin,
        min(customer_id) as customer_id,
        min(order_id) as order_id
    from sourced
    group by visitor_id, session_id
),

told as (
    select
        visit_id,
        visitor_id,
        started_at,
        nullif(split_part(origin, chr(31), 1), '') as channel,
        nullif(split_part(origin, chr(31), 2), '') as campaign_id,
        nullif(split_part(origin, chr(31), 3), '') as source,
        nullif(split_part(origin, chr(31), 4), '') as medium,
        customer_id,
        order_id
    from visits
),

channelled as (
    select
        told.visit_id,
        told.visitor_id,
        told.started_at,
        coalesce(
            told.channel,
            campaigns.channel,
            told.medium,
            told.source,
            case when told.campaign_id is null then $direct_channel else 'unknown' end
        ) as channel,
        told.campaign_id,
        told.customer_id,
        told.order_id
    from told
    left join campaigns
        on told.campaign_id = campaigns.campaign_id
),

final as (
    select
        visit_id,
        visitor_id,
        started_at,
        channel,
        campaign_id,
        lower(channel) = lower($direct_channel) as is_direct,
        customer_id,
        order_id
    from channelled
)

select * from final
