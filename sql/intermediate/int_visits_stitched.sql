with web_events as (
    select * from entities.web_events
),

orders as (
    select * from entities.orders
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

split as (
    select
        visit_id,
        visitor_id,
        session_id,
        started_at,
        nullif(split_part(origin, chr(31), 1), '') as channel,
        nullif(split_part(origin, chr(31), 2), '') as campaign_id,
        nullif(split_part(origin, chr(31), 3), '') as source,
        nullif(split_part(origin, chr(31), 4), '') as medium,
        customer_id,
        order_id
    from visits
),

-- An order placed during the visit tells who the visitor was.
identified as (
    select
        split.visit_id,
        split.visitor_id,
        split.started_at,
        coalesce(
            split.channel,
            campaigns.channel,
            split.medium,
            split.source,
            case when split.campaign_id is null then $direct_channel else 'unknown' end
        ) as channel,
        split.campaign_id,
        split.source,
        split.medium,
        coalesce(split.customer_id, orders.customer_id) as known_customer_id
    from split
    left join campaigns
        on split.campaign_id = campaigns.campaign_id
    left join orders
        on split.order_id = orders.order_id
),

-- Visits that lead to the same known one are counted to the same number, from the end for the next
-- known customer and from the beginning for the last.
numbered as (
    select
        *,
        count(known_customer_id) over (
            partition by visitor_id
            order by started_at desc, visit_id desc
            rows between unbounded preceding and current row
        ) as known_after,
        count(known_customer_id) over (
            partition by visitor_id
            order by started_at, visit_id
            rows between unbounded preceding and current row
        ) as known_before
    from identified
),

stitched as (
    select
        *,
        case
            when $identity_stitching <> 'none' and known_after > 0
                then max(known_customer_id) over (partition by visitor_id, known_after)
        end as next_customer_id,
        case
            when $identity_stitching = 'next_or_last_known' and known_before > 0
                then max(known_customer_id) over (partition by visitor_id, known_before)
        end as last_customer_id
    from numbered
),

final as (
    select
        visit_id,
        visitor_id,
        started_at,
        coalesce(known_customer_id, next_customer_id, last_customer_id) as customer_id,
        known_customer_id is not null as is_known,
        channel,
        campaign_id,
        source,
        medium,
        lower(channel) = lower($direct_channel) as is_direct
    from stitched
)

select * from final
