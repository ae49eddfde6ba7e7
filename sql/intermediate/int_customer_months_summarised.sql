-- A purchase day is spread over the month ends that it still matters for, and the rows of a
-- customer and month end are summed: one grouped pass, without a join of customers and months.
with purchase_days as (
    select * from int_purchase_days_sequenced
),

customers as (
    select * from entities.customers
),

returns as (
    select * from int_returns_valued
),

month_ends as (
    select * from int_month_ends
),

known as (
    select customer_id, local_date(signed_up_at, $timezone) as known_date, null as purchase_date
    from customers
    where signed_up_at is null
        or local_date(signed_up_at, $timezone) < $as_of
    union all
    select customer_id, return_date as known_date, null as purchase_date
    from returns
    where customer_id is not null
    union all
    select customer_id, null as known_date, purchase_date
    from purchase_days
    where purchase_number = 1
),

arrivals as (
    select
        customer_id,
        min(known_date) as known_date,
        min(purchase_date) as first_purchase_date
    from known
    group by customer_id
),

-- Who never bought and has no day of arrival was there when the history began.
prospects as (
    select
        customer_id,
        greatest(
            12 * date_part('year', known_date) + date_part('month', known_date),
            12 * date_part('year', $as_of - 1) + date_part('month', $as_of - 1)
            - $lifecycle_months
        ) as month_number,
        12 * date_part('year', first_purchase_date) + date_part('month', first_purchase_date)
            as first_purchase_month
    from arrivals
    where known_date < first_purchase_date
        or first_purchase_date is null
),

reaches as (
    select
        *,
        purchase_date + $trend_days as window_end,
        purchase_date + 2 * $trend_days as windows_end,
        purchase_date + $returned_days as won_back_end,
        purchase_date + greatest($inactive_after_days, $trend_days) as quiet_date
    from purchase_days
),

-- What a day reaches past the as-of day ends with the last month.
months as (
    select
        customer_id,
        purchase_date,
        purchase_number,
        first_purchase_date,
        is_won_back,
        order_value,
        12 * date_part('year', $as_of - 1) + date_part('month', $as_of - 1) as last_month,
        12 * date_part('year', purchase_date) + date_part('month', purchase_date)
            as purchase_month,
        12 * date_part('year', next_purchase_date) + date_part('month', next_purchase_date)
            as next_purchase_month,
        case
            when window_end < $as_of
                then 12 * date_part('year', window_end) + date_part('month', window_end) - 1
        end as last_in_window,
        case
            when windows_end < $as_of
                then 12 * date_part('year', windows_end) + date_part('month', windows_end) - 1
        end as last_in_windows,
        case
            when won_back_end < $as_of
                then 12 * date_part('year', won_back_end) + date_part('month', won_back_end) - 1
        end as last_as_won_back,
        case
            when quiet_date < $as_of
                then 12 * date_part('year', quiet_date) + date_part('month', quiet_date)
        end as quiet_month
    from reaches
),

spans as (
    select
        customer_id,
        purchase_date,
        purchase_number,
        first_purchase_date,
        order_value,
        next_purchase_month,
        greatest(purchase_month, last_month - $lifecycle_months) as first_month,
        least(
            coalesce(next_purchase_month - 1, last_month),
            greatest(coalesce(quiet_month, last_month), last_month - $lifecycle_months)
        ) as last_as_latest,
        coalesce(last_in_window, last_month) as last_in_window,
        coalesce(last_in_windows, last_month) as last_in_windows,
        case when is_won_back then coalesce(last_as_won_back, last_month) else 0 end
            as last_as_won_back
    from months
),

spread as (
    select
        *,
        unnest(
            generate_series(
                first_month, greatest(last_as_latest, last_in_windows, last_as_won_back)
            )
        ) as month_number
    from spans
    where first_month <= greatest(last_as_latest, last_in_windows, last_as_won_back)
),

buyers as (
    select
        customer_id,
        month_number,
        min(first_purchase_date) as first_purchase_date,
        max(purchase_date) as last_purchase_date,
        max(purchase_number) as purchase_days,
        bool_or(month_number <= last_as_won_back) as is_won_back,
        sum(case when month_number <= last_in_window then order_value end) as window_value,
        sum(
            case
                when month_number > last_in_window and month_number <= last_in_windows
                    then order_value
            end
        ) as window_before_value,
        bool_or(order_value is null and month_number <= last_in_window)
            as has_unknown_in_window,
        bool_or(
            order_value is null
            and month_number > last_in_window
            and month_number <= last_in_windows
        ) as has_unknown_in_window_before,
        max(
            case
                when month_number < last_as_latest then month_number + 1
                when month_number = last_as_latest then next_purchase_month
            end
        ) as next_month_number
    from spread
    group by customer_id, month_number
    having bool_or(month_number <= last_as_latest)
),

customer_months as (
    select
        customer_id,
        month_number,
        next_month_number,
        first_purchase_date,
        last_purchase_date,
        purchase_days,
        is_won_back,
        case when not has_unknown_in_window then coalesce(window_value, 0) end
            as window_value,
        case when not has_unknown_in_window_before then coalesce(window_before_value, 0) end
            as window_before_value
    from buyers
    union all
    select
        customer_id,
        month_number,
        first_purchase_month as next_month_number,
        null as first_purchase_date,
        null as last_purchase_date,
        0 as purchase_days,
        false as is_won_back,
        0 as window_value,
        0 as window_before_value
    from prospects
    where month_number < first_purchase_month
        or first_purchase_month is null
),

-- The few month ends stand first in the join, so that they are what it holds in memory.
final as (
    select
        customer_months.customer_id,
        month_ends.as_of_date,
        customer_months.month_number,
        customer_months.next_month_number,
        cast(month_ends.as_of_date - customer_months.first_purchase_date as bigint)
            as days_since_first_order,
        cast(month_ends.as_of_date - customer_months.last_purchase_date as bigint)
            as days_since_last_order,
        customer_months.is_won_back,
        customer_months.purchase_days,
        cast(
            customer_months.last_purchase_date - customer_months.first_purchase_date as bigint
        ) as recency_age,
        cast(customer_months.window_value as decimal(18, 4)) as window_value,
        cast(customer_months.window_before_value as decimal(18, 4)) as window_before_value
    from month_ends
    inner join customer_months
        on month_ends.month_number = customer_months.month_number
)

select * from final
