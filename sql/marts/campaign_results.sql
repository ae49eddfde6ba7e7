with measured as (
    select * from int_campaign_customers_measured
),

campaigns as (
    select * from entities.campaigns
),

arms as (
    select
        campaign_id,
        arm,
        bool_or(is_control) as is_held_back,
        min(first_contact_date) as first_contact_date,
        max(last_contact_date) as last_contact_date,
        count(*) as customers,
        cast(sum(contacts) as bigint) as contacts,
        sum(contact_cost) as contact_cost,
        count(contact_cost) = count(*) as has_contact_cost,
        count(*) filter (where is_delivered) as delivered_customers,
        count(*) filter (where has_opened) as opened_customers,
        count(*) filter (where has_clicked) as clicked_customers,
        count(*) filter (where has_converted) as converted_customers,
        count(*) filter (where has_unsubscribed) as unsubscribed_customers,
        count(*) filter (where is_measured) as measured_customers,
        count(*) filter (where is_measured and orders > 0) as buying_customers,
        coalesce(cast(sum(orders) filter (where is_measured) as bigint), 0) as orders,
        sum(revenue) filter (where is_measured) as revenue,
        count(revenue) filter (where is_measured) as with_revenue,
        sum(order_value) filter (where is_measured) as order_value,
        count(order_value) filter (where is_measured) as with_order_value
    from measured
    group by 1, 2
),

described as (
    select
        arms.*,
        campaigns.campaign_name,
        campaigns.campaign_kind,
        coalesce(campaigns.is_experiment, false) as is_experiment,
        arms.is_held_back or coalesce(arms.arm = campaigns.control_arm, false) as is_control
    from arms
    left join campaigns
        on arms.campaign_id = campaigns.campaign_id
),

-- A campaign that holds back in several arms is compared with them all together.
controls as (
    select
        campaign_id,
        cast(sum(measured_customers) as bigint) as measured_customers,
        cast(sum(buying_customers) as bigint) as buying_customers
    from described
    where is_control
    group by campaign_id
),

compared as (
    select
        described.*,
        sum(described.customers) over (partition by described.campaign_id) as campaign_customers,
        case
            when described.measured_customers > 0
                then cast(described.buying_customers as double) / described.measured_customers
        end as purchase_rate,
        case
            when controls.measured_customers > 0
                then cast(controls.buying_customers as double) / controls.measured_customers
        end as control_purchase_rate,
        controls.measured_customers as control_customers,
        controls.buying_customers as control_buyers,
        case
            when described.is_control then 'is_control'
            when not described.is_experiment then 'not_an_experiment'
            when controls.campaign_id is null then 'no_control'
            when described.measured_customers = 0 or controls.measured_customers = 0
                then 'response_days_not_over'
            when controls.buying_customers = 0 then 'no_buyer_in_control'
        end as no_lift_reason
    from described
    left join controls
        on described.campaign_id = controls.campaign_id
),

final as (
    select
        campaign_id,
        arm,
        campaign_name,
        campaign_kind,
        is_experiment,
        is_control,
        first_contact_date,
        last_contact_date,
        customers,
        cast(customers as double) / campaign_customers as share_of_campaign,
        contacts,
        case when has_contact_cost then cast(contact_cost as decimal(18, 4)) end as contact_cost,
        delivered_customers,
        opened_customers,
        clicked_customers,
        converted_customers,
        unsubscribed_customers,
        measured_customers,
        buying_customers,
        purchase_rate,
        orders,
        case
            when measured_customers = 0 then cast(0 as decimal(18, 4))
            when with_revenue = measured_customers then cast(revenue as decimal(18, 4))
        end as revenue,
        case
            when measured_customers > 0 and with_order_value = measured_customers
                then cast(order_value as double) / measured_customers
        end as value_per_customer,
        control_purchase_rate,
        case
            when no_lift_reason is null then purchase_rate - control_purchase_rate
        end as purchase_rate_difference,
        case
            when no_lift_reason is null then purchase_rate / control_purchase_rate - 1
        end as lift,
        case
            when no_lift_reason is null
                then risk_ratio_low(
                    buying_customers, measured_customers, control_buyers, control_customers,
                    $campaign_confidence
                ) - 1
        end as lift_low,
        case
            when no_lift_reason is null
                then risk_ratio_high(
                    buying_customers, measured_customers, control_buyers, control_customers,
                    $campaign_confidence
                ) - 1
        end as lift_high,
        case
            when no_lift_reason is null
                then proportion_p_value(
                    buying_customers, measured_customers, control_buyers, control_customers
                )
        end as p_value,
        case
            when no_lift_reason is null
                then (purchase_rate - control_purchase_rate) * measured_customers
        end as additional_buyers,
        case
            when no_lift_reason is null and has_contact_cost and measured_customers = customers
                and purchase_rate > control_purchase_rate
                then cast(contact_cost as double)
                    / ((purchase_rate - control_purchase_rate) * measured_customers)
        end as cost_per_additional_buyer,
        no_lift_reason
    from compared
)

select * from final
