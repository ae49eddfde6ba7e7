with summaries as (
    select * from int_customers_summarised
),

orders as (
    select * from int_orders_valued
),

returns as (
    select * from int_returns_summarised
),

returned_orders as (
    select * from int_orders_returned
),

order_windows as (
    select
        customer_id,
        count(*) filter (where order_date >= $as_of - $falling_frequency_days) as recent_orders,
        count(*) filter (
            where order_date < $as_of - $falling_frequency_days
                and order_date >= $as_of - 2 * $falling_frequency_days
        ) as earlier_orders,
        count(*) filter (where order_date >= $as_of - $experience_days) as orders_of_late
    from orders
    where customer_id is not null
    group by customer_id
),

returned as (
    select
        customer_id,
        count(*) as returned_orders,
        count(*) filter (where order_date >= $as_of - $experience_days) as returned_of_late
    from returned_orders
    where customer_id is not null
    group by customer_id
),

-- Where no source tells of returns, nobody is known to return little.
known_returns as (
    select count(*) > 0 as has_returns
    from returns
),

bought as (
    select
        summaries.customer_id,
        summaries.orders,
        summaries.last_order_date,
        cast($as_of - summaries.last_order_date as bigint) as days_since_last_order,
        summaries.frequency,
        summaries.recency_age,
        summaries.revenue,
        order_windows.recent_orders,
        order_windows.earlier_orders,
        coalesce(returned.returned_orders, 0) as returned_orders,
        order_windows.orders_of_late,
        coalesce(returned.returned_of_late, 0) as returned_of_late,
        known_returns.has_returns,
        order_windows.earlier_orders >= $falling_frequency_min_orders as has_window,
        summaries.purchase_days >= $falling_frequency_min_purchase_days as has_rhythm
    from summaries
    inner join order_windows
        on summaries.customer_id = order_windows.customer_id
    left join returned
        on summaries.customer_id = returned.customer_id
    cross join known_returns
),

slowed as (
    select
        *,
        has_window
        and cast(recent_orders as double)
        <= $falling_frequency_share * cast(earlier_orders as double) as has_slower_window,
        has_rhythm
        and cast(days_since_last_order * frequency as double)
        > $falling_frequency_rhythm * cast(recency_age as double) as is_overdue
    from bought
),

-- Who is inactive is lost already: that is no early warning.
final as (
    select
        customer_id,
        orders,
        last_order_date,
        recent_orders,
        earlier_orders,
        returned_orders,
        orders_of_late,
        returned_of_late,
        cast(revenue as decimal(18, 4)) as revenue,
        case
            when (has_window or has_rhythm) and days_since_last_order <= $inactive_after_days
                then has_slower_window or is_overdue
        end as is_frequency_falling,
        case
            when has_slower_window
                then 'orders fell from ' || cast(earlier_orders as varchar)
                    || ' to ' || cast(recent_orders as varchar)
                    || ' in ' || cast($falling_frequency_days as varchar) || ' days'
            when is_overdue
                then 'last order ' || cast(days_since_last_order as varchar)
                    || ' days ago against one in '
                    || cast(
                        cast(
                            round(cast(recency_age as double) / cast(frequency as double))
                            as bigint
                        ) as varchar
                    ) || ' days before'
        end as frequency_fall,
        case
            when has_returns and orders_of_late >= $frequent_returns_min_orders
                then returned_of_late >= $frequent_returns_min_orders
                    and cast(returned_of_late as double)
                    >= $frequent_returns_share * cast(orders_of_late as double)
        end as is_returning_often
    from slowed
)

select * from final
