with tickets as (
    select * from helpdesk.tickets
),

final as (
    select
        ticket as ticket_id,
        requester as customer_id,
        "order" as order_id,
        sku as product_id,
        created as opened_at,
        first_reply as first_replied_at,
        solved as resolved_at,
        channel,
        topic as category,
        priority,
        "type" = 'complaint' as is_complaint,
        reopens as reopened_count,
        interactions as contacts,
        cast(handling_minutes * 60 as double) as handling_seconds,
        cost as cost_amount
    from tickets
)

select * from final
