-- A purchase has no number of its own and equal rows are real purchases, so the line of the file
-- tells them apart. Purchases of nothing to pay are kept: they are purchase days of the customer.
with purchases as (
    select * from cdnow.sample
),

final as (
    select
        concat(master_customer_id, '-', cast("_line" as varchar)) as order_id,
        master_customer_id as customer_id,
        cast(purchased_on as timestamp) as ordered_at,
        dollars as order_amount,
        compact_discs as units
    from purchases
)

select * from final
