with contacts as (
    select * from int_campaign_contacts_valued
),

orders as (
    select * from int_orders_valued
),

-- A customer who is in two arms of a campaign has been treated both ways, and is counted in both.
reached as (
    select
        campaign_id,
        coalesce(arm, case when is_control then 'control' else 'contacted' end) as arm,
        customer_id,
        bool_or(is_control) as is_control,
        min(contact_date) as first_contact_date,
        max(contact_date) as last_contact_date,
        count(*) as contacts,
        sum(contact_cost) as contact_cost,
        count(contact_cost) = count(*) as has_contact_cost,
        bool_or(is_delivered) as is_delivered,
        count(opened_at) > 0 as has_opened,
        count(clicked_at) > 0 as has_clicked,
        count(converted_at) > 0 as has_converted,
        count(unsubscribed_at) > 0 as has_unsubscribed
    from contacts
    group by 1, 2, 3
),

answers as (
    select
        reached.campaign_id,
        reached.arm,
        reached.customer_id,
        count(*) as orders,
        sum(orders.revenue) as revenue,
        count(orders.revenue) = count(*) as has_revenue,
        sum(orders.order_value) as order_value,
        count(orders.order_value) = count(*) as has_order_value
    from reached
    inner join orders
        on reached.customer_id = orders.customer_id
    where
        orders.order_date >= reached.first_contact_date
        and orders.order_date < reached.first_contact_date + cast($response_days as int)
        and orders.order_date < $as_of
    group by 1, 2, 3
),

final as (
    select
        reached.campaign_id,
        reached.arm,
        reached.customer_id,
        reached.is_control,
        reached.first_contact_date,
        reached.last_contact_date,
        reached.contacts,
        case
            when reached.has_contact_cost then cast(reached.contact_cost as decimal(18, 4))
        end as contact_cost,
        reached.is_delivered,
        reached.has_opened,
        reached.has_clicked,
        reached.has_converted,
        reached.has_unsubscribed,
        reached.first_contact_date + cast($response_days as int) <= $as_of as is_measured,
        coalesce(answers.orders, 0) as orders,
        case
            when answers.orders is null then cast(0 as decimal(18, 4))
            when answers.has_revenue then cast(answers.revenue as decimal(18, 4))
        end as revenue,
        case
            when answers.orders is null then cast(0 as decimal(18, 4))
            when answers.has_order_value then cast(answers.order_value as decimal(18, 4))
        end as order_value
    from reached
    left join answers
        on reached.campaign_id = answers.campaign_id
        and reached.arm = answers.arm
        and reached.customer_id = answers.customer_id
)

select * from final
