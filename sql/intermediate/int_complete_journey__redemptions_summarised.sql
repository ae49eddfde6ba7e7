with redemptions as (
    select * from stg_complete_journey__coupon_redemptions
),

final as (
    select
        campaign_id,
        customer_id,
        count(*) as redemptions,
        min(redeemed_at) as first_redeemed_at,
        min(redemption_date) as first_redemption_date
    from redemptions
    group by campaign_id, customer_id
)

select * from final
