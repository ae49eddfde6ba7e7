with coupon_redemptions as (
    select * from complete_journey.coupon_redemptions
),

final as (
    select
        household_id as customer_id,
        coupon_upc as coupon_code,
        campaign_id,
        redemption_date as redeemed_at,
        local_date(redemption_date, 'America/New_York') as redemption_date
    from coupon_redemptions
)

select * from final
