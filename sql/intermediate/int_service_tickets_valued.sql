with service_tickets as (
    select * from entities.service_tickets
),

exchange_rates as (
    select * from entities.exchange_rates
),

rates as (
    select rate_date, currency, rate
    from exchange_rates
    where target_currency = $currency
),

dated as (
    select
        ticket_id,
        customer_id,
        order_id,
        product_id,
        channel,
        category,
        priority,
        opened_at,
        local_date(opened_at, $timezone) as opened_date,
        case
            when local_date(first_replied_at, $timezone) < $as_of then first_replied_at
        end as first_replied_at,
        case when local_date(resolved_at, $timezone) < $as_of then resolved_at end as resolved_at,
        reopened_count,
        is_complaint,
        coalesce(contacts, 1) as contacts,
        cost_amount,
        coalesce(currency, $currency) as currency
    from service_tickets
),

timed as (
    select
        *,
        to_unixtime(first_replied_at) - to_unixtime(opened_at) as seconds_to_first_reply,
        to_unixtime(resolved_at) - to_unixtime(opened_at) as seconds_to_resolve
    from dated
    where opened_date < $as_of
),

-- A ticket that was answered before it was opened tells that a clock was wrong, not how long it
-- took.
measured as (
    select
        ticket_id,
        customer_id,
        order_id,
        product_id,
        channel,
        category,
        priority,
        opened_date,
        local_date(resolved_at, $timezone) as resolved_date,
        case when seconds_to_first_reply >= 0 then seconds_to_first_reply end
            as seconds_to_first_reply,
        case when seconds_to_resolve >= 0 then seconds_to_resolve end as seconds_to_resolve,
        resolved_at is not null as is_resolved,
        reopened_count,
        is_complaint,
        contacts,
        cost_amount,
        currency
    from timed
),

final as (
    select
        measured.ticket_id,
        measured.customer_id,
        measured.order_id,
        measured.product_id,
        measured.channel,
        measured.category,
        measured.priority,
        measured.opened_date,
        measured.resolved_date,
        measured.seconds_to_first_reply,
        measured.seconds_to_resolve,
        cast(measured.seconds_to_first_reply as double) / 3600 as hours_to_first_reply,
        cast(measured.seconds_to_resolve as double) / 3600 as hours_to_resolve,
        measured.is_resolved,
        measured.reopened_count,
        measured.is_complaint,
        measured.contacts,
        case
            when measured.currency = $currency then measured.cost_amount
            else cast(measured.cost_amount * rates.rate as decimal(18, 4))
        end as ticket_cost
    from measured
    left join rates
        on measured.currency = rates.currency
        and measured.opened_date = rates.rate_date
)

select * from final
