"""The customer tables in DuckDB: a customer summary, RFM scores and cohorts, each a sorted Parquet file.

usage: duckdb_tables.py ORDERS OUT AS_OF THREADS

Memory and everything else as DuckDB sets them by default; what does not fit is spilled to a folder beside OUT.
"""

import sys
from pathlib import Path

import duckdb

# One pass over the orders makes a row a customer and day, from which the summary and the cohorts are both made. Of the forms tried this
# was the fastest: `count(distinct …)` in one grouping, or reading the orders twice, took longer or as long with a second join for the
# value of the first day.
DAYS = """
create temp table days as
select
    customer_id,
    cast(ordered_at as date) as order_date,
    arg_min(channel, ordered_at) as channel,
    count(*) as orders,
    sum(order_amount) as revenue
from read_parquet('{orders}')
where ordered_at < timestamptz '{as_of} 00:00:00+00'
group by all
"""

SUMMARY = """
create temp table summaries as
select
    customer_id,
    min(order_date) as first_order_date,
    max(order_date) as last_order_date,
    arg_min(channel, order_date) as first_channel,
    cast(sum(orders) as bigint) as orders,
    count(*) as purchase_days,
    count(*) - 1 as frequency,
    cast(max(order_date) - min(order_date) as bigint) as recency_age,
    cast(date '{as_of}' - min(order_date) as bigint) - 1 as customer_age,
    cast(sum(revenue) as decimal(18, 4)) as revenue,
    case
        when count(*) > 1
            then cast(sum(revenue) - arg_min(revenue, order_date) as double) / (count(*) - 1)
    end as monetary_value
from days
group by customer_id
"""

SCORES = """
with ranked as (
    select
        customer_id,
        cast(date '{as_of}' - last_order_date as bigint) as days_since_last_order,
        orders,
        revenue,
        rank() over (order by last_order_date) - 1 as recency_below,
        rank() over (order by orders) - 1 as frequency_below,
        rank() over (order by revenue) - 1 as monetary_below,
        count(*) over () as customers
    from summaries
)

select
    customer_id,
    days_since_last_order,
    orders,
    revenue,
    1 + 5 * recency_below // customers as recency_score,
    1 + 5 * frequency_below // customers as frequency_score,
    1 + 5 * monetary_below // customers as monetary_score
from ranked
order by customer_id
"""

COHORTS = """
with months as (
    select
        customer_id,
        date_trunc('month', order_date) as activity_month,
        sum(orders) as orders,
        sum(revenue) as revenue
    from days
    group by all
),

activity as (
    select
        date_trunc('month', summaries.first_order_date) as cohort_month,
        months.activity_month,
        count(*) as active_customers,
        sum(months.orders) as orders,
        sum(months.revenue) as revenue
    from months
    join summaries using (customer_id)
    group by all
),

cohorts as (
    select date_trunc('month', first_order_date) as cohort_month, count(*) as customers
    from summaries
    group by all
),

cohort_months as (
    select
        cohort_month,
        customers,
        unnest(generate_series(cohort_month, date '{as_of}' - 1, interval 1 month)) as activity_month
    from cohorts
)

select
    cast(cohort_months.cohort_month as date) as cohort_month,
    cast(cohort_months.activity_month as date) as activity_month,
    cast(date_diff('month', cohort_months.cohort_month, cohort_months.activity_month) as bigint) as months_since_first_order,
    cohort_months.customers,
    coalesce(activity.active_customers, 0) as active_customers,
    coalesce(activity.active_customers, 0) / cohort_months.customers as retention,
    cast(coalesce(activity.orders, 0) as bigint) as orders,
    cast(coalesce(activity.revenue, 0) as decimal(18, 4)) as revenue
from cohort_months
left join activity using (cohort_month, activity_month)
order by cohort_month, activity_month
"""


def main():
    orders, out, as_of, threads = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    db.execute(f"set threads = {threads}; set timezone = 'UTC'; set temp_directory = '{out}/spill'")

    def write(name: str, sql: str):
        db.execute(f"copy ({sql.format(orders=orders, as_of=as_of)}) to '{out}/{name}.parquet' (format parquet, compression zstd)")

    for sql in (DAYS, SUMMARY):
        db.execute(sql.format(orders=orders, as_of=as_of))
    write("customers", "select * from summaries order by customer_id")
    write("rfm_scores", SCORES)
    write("cohorts", COHORTS)


if __name__ == "__main__":
    main()
