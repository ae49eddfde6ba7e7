with tickets as (
    select * from int_service_tickets_valued
),

watched as (
    select
        *,
        opened_date >= $as_of - $experience_days as is_of_late,
        (not is_resolved and opened_date < $as_of - $open_ticket_days) or reopened_count > 0
            as is_troubled
    from tickets
),

helped as (
    select
        customer_id,
        count(*) as tickets,
        count(*) filter (where not is_resolved) as open_tickets,
        count(reopened_count) as tickets_that_tell,
        count(*) filter (where reopened_count > 0) as reopened_tickets,
        count(is_complaint) as tickets_of_known_kind,
        count(*) filter (where is_complaint) as complaints,
        sum(seconds_to_first_reply) as reply_seconds,
        count(seconds_to_first_reply) as replied_tickets,
        sum(seconds_to_resolve) as resolve_seconds,
        count(seconds_to_resolve) as timed_tickets,
        max(opened_date) as last_ticket_date,
        count(*) filter (where is_of_late) as tickets_of_late,
        count(*) filter (where is_of_late and is_troubled) as troubled_tickets,
        count(*) filter (where is_of_late and is_troubled is null) as unclear_tickets,
        count(*) filter (where is_of_late and is_complaint) as complaints_of_late,
        count(*) filter (where is_of_late and is_complaint is null) as tickets_of_unknown_kind
    from watched
    where customer_id is not null
    group by customer_id
),

final as (
    select
        customer_id,
        tickets,
        open_tickets,
        case when tickets_that_tell = tickets then reopened_tickets end as reopened_tickets,
        case when tickets_of_known_kind = tickets then complaints end as complaints,
        cast(reply_seconds as double) / cast(3600 * replied_tickets as double)
            as mean_hours_to_first_reply,
        cast(resolve_seconds as double) / cast(3600 * timed_tickets as double)
            as mean_hours_to_resolve,
        last_ticket_date,
        case
            when troubled_tickets > 0 then true
            when tickets_of_late > 0 and unclear_tickets = 0 then false
        end as has_ticket_trouble,
        case
            when complaints_of_late > 0 then true
            when tickets_of_late > 0 and tickets_of_unknown_kind = 0 then false
        end as has_complained,
        troubled_tickets,
        complaints_of_late
    from helped
)

select * from final
