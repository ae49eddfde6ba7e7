-- A purchase has no number of its own and equal rows are real purchases, so the line of the file
-- tells them apart. Purchases of nothing to pay are kept: they are purchase days of the customer.
with purchases as (
    select * from cdnow.master
),

final as (
    select
        concat(customer_id, '-', cast("_line" as varchar)) as order_id,
        customer_id,
        cast("date" as timestamp) as ordered_at,
        dollar_value as order_amount,
        number_of_cds as units
    from purchases
)

select * from final
