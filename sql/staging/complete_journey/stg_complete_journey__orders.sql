with transactions as (
    select * from complete_journey.transactions
),

-- The rows of a basket agree on household, shop and time.
final as (
    select
        basket_id as order_id,
        max(household_id) as customer_id,
        min(transaction_timestamp) as ordered_at,
        'shop' as channel,
        max(store_id) as store_id,
        cast(sum(cast(sales_value as decimal(18, 4))) as decimal(18, 4)) as order_amount,
        cast(sum(retail_disc + coupon_match_disc) as decimal(18, 4)) as discount_amount
    from transactions
    group by basket_id
)

select * from final
