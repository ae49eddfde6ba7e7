-- Only counts by number of days are put in order, never the purchases themselves.
with purchase_days as (
    select * from int_purchase_days_sequenced
),

numbered as (
    select
        least(purchase_number, 10) as purchase_number,
        purchase_number as unbounded_number,
        next_purchase_date is not null as is_closed,
        cast(next_purchase_date - purchase_date as bigint) as days
    from purchase_days
),

day_counts as (
    select
        purchase_number,
        days,
        count(*) as purchases,
        count(*) filter (where unbounded_number = purchase_number) as customers
    from numbered
    group by purchase_number, days
),

-- A purchase that was followed stands once under its number and once under all.
both as (
    select
        purchase_number,
        cast(
            case
                when purchase_number = 10 then '10+'
                else concat(
                    cast(purchase_number as varchar), ' to ', cast(purchase_number + 1 as varchar)
                )
            end as varchar
        ) as purchase_interval,
        days,
        purchases,
        customers
    from day_counts
    union all
    select
        null as purchase_number,
        'all' as purchase_interval,
        days,
        purchases,
        case when purchase_number = 1 then customers else 0 end as customers
    from day_counts
),

interval_days as (
    select
        purchase_interval,
        purchase_number,
        days,
        sum(purchases) as purchases,
        sum(customers) as customers
    from both
    group by purchase_interval, purchase_number, days
),

closed as (
    select
        purchase_interval,
        days,
        purchases,
        sum(purchases) over (partition by purchase_interval order by days) as up_to,
        sum(purchases) over (partition by purchase_interval) as intervals
    from interval_days
    where days is not null
),

quantiles as (
    select
        purchase_interval,
        min(days) filter (where 10 * up_to >= intervals) as days_p10,
        min(days) filter (where 4 * up_to >= intervals) as days_p25,
        min(days) filter (where 2 * up_to >= intervals) as days_median,
        min(days) filter (where 4 * up_to >= 3 * intervals) as days_p75,
        min(days) filter (where 10 * up_to >= 9 * intervals) as days_p90,
        sum(purchases) as intervals,
        sum(days * purchases) as days
    from closed
    group by purchase_interval
),

totals as (
    select
        purchase_interval,
        min(purchase_number) as purchase_number,
        sum(customers) as customers,
        sum(case when days is not null then customers else 0 end) as repeat_customers,
        sum(case when days is null then purchases else 0 end) as open_intervals
    from interval_days
    group by purchase_interval
),

final as (
    select
        totals.purchase_interval,
        totals.purchase_number,
        totals.customers,
        totals.repeat_customers,
        cast(totals.repeat_customers as double) / cast(totals.customers as double)
            as repeat_share,
        coalesce(quantiles.intervals, 0) as intervals,
        totals.open_intervals,
        cast(quantiles.days as double) / cast(quantiles.intervals as double) as days_mean,
        quantiles.days_p10,
        quantiles.days_p25,
        quantiles.days_median,
        quantiles.days_p75,
        quantiles.days_p90
    from totals
    left join quantiles
        on totals.purchase_interval = quantiles.purchase_interval
)

select * from final
