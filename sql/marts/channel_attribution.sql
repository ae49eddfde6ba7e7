with touchpoints as (
    select * from int_touchpoints_credited
),

orders as (
    select * from int_orders_valued
),

acquiring as (
    select * from int_orders_acquiring
),

spend as (
    select * from int_marketing_spend_valued
),

spend_months as (
    select * from int_marketing_months_summarised
),

conversion_kinds as (
    select 'acquisition' as conversion_kind
    union all
    select 'order' as conversion_kind
),

attribution_models as (
    select 'first_touch' as attribution_model
    union all
    select 'last_touch' as attribution_model
    union all
    select 'linear' as attribution_model
    union all
    select 'position_based' as attribution_model
    union all
    select 'time_decay' as attribution_model
),

-- All models in one pass over the touches; what is left to turn is a few rows.
summed as (
    select
        is_acquisition,
        channel,
        coalesce(campaign_id, 'none') as campaign_id,
        date_trunc('month', order_date) as conversion_month,
        count(*) as touches,
        sum(first_touch_credit) as first_touch_credit,
        sum(last_touch_credit) as last_touch_credit,
        sum(linear_credit) as linear_credit,
        sum(position_based_credit) as position_based_credit,
        sum(time_decay_credit) as time_decay_credit,
        sum(first_touch_revenue) as first_touch_revenue,
        sum(last_touch_revenue) as last_touch_revenue,
        sum(linear_revenue) as linear_revenue,
        sum(position_based_revenue) as position_based_revenue,
        sum(time_decay_revenue) as time_decay_revenue,
        bool_or(revenue is null and first_touch_credit > 0) as has_first_touch_unknown,
        bool_or(revenue is null and last_touch_credit > 0) as has_last_touch_unknown,
        bool_or(revenue is null) as has_unknown
    from touchpoints
    group by is_acquisition, channel, coalesce(campaign_id, 'none'), date_trunc('month', order_date)
),

turned as (
    select
        conversion_kinds.conversion_kind,
        attribution_models.attribution_model,
        summed.channel,
        summed.campaign_id,
        summed.conversion_month,
        summed.touches,
        case attribution_models.attribution_model
            when 'first_touch' then summed.first_touch_credit
            when 'last_touch' then summed.last_touch_credit
            when 'linear' then summed.linear_credit
            when 'position_based' then summed.position_based_credit
            when 'time_decay' then summed.time_decay_credit
        end as conversions,
        case attribution_models.attribution_model
            when 'first_touch' then summed.first_touch_revenue
            when 'last_touch' then summed.last_touch_revenue
            when 'linear' then summed.linear_revenue
            when 'position_based' then summed.position_based_revenue
            when 'time_decay' then summed.time_decay_revenue
        end as revenue,
        case attribution_models.attribution_model
            when 'first_touch' then summed.has_first_touch_unknown
            when 'last_touch' then summed.has_last_touch_unknown
            else summed.has_unknown
        end as has_unknown
    from summed
    cross join attribution_models
    inner join conversion_kinds
        on conversion_kinds.conversion_kind = 'order'
        or summed.is_acquisition
),

credited as (
    select
        conversion_kind,
        attribution_model,
        channel,
        campaign_id,
        conversion_month,
        sum(touches) as touches,
        sum(conversions) as conversions,
        sum(revenue) as revenue,
        bool_or(has_unknown) as has_unknown
    from turned
    group by conversion_kind, attribution_model, channel, campaign_id, conversion_month
),

-- What no touch precedes is credited to nobody: all conversions less those that are handed out.
conversions as (
    select
        'order' as conversion_kind,
        date_trunc('month', order_date) as conversion_month,
        count(*) as conversions,
        sum(revenue) as revenue,
        sum(case when revenue is null then 1 else 0 end) as unknown_orders
    from orders
    where customer_id is not null
    group by date_trunc('month', order_date)
    union all
    select
        'acquisition' as conversion_kind,
        date_trunc('month', order_date) as conversion_month,
        count(*) as conversions,
        sum(revenue) as revenue,
        sum(case when revenue is null then 1 else 0 end) as unknown_orders
    from acquiring
    group by date_trunc('month', order_date)
),

