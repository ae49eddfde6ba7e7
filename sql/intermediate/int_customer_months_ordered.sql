-- A table of its own because a distinct count of customers by month is taken in two grouped steps,
-- and several tables take the second.
with orders as (
    select * from int_orders_valued
),

final as (
    select
        customer_id,
        cast(date_trunc('month', order_date) as date) as activity_month,
        count(*) as orders,
        cast(
            case when count(revenue) = count(*) then sum(revenue) end as decimal(18, 4)
        ) as revenue,
        cast(case when count(cost) = count(*) then sum(cost) end as decimal(18, 4)) as cost
    from orders
    where customer_id is not null
    group by customer_id, date_trunc('month', order_date)
)

select * from final
