with orders as (
    select * from int_orders_valued
),

customers as (
    select * from int_customers_summarised
),

-- Only a customer's first day is numbered: sorting every order would cost far more.
first_day_orders as (
    select
        orders.customer_id,
        orders.order_id,
        orders.order_date,
        orders.revenue,
        row_number() over (
            partition by orders.customer_id order by orders.order_id
        ) as order_number
    from orders
    inner join customers
        on orders.customer_id = customers.customer_id
        and orders.order_date = customers.first_order_date
),

final as (
    select customer_id, order_id, order_date, revenue
    from first_day_orders
    where order_number = 1
)

select * from final
