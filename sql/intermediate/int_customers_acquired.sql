with customers as (
    select * from entities.customers
),

campaigns as (
    select * from entities.campaigns
),

summaries as (
    select * from int_customers_summarised
),

spend_months as (
    select * from int_marketing_months_summarised
),

touchpoints as (
    select * from int_touchpoints_united
),

credited as (
    select * from int_touchpoints_credited
),

-- A sign-up that lies on the as-of day or after it has not happened.
known as (
    select
        coalesce(customers.customer_id, summaries.customer_id) as customer_id,
        summaries.customer_id is not null as is_buyer,
        coalesce(
            summaries.first_order_date,
            case
                when local_date(customers.signed_up_at, $timezone) < $as_of
                    then local_date(customers.signed_up_at, $timezone)
            end
        ) as acquisition_date,
        customers.acquisition_channel,
        customers.acquisition_campaign_id,
        customers.acquisition_cost_amount
    from customers
    full join summaries
        on customers.customer_id = summaries.customer_id
),

-- Of who never ordered there is no conversion that a window could end at: any touch counts.
touched as (
    select
        touchpoints.customer_id,
        first_by(
            touchpoints.channel || chr(31) || coalesce(touchpoints.campaign_id, ''),
            touchpoints.touched_at
        ) as origin
    from touchpoints
    left join summaries
        on touchpoints.customer_id = summaries.customer_id
    where summaries.customer_id is null
    group by touchpoints.customer_id
),

first_touches as (
    select customer_id, channel, campaign_id
    from credited
    where is_acquisition
        and touch_number = 1
    union all
    select
        customer_id,
        split_part(origin, chr(31), 1) as channel,
        nullif(split_part(origin, chr(31), 2), '') as campaign_id
    from touched
),

evidenced as (
    select
        known.*,
        coalesce(known.acquisition_channel, campaigns.channel) as recorded_channel,
        first_touches.channel as touched_channel,
        first_touches.campaign_id as touched_campaign_id,
        case
            when $acquisition_channel_from = 'first_touch'
                and first_touches.customer_id is not null
                then 'first_touch'
            when known.acquisition_channel is not null or known.acquisition_campaign_id is not null
                then 'recorded'
            when $acquisition_channel_from = 'recorded_or_first_touch'
                and first_touches.customer_id is not null
                then 'first_touch'
            else 'nothing'
        end as channel_from
    from known
    left join campaigns
        on known.acquisition_campaign_id = campaigns.campaign_id
    left join first_touches
        on known.customer_id = first_touches.customer_id
),

channelled as (
    select
        customer_id,
        is_buyer,
        acquisition_date,
        date_trunc('month', acquisition_date) as acquisition_month,
        channel_from,
        case
            when channel_from = 'first_touch' then touched_channel
            else coalesce(recorded_channel, 'unknown')
        end as acquisition_channel,
        case
            when channel_from = 'first_touch' then touched_campaign_id
            else acquisition_campaign_id
        end as acquisition_campaign_id,
        acquisition_cost_amount
    from evidenced
),

won as (
    select acquisition_channel, acquisition_month, count(*) as customers
    from channelled
    where is_buyer
    group by acquisition_channel, acquisition_month
),

covered as (
    select min(spend_month) as first_month, max(spend_month) as last_month
    from spend_months
),

averages as (
    select
        won.acquisition_channel,
        won.acquisition_month,
        cast(
            case
                when spend_months.channel is not null
                    then spend_months.acquisition_spend / cast(won.customers as decimal(18, 0))
                when $unbilled_channels_are_free
                    and won.acquisition_channel <> 'unknown'
                    and won.acquisition_month between covered.first_month and covered.last_month
                    then 0
            end as decimal(18, 4)
        ) as channel_average
    from won
    left join spend_months
        on won.acquisition_channel = spend_months.channel
        and won.acquisition_month = spend_months.spend_month
    cross join covered
),

final as (
    select
        channelled.customer_id,
        channelled.acquisition_date,
        channelled.is_buyer,
        channelled.acquisition_channel,
        channelled.acquisition_campaign_id,
        channelled.channel_from as acquisition_channel_from,
        case
            when channelled.acquisition_cost_amount is not null
                then channelled.acquisition_cost_amount
            when channelled.is_buyer and $acquisition_cost_method = 'channel_average'
                then averages.channel_average
        end as acquisition_cost
    from channelled
    left join averages
        on channelled.acquisition_channel = averages.acquisition_channel
        and channelled.acquisition_month = averages.acquisition_month
)

select * from final
