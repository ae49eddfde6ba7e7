with orders as (
    select * from int_orders_valued
),

purchase_days as (
    select
        customer_id,
        order_date as purchase_date,
        count(*) as orders,
        case when count(revenue) = count(*) then sum(revenue) end as revenue,
        case when count(cost) = count(*) then sum(cost) end as cost,
        case when count(order_value) = count(*) then sum(order_value) end as order_value
    from orders
    where customer_id is not null
    group by customer_id, order_date
),

sequenced as (
    select
        *,
        row_number() over days as purchase_number,
        first_value(purchase_date) over days as first_purchase_date,
        lag(purchase_date) over days as previous_purchase_date,
        lead(purchase_date) over days as next_purchase_date
    from purchase_days
    window days as (
        partition by customer_id order by purchase_date
        rows between unbounded preceding and current row
    )
),

final as (
    select
        customer_id,
        purchase_date,
        cast(purchase_number as bigint) as purchase_number,
        first_purchase_date,
        previous_purchase_date,
        next_purchase_date,
        previous_purchase_date is not null
        and purchase_date - $inactive_after_days > previous_purchase_date as is_won_back,
        orders,
        cast(revenue as decimal(18, 4)) as revenue,
        cast(cost as decimal(18, 4)) as cost,
        cast(order_value as decimal(18, 4)) as order_value
    from sequenced
)

select * from final
