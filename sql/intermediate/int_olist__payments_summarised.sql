with payments as (
    select * from stg_olist__order_payments
),

methods as (
    select
        order_id,
        payment_method,
        count(*) as payments,
        sum(paid_amount) as paid_amount
    from payments
    group by order_id, payment_method
),

ranked as (
    select
        order_id,
        payment_method,
        payments,
        paid_amount,
        row_number() over (
            partition by order_id
            order by paid_amount desc, payment_method asc
        ) as place
    from methods
),

final as (
    select
        order_id,
        cast(sum(payments) as bigint) as payments,
        cast(sum(paid_amount) as decimal(18, 4)) as paid_amount,
        max(payment_method) filter (where place = 1) as payment_method
    from ranked
    group by order_id
)

select * from final
