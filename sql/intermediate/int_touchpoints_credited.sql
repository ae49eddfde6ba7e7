-- Credits are whole billionths: integers add up to the same sum in any order, and what division
-- leaves over goes to the last touch, so that each conversion is handed out exactly once.
with touchpoints as (
    select * from int_touchpoints_united
),

orders as (
    select * from entities.orders
),

valued as (
    select * from int_orders_valued
),

acquiring as (
    select * from int_orders_acquiring
),

pairs as (
    select
        orders.order_id,
        orders.customer_id,
        touchpoints.touch_kind,
        touchpoints.touch_id,
        touchpoints.touched_at,
        touchpoints.channel,
        touchpoints.campaign_id,
        touchpoints.is_direct,
        (
            date_part('epoch', orders.ordered_at) - date_part('epoch', touchpoints.touched_at)
        ) / 86400 as days_before
    from orders
    inner join touchpoints
        on orders.customer_id = touchpoints.customer_id
        and touchpoints.touched_at <= orders.ordered_at
        and date_part('epoch', orders.ordered_at) - date_part('epoch', touchpoints.touched_at)
            <= 86400 * $attribution_window_days
),

told as (
    select
        *,
        bool_or(not is_direct) over (partition by order_id) as has_source
    from pairs
),

counted as (
    select *
    from told
    where not (is_direct and has_source and $ignore_direct_touches)
),

ranked as (
    select
        *,
        row_number() over (
            partition by order_id order by touched_at, touch_kind, touch_id
        ) as touch_number,
        count(*) over (partition by order_id) as touches,
        days_before - min(days_before) over (partition by order_id) as days_before_last
    from counted
),

-- Position weights are scaled by the touches in between so that these get whole numbers. Decay is
-- told from the last touch, which changes no share and keeps the digits of old touches.
weighted as (
    select
        *,
        cast(
            1000000000 * power(2.0, -days_before_last / $touch_half_life_days) as bigint
        ) as decay_weight,
        case
            when touches = 1 then 1
            when $first_touch_weight + $last_touch_weight
                + case when touches > 2 then $middle_touches_weight else 0 end = 0
                then 1
            when touches <= 2 and touch_number = 1 then $first_touch_weight
            when touches <= 2 then $last_touch_weight
            when touch_number = 1 then $first_touch_weight * (touches - 2)
            when touch_number = touches then $last_touch_weight * (touches - 2)
            else $middle_touches_weight
        end as position_weight
    from ranked
),

totalled as (
    select
        *,
        sum(decay_weight) over (partition by order_id) as decay_total,
        sum(position_weight) over (partition by order_id) as position_total
    from weighted
),

shared as (
    select
        *,
        case when touch_number = 1 then 1000000000 else 0 end as first_touch,
        case when touch_number = touches then 1000000000 else 0 end as last_touch,
        1000000000 / touches as linear,
        1000000000 * position_weight / position_total as position_based,
        1000000000 * decay_weight / decay_total as time_decay
    from totalled
),

credited as (
    select
        *,
        case
            when touch_number = touches
                then 1000000000 - sum(linear) over (partition by order_id) + linear
            else linear
        end as linear_units,
        case
            when touch_number = touches
                then 1000000000 - sum(position_based) over (partition by order_id)
                    + position_based
            else position_based
        end as position_based_units,
        case
            when touch_number = touches
                then 1000000000 - sum(time_decay) over (partition by order_id) + time_decay
            else time_decay
        end as time_decay_units
    from shared
),

-- A billionth is exact in nine decimals, and so is the double that it passes through.
decimals as (
    select
        *,
        cast(cast(first_touch as double) / 1000000000 as decimal(10, 9)) as first_touch_credit,
        cast(cast(last_touch as double) / 1000000000 as decimal(10, 9)) as last_touch_credit,
        cast(cast(linear_units as double) / 1000000000 as decimal(10, 9)) as linear_credit,
        cast(
            cast(position_based_units as double) / 1000000000 as decimal(10, 9)
        ) as position_based_credit,
        cast(
            cast(time_decay_units as double) / 1000000000 as decimal(10, 9)
        ) as time_decay_credit
    from credited
),

valued_credits as (
    select
        decimals.*,
        valued.order_date,
        valued.revenue,
        trunc(valued.revenue * decimals.linear_credit, 4) as linear_part,
        trunc(valued.revenue * decimals.position_based_credit, 4) as position_based_part,
        trunc(valued.revenue * decimals.time_decay_credit, 4) as time_decay_part
    from decimals
    inner join valued
        on decimals.order_id = valued.order_id
),

final as (
    select
        valued_credits.order_id,
        valued_credits.touch_kind,
        valued_credits.touch_id,
        valued_credits.customer_id,
        valued_credits.order_date,
        acquiring.order_id is not null as is_acquisition,
        valued_credits.touched_at,
        valued_credits.channel,
        valued_credits.campaign_id,
        cast(touch_number as bigint) as touch_number,
        cast(touches as bigint) as touches,
        valued_credits.revenue,
        first_touch_credit,
        last_touch_credit,
        linear_credit,
        position_based_credit,
        time_decay_credit,
        cast(valued_credits.revenue * first_touch_credit as decimal(18, 4)) as first_touch_revenue,
        cast(valued_credits.revenue * last_touch_credit as decimal(18, 4)) as last_touch_revenue,
        cast(
            case
                when touch_number = touches
                    then valued_credits.revenue + linear_part
                        - sum(linear_part) over (partition by valued_credits.order_id)
                else linear_part
            end as decimal(18, 4)
        ) as linear_revenue,
        cast(
            case
                when touch_number = touches
                    then valued_credits.revenue + position_based_part
                        - sum(position_based_part) over (partition by valued_credits.order_id)
                else position_based_part
            end as decimal(18, 4)
        ) as position_based_revenue,
        cast(
            case
                when touch_number = touches
                    then valued_credits.revenue + time_decay_part
                        - sum(time_decay_part) over (partition by valued_credits.order_id)
                else time_decay_part
            end as decimal(18, 4)
        ) as time_decay_revenue
    from valued_credits
    left join acquiring
        on valued_credits.order_id = acquiring.order_id
)

select * from final
