with customers as (
    select * from olist.customers
),

final as (
    select
        customer_id as order_customer_id,
        customer_unique_id as customer_id,
        customer_zip_code_prefix as postal_code,
        customer_city as city,
        customer_state as region
    from customers
)

select * from final
