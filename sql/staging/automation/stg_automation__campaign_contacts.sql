with contacts as (
    select * from automation.contacts
),

final as (
    select
        contact as contact_id,
        campaign as campaign_id,
        customer as customer_id,
        sent_at as contacted_at,
        arm,
        channel,
        holdout = 1 as is_control,
        delivered = 1 as is_delivered,
        opened_at,
        clicked_at,
        converted_at,
        unsubscribed_at,
        order_no as order_id,
        coupon as coupon_code,
        cost as cost_amount
    from contacts
)

select * from final
