-- A sum of cents that floating point left at 4.440892e-16 is nothing. The shelf price is what was
-- received and what the retailer took off; refunds of makers are neither.
with transactions as (
    select
        *,
        cast(sales_value as decimal(18, 4)) as line_amount,
        cast(retail_disc + coupon_match_disc as decimal(18, 4)) as discount_amount
    from complete_journey.transactions
),

final as (
    select
        basket_id as order_id,
        "_line" as line_number,
        case when line_amount > 0 then 'sale' else 'free_item' end as line_kind,
        household_id as customer_id,
        transaction_timestamp as ordered_at,
        product_id,
        quantity,
        cast(
            (line_amount + discount_amount) / nullif(quantity, 0) as decimal(18, 4)
        ) as unit_price,
        discount_amount,
        line_amount
    from transactions
)

select * from final
