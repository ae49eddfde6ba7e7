with returns as (
    select * from entities.returns
),

orders as (
    select * from entities.orders
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
        returns.return_id,
        returns.line_number,
        coalesce(returns.customer_id, orders.customer_id) as customer_id,
        returns.order_id,
        returns.product_id,
        local_date(returns.returned_at, $timezone) as return_date,
        returns.quantity,
        coalesce(returns.currency, orders.currency, $currency) as currency,
        returns.return_amount,
        coalesce(returns.restocked_cost_amount, 0) as restocked_cost_amount,
        returns.handling_cost_amount
    from returns
    left join orders
        on returns.order_id = orders.order_id
),

rated as (
    select
        dated.*,
        case when dated.currency = $currency then 1 else rates.rate end as rate
    from dated
    left join rates
        on dated.currency = rates.currency
        and dated.return_date = rates.rate_date
),

converted as (
    select
        return_id,
        line_number,
        customer_id,
        order_id,
        product_id,
        return_date,
        quantity,
        cast(return_amount * rate as decimal(18, 4)) as returned_revenue,
        cast(restocked_cost_amount * rate as decimal(18, 4)) as restocked_cost,
        cast(handling_cost_amount * rate as decimal(18, 4)) as handling_cost
    from rated
    where return_date < $as_of
),

final as (
    select
        return_id,
        line_number,
        customer_id,
        order_id,
        product_id,
        return_date,
        quantity,
        returned_revenue,
        restocked_cost,
        cast(
            case
                when $measure = 'margin' then returned_revenue - restocked_cost
                else returned_revenue
            end as decimal(18, 4)
        ) as returned_value,
        handling_cost
    from converted
)

select * from final
