-- Nobody's orders, returns, tickets or contacts are unknown: who has none has zero of them, and so
-- has everybody where no source is bound. What a source records without telling its amount is
-- unknown, and so is each sum that it is a part of.
with customers as (
    select * from entities.customers
),

orders as (
    select * from int_orders_valued
),

summaries as (
    select * from int_customers_summarised
),

returns as (
    select * from int_returns_summarised
),

service_tickets as (
    select * from int_service_tickets_valued
),

campaign_contacts as (
    select * from int_campaign_contacts_valued
),

acquired as (
    select * from int_customers_acquired
),

known as (
    select
        coalesce(customers.customer_id, summaries.customer_id) as customer_id,
        summaries.first_channel,
        summaries.first_order_date,
        summaries.last_order_date,
        coalesce(summaries.orders, 0) as orders,
        coalesce(summaries.purchase_days, 0) as purchase_days,
        case when summaries.customer_id is null then 0 else summaries.gross_revenue end
            as gross_revenue,
        case when summaries.customer_id is null then 0 else summaries.discounts end as discounts,
        case when summaries.customer_id is null then 0 else summaries.cost end as cost
    from customers
    full join summaries
        on customers.customer_id = summaries.customer_id
),

traded as (
    select
        coalesce(known.customer_id, returns.customer_id) as customer_id,
        known.first_channel,
        known.first_order_date,
        known.last_order_date,
        coalesce(known.orders, 0) as orders,
        coalesce(known.purchase_days, 0) as purchase_days,
        coalesce(returns.returns, 0) as returns,
        returns.last_return_date,
        case when known.customer_id is null then 0 else known.gross_revenue end as gross_revenue,
        case when known.customer_id is null then 0 else known.discounts end as discounts,
        case when known.customer_id is null then 0 else known.cost end as cost,
        case when returns.customer_id is null then 0 else returns.returned_revenue end
            as returned_revenue,
        case when returns.customer_id is null then 0 else returns.restocked_cost end
            as restocked_cost,
        case
            when not $cost_to_serve_includes_return_handling then 0
            when returns.customer_id is null then 0
            else returns.handling_cost
        end as return_handling_cost
    from known
    full join returns
        on known.customer_id = returns.customer_id
),

-- Only orders that tell a shipping cost are grouped: mostly none or all do.
shipments as (
    select
        customer_id,
        count(*) as orders,
        sum(shipping_cost - coalesce(shipping_charged, 0)) as net_shipping_cost,
        bool_or(not has_rate) as has_unvalued_order
    from orders
    where customer_id is not null
        and (shipping_cost is not null or not has_rate)
        and $cost_to_serve_includes_shipping
    group by customer_id
),

tickets as (
    select
        customer_id,
        count(*) as tickets,
        sum(coalesce(ticket_cost, $cost_per_ticket)) as ticket_cost
    from service_tickets
    where customer_id is not null
        and $cost_to_serve_includes_tickets
    group by customer_id
),

contacts as (
    select
        customer_id,
        sum(coalesce(contact_cost, $cost_per_contact)) as contact_cost
    from campaign_contacts
    where customer_id is not null
        and not coalesce(is_control, false)
        and $cost_to_serve_includes_contacts
    group by customer_id
),

acquisition_costs as (
    select customer_id, acquisition_cost
    from acquired
    where acquisition_cost is not null
),

acquisition_told as (
    select count(*) > 0 as is_told
    from acquisition_costs
),

served as (
    select
        traded.*,
        traded.gross_revenue - traded.discounts - traded.returned_revenue as net_revenue,
        traded.cost - traded.restocked_cost as net_cost,
        coalesce(tickets.ticket_cost, 0) as ticket_cost,
        coalesce(contacts.contact_cost, 0) as contact_cost,
        case
            when not $cost_to_serve_includes_shipping then 0
            when not coalesce(shipments.has_unvalued_order, false)
                then coalesce(shipments.net_shipping_cost, 0)
                    + (traded.orders - coalesce(shipments.orders, 0))
                    * $net_shipping_cost_per_order
        end as net_shipping_cost,
        acquisition_costs.acquisition_cost
    from traded
    left join shipments
        on traded.customer_id = shipments.customer_id
    left join tickets
        on traded.customer_id = tickets.customer_id
    left join contacts
        on traded.customer_id = contacts.customer_id
    left join acquisition_costs
        on traded.customer_id = acquisition_costs.customer_id
),

profited as (
    select
        *,
        net_revenue - net_cost as margin,
        ticket_cost + contact_cost + net_shipping_cost + return_handling_cost as cost_to_serve
    from served
),

final as (
    select
        profited.customer_id,
        profited.orders,
        profited.purchase_days,
        profited.first_channel,
        profited.first_order_date,
        profited.last_order_date,
        profited.returns,
        profited.last_return_date,
        cast(profited.gross_revenue as decimal(18, 4)) as gross_revenue,
        cast(profited.discounts as decimal(18, 4)) as discounts,
        cast(profited.returned_revenue as decimal(18, 4)) as returned_revenue,
        cast(profited.net_revenue as decimal(18, 4)) as net_revenue,
        cast(profited.net_cost as decimal(18, 4)) as cost,
        cast(profited.margin as decimal(18, 4)) as margin,
        cast(profited.ticket_cost as decimal(18, 4)) as ticket_cost,
        cast(profited.contact_cost as decimal(18, 4)) as contact_cost,
        cast(profited.net_shipping_cost as decimal(18, 4)) as net_shipping_cost,
        cast(profited.return_handling_cost as decimal(18, 4)) as return_handling_cost,
        cast(profited.cost_to_serve as decimal(18, 4)) as cost_to_serve,
        cast(profited.margin - profited.cost_to_serve as decimal(18, 4)) as contribution_margin,
        cast(profited.acquisition_cost as decimal(18, 4)) as acquisition_cost,
        cast(
            case
                when not $profit_includes_acquisition_cost or not acquisition_told.is_told
                    then profited.margin - profited.cost_to_serve
                when profited.orders = 0
                    then profited.margin - profited.cost_to_serve
                        - coalesce(profited.acquisition_cost, 0)
                else profited.margin - profited.cost_to_serve - profited.acquisition_cost
            end as decimal(18, 4)
        ) as profit_to_date,
        cast(
            case when $measure = 'margin' then profited.margin else profited.net_revenue end
            as decimal(18, 4)
        ) as value_to_date
    from profited
    cross join acquisition_told
)

select * from final
