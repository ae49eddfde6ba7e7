-- One grouped pass over everything that tells of a customer, for both days at once: joins would
-- hold all customers in memory where a grouping can spill. The two days stand on the left of their
-- join, the side that is held.
with customers as (
    select * from entities.customers
),

web_events as (
    select * from entities.web_events
),

orders as (
    select * from int_orders_valued
),

returns as (
    select * from int_returns_valued
),

facts as (
    select
        customer_id,
        'listed' as fact,
        local_date(signed_up_at, $timezone) as fact_date,
        cast(0 as decimal(18, 4)) as amount
    from customers
    union all
    select
        customer_id,
        'browsed' as fact,
        local_date(occurred_at, $timezone) as fact_date,
        cast(0 as decimal(18, 4)) as amount
    from web_events
    union all
    select
        customer_id,
        'ordered' as fact,
        order_date as fact_date,
        order_value as amount
    from orders
    union all
    select
        customer_id,
        'returned' as fact,
        return_date as fact_date,
        -returned_value as amount
    from returns
),

told as (
    select
        customer_id,
        fact,
        fact_date,
        amount,
        case when fact = 'ordered' then fact_date end as order_date,
        coalesce(fact_date < $as_of - $comparison_days, false) as is_earlier
    from facts
    where customer_id is not null
        and (fact_date is null or fact_date < $as_of)
),

sums as (
    select
        customer_id,
        min(fact_date) as known_date,
        bool_or(fact = 'listed') as is_listed,
        min(fact_date) filter (where fact = 'browsed') as first_browsed_date,
        count(order_date) as orders,
        count(order_date) filter (where is_earlier) as earlier_orders,
        count(order_date) filter (
            where order_date >= $as_of - $frequent_within_days
        ) as recent_orders,
        count(order_date) filter (
            where is_earlier
                and order_date >= $as_of - $comparison_days - $frequent_within_days
        ) as earlier_recent_orders,
        count_distinct_days(order_date) as purchase_days,
        count_distinct_days(case when is_earlier then order_date end) as earlier_purchase_days,
        max(order_date) as last_order_date,
        max(order_date) filter (where is_earlier) as earlier_last_order_date,
        sum(amount) as amount,
        sum(amount) filter (where is_earlier) as earlier_amount,
        bool_or(amount is null) as has_unknown_amount,
        bool_or(amount is null and is_earlier) as has_earlier_unknown_amount
    from told
    group by customer_id
),

snapshots (days_before) as (
    values (0), ($comparison_days)
),

snapshotted as (
    select
        sums.customer_id,
        $as_of - snapshots.days_before as as_of_date,
        sums.known_date,
        sums.is_listed,
        sums.first_browsed_date,
        case
            when snapshots.days_before = 0 then sums.orders
            else sums.earlier_orders
        end as orders,
        case
            when snapshots.days_before = 0 then sums.recent_orders
            else sums.earlier_recent_orders
        end as recent_orders,
        case
            when snapshots.days_before = 0 then sums.purchase_days
            else sums.earlier_purchase_days
        end as purchase_days,
        case
            when snapshots.days_before = 0 then sums.last_order_date
            else sums.earlier_last_order_date
        end as last_order_date,
        case
            when snapshots.days_before = 0 and not sums.has_unknown_amount
                then sums.amount
            when snapshots.days_before > 0 and not sums.has_earlier_unknown_amount
                then coalesce(sums.earlier_amount, 0)
        end as amount
    from snapshots
    cross join sums
),

-- Who stands in a list without a day and never did anything is known on both days.
final as (
    select
        customer_id,
        as_of_date,
        is_listed,
        coalesce(first_browsed_date < as_of_date, false) as has_browsed,
        cast(orders as bigint) as orders,
        cast(recent_orders as bigint) as recent_orders,
        cast(purchase_days as bigint) as purchase_days,
        last_order_date,
        cast(as_of_date - last_order_date as bigint) as days_since_last_order,
        cast(amount as decimal(18, 4)) as value_to_date
    from snapshotted
    where known_date is null
        or known_date < as_of_date
)

select * from final
