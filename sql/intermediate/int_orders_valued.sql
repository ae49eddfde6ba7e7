with orders as (
    select * from entities.orders
),

order_lines as (
    select * from int_order_lines_valued
),

exchange_rates as (
    select * from entities.exchange_rates
),

rates as (
    select rate_date, currency, rate
    from exchange_rates
    where target_currency = $currency
),

-- The cost of an order is known only when that of each of its lines is.
line_sums as (
    select
        order_id,
        cast(sum(discounts) as decimal(18, 4)) as discounts,
        cast(sum(revenue) as decimal(18, 4)) as revenue,
        cast(
            case when count(cost) = count(*) then sum(cost) end as decimal(18, 4)
        ) as cost,
        count(*) = count(revenue) as is_valued
    from order_lines
    where line_kind = 'sale'
    group by order_id
),

dated as (
    select
        order_id,
        customer_id,
        local_date(ordered_at, $timezone) as order_date,
        channel,
        coalesce(currency, $currency) as currency,
        coalesce(discount_amount, cast(0 as decimal(18, 4))) as discount_amount,
        order_amount,
        cost_amount,
        shipping_amount,
        shipping_cost_amount,
        tax_amount
    from orders
),

seen as (
    select *
    from dated
    where order_date < $as_of
),

-- Amounts in the pipeline's own currency are taken as they are, without a multiplication a row.
converted as (
    select
        seen.order_id,
        seen.customer_id,
        seen.order_date,
        seen.channel,
        case
            when seen.currency = $currency then seen.discount_amount
            else cast(seen.discount_amount * rates.rate as decimal(18, 4))
        end as discounts,
        case
            when seen.currency = $currency then seen.order_amount
            else cast(seen.order_amount * rates.rate as decimal(18, 4))
        end as revenue,
        case
            when seen.currency = $currency then seen.cost_amount
            else cast(seen.cost_amount * rates.rate as decimal(18, 4))
        end as cost,
        case
            when seen.currency = $currency then seen.shipping_amount
            else cast(seen.shipping_amount * rates.rate as decimal(18, 4))
        end as shipping_charged,
        case
            when seen.currency = $currency then seen.shipping_cost_amount
            else cast(seen.shipping_cost_amount * rates.rate as decimal(18, 4))
        end as shipping_cost,
        case
            when seen.currency = $currency then seen.tax_amount
            else cast(seen.tax_amount * rates.rate as decimal(18, 4))
        end as tax,
        seen.currency = $currency or rates.rate is not null as has_rate
    from seen
    left join rates
        on seen.currency = rates.currency
        and seen.order_date = rates.rate_date
),

lined as (
    select
        converted.order_id,
        converted.customer_id,
        converted.order_date,
        converted.channel,
        case
            when line_sums.order_id is null then converted.discounts
            else line_sums.discounts
        end as discounts,
        case
            when line_sums.order_id is null then converted.revenue
            when line_sums.is_valued then line_sums.revenue
        end as revenue,
        case
            when line_sums.order_id is null then converted.cost
            else line_sums.cost
        end as cost,
        converted.shipping_charged,
        converted.shipping_cost,
        converted.tax,
        converted.has_rate
    from converted
    left join line_sums
        on converted.order_id = line_sums.order_id
),

final as (
    select
        order_id,
        customer_id,
        order_date,
        channel,
        discounts,
        revenue,
        cost,
        case
            when $measure = 'margin' then cast(revenue - cost as decimal(18, 4))
            else revenue
        end as order_value,
        shipping_charged,
        shipping_cost,
        tax,
        has_rate
    from lined
)

select * from final