handed_out as (
    select
        conversion_kinds.conversion_kind,
        date_trunc('month', touchpoints.order_date) as conversion_month,
        count(*) as conversions,
        sum(touchpoints.revenue) as revenue,
        sum(case when touchpoints.revenue is null then 1 else 0 end) as unknown_orders
    from touchpoints
    inner join conversion_kinds
        on conversion_kinds.conversion_kind = 'order'
        or touchpoints.is_acquisition
    where touchpoints.touch_number = 1
    group by conversion_kinds.conversion_kind, date_trunc('month', touchpoints.order_date)
),

remaining as (
    select
        conversions.conversion_kind,
        conversions.conversion_month,
        conversions.conversions - coalesce(handed_out.conversions, 0) as conversions,
        coalesce(conversions.revenue, 0) - coalesce(handed_out.revenue, 0) as revenue,
        conversions.unknown_orders - coalesce(handed_out.unknown_orders, 0) as unknown_orders
    from conversions
    left join handed_out
        on conversions.conversion_kind = handed_out.conversion_kind
        and conversions.conversion_month = handed_out.conversion_month
),

unattributed as (
    select
        remaining.conversion_kind,
        attribution_models.attribution_model,
        'unattributed' as channel,
        'none' as campaign_id,
        remaining.conversion_month,
        cast(0 as bigint) as touches,
        cast(remaining.conversions as decimal(28, 9)) as conversions,
        remaining.revenue,
        remaining.unknown_orders > 0 as has_unknown
    from remaining
    cross join attribution_models
    where remaining.conversions > 0
),

results as (
    select * from credited
    union all
    select * from unattributed
),

spend_sums as (
    select
        conversion_kinds.conversion_kind,
        spend.channel,
        coalesce(spend.campaign_id, 'none') as campaign_id,
        date_trunc('month', spend.spend_date) as conversion_month,
        sum(spend.spend) as spend,
        bool_or(spend.spend is null) as has_unvalued_entry
    from spend
    inner join conversion_kinds
        on conversion_kinds.conversion_kind = 'order'
        or spend.is_acquisition
    group by
        conversion_kinds.conversion_kind,
        spend.channel,
        coalesce(spend.campaign_id, 'none'),
        date_trunc('month', spend.spend_date)
),

modelled_spend as (
    select
        spend_sums.*,
        attribution_models.attribution_model
    from spend_sums
    cross join attribution_models
),

joined as (
    select
        coalesce(results.conversion_kind, modelled_spend.conversion_kind) as conversion_kind,
        coalesce(results.attribution_model, modelled_spend.attribution_model) as attribution_model,
        coalesce(results.channel, modelled_spend.channel) as channel,
        coalesce(results.campaign_id, modelled_spend.campaign_id) as campaign_id,
        coalesce(results.conversion_month, modelled_spend.conversion_month) as conversion_month,
        coalesce(results.touches, 0) as touches,
        coalesce(results.conversions, 0) as conversions,
        case
            when results.channel is null then 0
            when not results.has_unknown then results.revenue
        end as revenue,
        modelled_spend.channel is not null as is_billed,
        case when not modelled_spend.has_unvalued_entry then modelled_spend.spend end as spend
    from results
    full join modelled_spend
        on results.conversion_kind = modelled_spend.conversion_kind
        and results.attribution_model = modelled_spend.attribution_model
        and results.channel = modelled_spend.channel
        and results.campaign_id = modelled_spend.campaign_id
        and results.conversion_month = modelled_spend.conversion_month
),

-- A channel that is billed in the covered months spent nothing where no entry says so.
final as (
    select
        joined.conversion_kind,
        joined.attribution_model,
        joined.channel,
        joined.campaign_id,
        cast(joined.conversion_month as date) as conversion_month,
        cast(joined.touches as bigint) as touches,
        cast(joined.conversions as double) as conversions,
        cast(joined.revenue as decimal(18, 4)) as revenue,
        cast(
            case
                when joined.is_billed then joined.spend
                when spend_months.channel is not null then 0
            end as decimal(18, 4)
        ) as spend,
        case
            when joined.spend > 0
                then cast(joined.revenue as double) / cast(joined.spend as double)
        end as return_on_ad_spend
    from joined
    left join spend_months
        on joined.channel = spend_months.channel
        and joined.conversion_month = spend_months.spend_month
)

select * from final
