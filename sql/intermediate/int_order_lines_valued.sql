with order_lines as (
    select * from entities.order_lines
),

orders as (
    select * from entities.orders
),

products as (
    select * from entities.products
),

exchange_rates as (
    select * from entities.exchange_rates
),

rates as (
    select rate_date, currency, rate
    from exchange_rates
    where target_currency = $currency
),

lines as (
    select
        order_lines.order_id,
        order_lines.line_number,
        coalesce(order_lines.customer_id, orders.customer_id) as customer_id,
        local_date(coalesce(orders.ordered_at, order_lines.ordered_at), $timezone) as order_date,
        coalesce(order_lines.line_kind, 'sale') as line_kind,
        orders.order_id is not null as has_order,
        order_lines.product_id,
        order_lines.quantity,
        coalesce(orders.currency, $currency) as currency,
        coalesce(
            order_lines.line_amount,
            order_lines.quantity * order_lines.unit_price
            - coalesce(order_lines.discount_amount, 0)
        ) as line_amount,
        coalesce(order_lines.discount_amount, 0) as discount_amount,
        order_lines.unit_cost is not null as has_own_cost,
        order_lines.quantity * order_lines.unit_cost as line_cost,
        order_lines.quantity * products.unit_cost as product_cost
    from order_lines
    left join orders
        on order_lines.order_id = orders.order_id
    left join products
        on order_lines.product_id = products.product_id
),

-- A line is told in the currency of its order, a product's cost in the currency of the pipeline.
-- Where a line tells its own cost and there is no rate for it, the product's would be another.
rated as (
    select
        lines.*,
        case when lines.currency = $currency then 1 else rates.rate end as rate
    from lines
    left join rates
        on lines.currency = rates.currency
        and lines.order_date = rates.rate_date
),

final as (
    select
        order_id,
        line_number,
        customer_id,
        order_date,
        line_kind,
        has_order,
        product_id,
        quantity,
        cast(discount_amount * rate as decimal(18, 4)) as discounts,
        cast(line_amount * rate as decimal(18, 4)) as revenue,
        cast(
            case when has_own_cost then line_cost * rate else product_cost end as decimal(18, 4)
        ) as cost
    from rated
    where order_date < $as_of
        or order_date is null
)

select * from final
