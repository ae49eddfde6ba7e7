with orders as (
    select * from int_orders_valued
),

returns as (
    select * from int_returns_valued
),

returned as (
    select
        order_id,
        min(return_date) as first_return_date,
        sum(returned_revenue) as returned_revenue,
        bool_or(returned_revenue is null) as has_unvalued_line
    from returns
    where order_id is not null
    group by order_id
),

-- A sum over lines of which one is unknown is unknown.
final as (
    select
        orders.order_id,
        orders.customer_id,
        orders.order_date,
        returned.first_return_date,
        orders.revenue,
        cast(
            case when not returned.has_unvalued_line then returned.returned_revenue end
            as decimal(18, 4)
        ) as returned_revenue
    from orders
    inner join returned
        on orders.order_id = returned.order_id
)

select * from final
