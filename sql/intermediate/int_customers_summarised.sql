-- One grouped pass over the orders, of aggregates that keep a small state a customer: distinct
-- counts and ordered aggregates as SQL spells them hold a collection each and multiply time and
-- memory by four.
with orders as (
    select * from int_orders_valued
),

sums as (
    select
        customer_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        first_by(channel, order_date, order_id) as first_channel,
        count(*) as orders,
        count_distinct_days(order_date) as purchase_days,
        sum(discounts) as discounts,
        sum(revenue) as revenue,
        sum(cost) as cost,
        sum_on_first_day(order_value, order_date) as first_day_value,
        bool_or(revenue is null) as has_unvalued_order,
        bool_or(cost is null) as has_unknown_cost
    from orders
    where customer_id is not null
    group by customer_id
),

-- A sum over orders of which one is unknown is unknown.
known_sums as (
    select
        customer_id,
        first_order_date,
        last_order_date,
        first_channel,
        orders,
        purchase_days,
        case when not has_unvalued_order then discounts end as discounts,
        case when not has_unvalued_order then revenue end as revenue,
        case when not has_unknown_cost then cost end as cost,
        first_day_value
    from sums
),

measured as (
    select
        *,
        case when $measure = 'margin' then revenue - cost else revenue end as order_value
    from known_sums
),

final as (
    select
        customer_id,
        first_order_date,
        last_order_date,
        first_channel,
        orders,
        purchase_days,
        purchase_days - 1 as frequency,
        cast(last_order_date - first_order_date as bigint) as recency_age,
        cast($as_of - first_order_date as bigint) - 1 as customer_age,
        cast(revenue + discounts as decimal(18, 4)) as gross_revenue,
        cast(discounts as decimal(18, 4)) as discounts,
        cast(revenue as decimal(18, 4)) as revenue,
        cast(cost as decimal(18, 4)) as cost,
        cast(order_value as decimal(18, 4)) as order_value,
        case
            when purchase_days > 1
                then cast(order_value - first_day_value as double)
                    / cast(purchase_days - 1 as double)
        end as monetary_value
    from measured
)

select * from final
