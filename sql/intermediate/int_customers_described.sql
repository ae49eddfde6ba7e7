-- What is not known of a customer stays null: the scorer says so instead of guessing.
with customers as (
    select * from int_customers_valued
),

needs as (
    select * from int_customer_needs_measured
),

varieties as (
    select customer_id, variety
    from needs
    where as_of_date = $as_of
        and variety is not null
),

final as (
    select
        customers.customer_id,
        cast($as_of - customers.last_order_date as bigint) as days_since_last_order,
        cast($as_of - customers.first_order_date as bigint) as days_since_first_order,
        customers.orders,
        customers.value_to_date,
        case
            when customers.orders > 0
                then cast(customers.value_to_date as double) / cast(customers.orders as double)
        end as average_order_value,
        case
            when customers.orders > 0 and customers.gross_revenue > 0
                then cast(customers.discounts as double) / cast(customers.gross_revenue as double)
        end as discount_share,
        case
            when customers.orders > 0 and customers.gross_revenue > 0
                then cast(
                    least(customers.returned_revenue, customers.gross_revenue) as double
                ) / cast(customers.gross_revenue as double)
        end as return_share,
        varieties.variety
    from customers
    left join varieties
        on customers.customer_id = varieties.customer_id
)

select * from final
