-- What a visit is known by is looked up among the visits of the same visitor in one running pass
-- each way: the nearest known visit is the one with the lowest key of those that follow, and the
-- highest of those that precede. Visitors whom nothing ever tells are left out before it.
with visits as (
    select * from int_visits_summarised
),

orders as (
    select * from entities.orders
),

-- An order placed during the visit tells who the visitor was.
ordering_visits as (
    select visit_id, order_id
    from visits
    where order_id is not null
        and customer_id is null
),

ordered as (
    select ordering_visits.visit_id, orders.customer_id
    from ordering_visits
    inner join orders
        on ordering_visits.order_id = orders.order_id
),

identified as (
    select
        visits.visit_id,
        visits.visitor_id,
        visits.started_at,
        visits.channel,
        visits.campaign_id,
        visits.is_direct,
        coalesce(visits.customer_id, ordered.customer_id) as known_customer_id
    from visits
    left join ordered
        on visits.visit_id = ordered.visit_id
),

known_visitors as (
    select distinct visits.visitor_id
    from visits
    left join ordered
        on visits.visit_id = ordered.visit_id
    where visits.customer_id is not null
        or ordered.customer_id is not null
),

keyed as (
    select
        identified.*,
        case
            when identified.known_customer_id is not null
                then lpad(
                    cast(
                        cast(
                            round(date_part('epoch', identified.started_at) * 1000000) as bigint
                        ) as varchar
                    ),
                    20,
                    '0'
                ) || chr(31) || identified.visit_id || chr(31) || identified.known_customer_id
        end as known_key
    from identified
    inner join known_visitors
        on identified.visitor_id = known_visitors.visitor_id
),

neighboured as (
    select
        *,
        case
            when $identity_stitching <> 'none'
                then min(known_key) over (
                    partition by visitor_id
                    order by started_at desc, visit_id desc
                    rows between unbounded preceding and current row
                )
        end as next_key,
        case
            when $identity_stitching = 'next_or_last_known'
                then max(known_key) over (
                    partition by visitor_id
                    order by started_at, visit_id
                    rows between unbounded preceding and current row
                )
        end as last_key
    from keyed
),

final as (
    select
        visit_id,
        visitor_id,
        started_at,
        coalesce(
            known_customer_id,
            split_part(next_key, chr(31), 3),
            split_part(last_key, chr(31), 3)
        ) as customer_id,
        known_customer_id is not null as is_known,
        channel,
        campaign_id,
        is_direct
    from neighboured
)

select * from final
