with orders as (
    select * from entities.orders
),

order_lines as (
    select * from entities.order_lines
),

returns as (
    select * from entities.returns
),

service_tickets as (
    select * from entities.service_tickets
),

campaigns as (
    select * from entities.campaigns
),

campaign_contacts as (
    select * from entities.campaign_contacts
),

marketing_spend as (
    select * from entities.marketing_spend
),

exchange_rates as (
    select * from entities.exchange_rates
),

-- A rate of zero would make every amount nothing.
rates as (
    select rate_date, currency
    from exchange_rates
    where target_currency = $currency
        and rate > 0
),

foreign_orders as (
    select
        order_id,
        currency,
        local_date(ordered_at, $timezone) as order_date,
        coalesce(
            order_amount, discount_amount, cost_amount, shipping_amount, shipping_cost_amount,
            tax_amount
        ) is not null as has_amount
    from orders
    where currency <> $currency
),

foreign_amounts as (
    select 'orders' as entity, currency, order_date as rate_date
    from foreign_orders
    where has_amount
    union all
    select
        'order_lines' as entity,
        foreign_orders.currency,
        foreign_orders.order_date as rate_date
    from order_lines
    inner join foreign_orders
        on order_lines.order_id = foreign_orders.order_id
    where coalesce(
        order_lines.line_amount, order_lines.unit_price, order_lines.discount_amount,
        order_lines.unit_cost
    ) is not null
    union all
    select
        'returns' as entity,
        coalesce(returns.currency, foreign_orders.currency) as currency,
        local_date(returns.returned_at, $timezone) as rate_date
    from returns
    left join foreign_orders
        on returns.order_id = foreign_orders.order_id
    where coalesce(returns.currency, foreign_orders.currency) <> $currency
    union all
    select
        'service_tickets' as entity,
        currency,
        local_date(opened_at, $timezone) as rate_date
    from service_tickets
    where currency <> $currency
        and cost_amount is not null
    union all
    select
        'campaign_contacts' as entity,
        currency,
        local_date(contacted_at, $timezone) as rate_date
    from campaign_contacts
    where currency <> $currency
        and cost_amount is not null
    union all
    select 'marketing_spend' as entity, currency, spend_date as rate_date
    from marketing_spend
    where currency <> $currency
    union all
    select 'campaigns' as entity, currency, started_on as rate_date
    from campaigns
    where currency <> $currency
        and budget_amount is not null
        and started_on is not null
),

needed as (
    select entity, currency, rate_date, count(*) as rows
    from foreign_amounts
    where rate_date < $as_of
    group by entity, currency, rate_date
),

final as (
    select needed.entity, needed.currency, needed.rate_date, needed.rows
    from needed
    left join rates
        on needed.currency = rates.currency
        and needed.rate_date = rates.rate_date
    where rates.rate_date is null
)

select * from final
