with customer_months as (
    select * from int_customer_months_summarised
),

rhythms as (
    select * from int_purchase_rhythms_summarised
),

-- The mean of the customer's own gaps, which are one fewer than the days with an order. The few
-- rhythms stand first in the join, so that they are what it holds in memory.
paced as (
    select
        customer_months.*,
        case
            when customer_months.purchase_days > 1
                then cast(customer_months.recency_age as double)
                    / cast(customer_months.purchase_days - 1 as double)
            else cast(rhythms.rhythm_days as double)
        end as rhythm_days
    from rhythms
    inner join customer_months
        on rhythms.month_number = customer_months.month_number
),

staged as (
    select
        customer_id,
        as_of_date,
        month_number,
        next_month_number,
        window_value,
        case
            when purchase_days = 0 then 'prospect'
            when days_since_last_order > $inactive_after_days then 'lost'
            when days_since_first_order <= $new_days then 'new'
            when is_won_back then 'returned'
            when days_since_last_order > $dormant_min_days
                and cast(days_since_last_order as double) > $dormant_rhythms * rhythm_days
                then 'dormant'
            when rhythm_days > cast($trend_days as double) then 'mature'
            when window_before_value > 0
                and cast(window_value as double)
                <= $decline_ratio * cast(window_before_value as double)
                then 'declining'
            when window_value > 0
                and cast(window_value as double)
                >= $growth_ratio * cast(window_before_value as double)
                then 'growing'
            else 'mature'
        end as stage
    from paced
),

final as (
    select
        customer_id,
        as_of_date,
        month_number,
        next_month_number,
        stage,
        lag(stage) over (partition by customer_id order by month_number) as previous_stage,
        window_value
    from staged
)

select * from final
