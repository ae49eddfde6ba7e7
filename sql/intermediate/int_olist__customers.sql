-- A person has an address for each order. The last one holds, whatever became of the order.
with orders as (
    select * from int_olist__orders_resolved
),

ranked as (
    select
        customer_id,
        region,
        city,
        postal_code,
        row_number() over (
            partition by customer_id
            order by ordered_at desc, order_id desc
        ) as place
    from orders
    where customer_id is not null
),

final as (
    select
        customer_id,
        'person' as customer_type,
        'BR' as country,
        region,
        city,
        postal_code
    from ranked
    where place = 1
)

select * from final
