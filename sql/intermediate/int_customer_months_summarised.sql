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

history as (
    select min(month_number) as opening_month, max(month_number) as last_month
    from month_ends
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
        arrivals.customer_id,
        greatest(
            12 * date_part('year', arrivals.known_date)
            + date_part('month', arrivals.known_date),
            history.opening_month
        ) as month_number,
        12 * date_part('year', arrivals.first_purchase_date)
        + date_part('month', arrivals.first_purchase_date) as first_purchase_month
    from arrivals
    cross join history
    where arrivals.known_date < arrivals.first_purchase_date
        or arrivals.first_purchase_date is null
),

-- What a day reaches past the as-of day ends with the last month.
reaches as (
    select
        purchase_days.*,
        history.opening_month,
        history.last_month,
        12 * date_part('year', purchase_date) + date_part('month', purchase_date)
            as purchase_month,
        12 * date_part('year', next_purchase_date) + date_part('month', next_purchase_date) - 1
            as last_as_latest,
        case
            when purchase_date + $trend_days < $as_of
                then 12 * date_part('year', purchase_date + $trend_days)
                    + date_part('month', purchase_date + $trend_days) - 1
            else history.last_month
        end as last_in_window,
        case
            when purchase_date + 2 * $trend_days < $as_of
                then 12 * date_part('year', purchase_date + 2 * $trend_days)
                    + date_part('month', purchase_date + 2 * $trend_days) - 1
            else history.last_month
        end as last_in_windows,
        case
            when purchase_date + greatest($inactive_after_days, $trend_days) < $as_of
                then 12 * date_part(
                    'year', purchase_date + greatest($inactive_after_days, $trend_days)
                ) + date_part(
                    'month', purchase_date + greatest($inactive_after_days, $trend_days)
                )
            else history.last_month
        end as first_quiet
    from purchase_days
    cross join history
),

spans as (
    select
        *,
        greatest(purchase_month, opening_month) as first_month,
        least(
            coalesce(last_as_latest, last_month), greatest(first_quiet, opening_month)
        ) as last_latest
    from reaches
),

spread as (
    select
        *,
        unnest(generate_series(first_month, greatest(last_latest, last_in_windows)))
            as month_number
    from spans
    where first_month <= greatest(last_latest, last_in_windows)
),

buyers as (
    select
        customer_id,
        month_number,
        min(first_purchase_date) as first_purchase_date,
        max(purchase_date) as last_purchase_date,
        max(purchase_number) as purchase_days,
        max(won_back_date) as won_back_date,
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
        ) as has_unknown_in_window_before
    from spread
    group by customer_id, month_number
    having bool_or(month_number <= last_latest)
),

customer_months as (
    select
        customer_id,
        month_number,
        first_purchase_date,
        last_purchase_date,
        purchase_days,
        won_back_date,
        case when not has_unknown_in_window then coalesce(window_value, 0) end
            as window_value,
        case when not has_unknown_in_window_before then coalesce(window_before_value, 0) end
            as window_before_value
    from buyers
    union all
    select
        customer_id,
        month_number,
        null as first_purchase_date,
        null as last_purchase_date,
        0 as purchase_days,
        null as won_back_date,
        0 as window_value,
        0 as window_before_value
    from prospects
    where month_number < first_purchase_month
        or first_purchase_month is null
),

final as (
    select
        customer_months.customer_id,
        month_ends.as_of_date,
        customer_months.month_number,
        cast(month_ends.as_of_date - customer_months.first_purchase_date as bigint)
            as days_since_first_order,
        cast(month_ends.as_of_date - customer_months.last_purchase_date as bigint)
            as days_since_last_order,
        cast(month_ends.as_of_date - customer_months.won_back_date as bigint)
            as days_since_won_back,
        customer_months.purchase_days,
        cast(
            customer_months.last_purchase_date - customer_months.first_purchase_date as bigint
        ) as recency_age,
        cast(customer_months.window_value as decimal(18, 4)) as window_value,
        cast(customer_months.window_before_value as decimal(18, 4)) as window_before_value
    from customer_months
    inner join month_ends
        on customer_months.month_number = month_ends.month_number
)

select * from final
