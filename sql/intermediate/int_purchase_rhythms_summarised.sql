-- Distinct waits with their counts are put in order, never the customers themselves.
with purchase_days as (
    select * from int_purchase_days_sequenced
),

month_ends as (
    select * from int_month_ends
),

second_purchases as (
    select
        cast(purchase_date - previous_purchase_date as bigint) as days,
        date_trunc('month', purchase_date) as purchase_month,
        count(*) as customers
    from purchase_days
    where purchase_number = 2
    group by
        cast(purchase_date - previous_purchase_date as bigint),
        date_trunc('month', purchase_date)
),

waits as (
    select
        month_ends.as_of_date,
        second_purchases.days,
        sum(second_purchases.customers) as customers
    from month_ends
    inner join second_purchases
        on month_ends.as_of_date > second_purchases.purchase_month
    group by month_ends.as_of_date, second_purchases.days
),

ranked as (
    select
        as_of_date,
        days,
        sum(customers) over (partition by as_of_date order by days) as customers_up_to,
        sum(customers) over (partition by as_of_date) as customers
    from waits
),

medians as (
    select
        as_of_date,
        min(days) filter (where 2 * customers_up_to >= customers) as median_days
    from ranked
    group by as_of_date
),

final as (
    select
        month_ends.as_of_date,
        month_ends.month_number,
        medians.median_days as median_days_to_second_purchase,
        coalesce(medians.median_days, $default_rhythm_days) as rhythm_days
    from month_ends
    left join medians
        on month_ends.as_of_date = medians.as_of_date
)

select * from final
