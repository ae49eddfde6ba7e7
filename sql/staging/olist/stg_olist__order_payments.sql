with order_payments as (
    select * from olist.order_payments
),

final as (
    select
        order_id,
        payment_sequential as payment_number,
        payment_type as payment_method,
        payment_installments as installments,
        payment_value as paid_amount
    from order_payments
)

select * from final
