-- Days are compared and not instants: many shops tell no more of an order than its day, which
-- would lie before every visit of that day.
with visits as (
    select * from int_visits_summarised
),

stitched as (
    select * from int_visits_stitched
),

customers as (
    select * from int_customers_summarised
),

known_visitors as (
    select distinct visitor_id
    from stitched
),

-- A browser that is known at least once is its customers and nobody besides; what belongs to none
-- of them makes no visitor.
person_visits as (
    select
        customer_id as person_id,
        customer_id,
        local_date(started_at, $timezone) as visit_date,
        started_at,
        channel,
        is_direct
    from stitched
    where customer_id is not null
    union all
    select
        visits.visitor_id as person_id,
        cast(null as varchar) as customer_id,
        local_date(visits.started_at, $timezone) as visit_date,
        visits.started_at,
        visits.channel,
        visits.is_direct
    from visits
    left join known_visitors
        on visits.visitor_id = known_visitors.visitor_id
    where known_visitors.visitor_id is null
),

-- Who came for the first time after the first order was won by something else.
won_visits as (
    select
        person_visits.person_id,
        person_visits.customer_id is not null as is_known,
        person_visits.visit_date,
        person_visits.started_at,
        person_visits.channel,
        person_visits.is_direct,
        customers.first_order_date
    from person_visits
    left join customers
        on person_visits.customer_id = customers.customer_id
    where customers.customer_id is null
        or person_visits.visit_date <= customers.first_order_date
),

persons as (
    select
        person_id,
        is_known,
        min(visit_date) as first_visit_date,
        min(first_order_date) as first_order_date,
        first_by(channel, started_at) as first_channel,
        first_by(
            channel, case when not is_direct then started_at end
        ) as first_source_channel
    from won_visits
    group by person_id, is_known
),

final as (
    select
        person_id,
        is_known,
        first_visit_date,
        case
            when $ignore_direct_touches then coalesce(first_source_channel, first_channel)
            else first_channel
        end as channel,
        first_order_date,
        first_visit_date < $as_of - $attribution_window_days as is_measured,
        coalesce(
            first_order_date <= first_visit_date + $attribution_window_days, false
        ) as is_converted
    from persons
)

select * from final
