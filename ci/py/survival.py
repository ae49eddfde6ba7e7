"""Survival as lifelines estimates it, and cohorts, rates and intervals as DuckDB counts them from the raw rows.

usage: survival.py WORK DATA

WORK holds the targets that ci/survival made, DATA the real data. A customer of Online Retail is lost after 90 days without an
order there.
"""

import sys
from pathlib import Path

import duckdb
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times, restricted_mean_survival_time

TOLERANCE = 1e-9
# Of Online Retail: sales of known customers, as pipelines/online_retail.yml stages them.
SALES = """
create table sales as
select
    regexp_replace(CustomerID, '\\.0$', '') as customer_id,
    InvoiceNo as order_id,
    StockCode as product_id,
    strptime(InvoiceDate, '%Y-%m-%d %H:%M:%S')::date as order_date,
    Quantity::decimal(18, 4) * UnitPrice::decimal(18, 4) as revenue
from read_csv('{data}/online_retail/by-day/*.csv', all_varchar = true)
where CustomerID <> '' and InvoiceNo not like 'C%' and Quantity::bigint > 0 and UnitPrice::decimal(18, 4) > 0
"""
AS_OF = "date '2011-12-10'"
INACTIVE = 90

PURCHASES = """
create table purchases as
select
    customer_id,
    order_date,
    row_number() over days as number,
    lag(order_date) over days as before,
    lead(order_date) over days as after,
    min(order_date) over (partition by customer_id) as first_date
from (select distinct customer_id, order_date from sales)
window days as (partition by customer_id order by order_date)
"""
FIRST_PRODUCTS = """
create table first_products as
with firsts as (
    select customer_id, product_id
    from sales join (select customer_id, min(order_date) as first_date from sales group by all) using (customer_id)
    where order_date = first_date
    qualify row_number() over (
        partition by customer_id
        order by least(floor(revenue * 100 + 0.5), 99999999999999) desc, product_id
    ) = 1
), ranked as (
    select product_id, row_number() over (order by count(*) desc, product_id) as rank from firsts group by product_id
)
select customer_id, case when rank <= 20 then product_id else 'other' end as first_product
from firsts join ranked using (product_id)
"""
COHORTS = """
create table cohorts as
with customers as (
    select customer_id, date_trunc('month', min(order_date))::date as cohort_month, date_trunc('month', max(order_date))::date as last_month
    from sales group by customer_id
), valued as (
    select *, 'all' as dimension, 'all' as dimension_value from customers
    union all
    select customers.*, 'first_product', first_product from customers join first_products using (customer_id)
), months as (
    select customer_id, date_trunc('month', order_date)::date as activity_month, count(distinct order_id) as orders, sum(revenue) as revenue
    from sales group by all
), sizes as (
    select dimension, dimension_value, cohort_month, count(*) as customers from valued group by all
), spine as (
    select *, unnest(generate_series(cohort_month, {as_of} - 1, interval 1 month))::date as activity_month from sizes
), active as (
    select dimension, dimension_value, cohort_month, activity_month, count(*) as active, sum(orders)::bigint as orders, sum(revenue) as revenue
    from valued join months using (customer_id) group by all
)
select
    spine.dimension, spine.dimension_value, spine.cohort_month, spine.activity_month, spine.customers,
    coalesce(active, 0) as active_customers,
    (
        select count(*) from valued
        where valued.dimension = spine.dimension and valued.dimension_value = spine.dimension_value
            and valued.cohort_month = spine.cohort_month and valued.last_month >= spine.activity_month
    ) as retained_customers,
    coalesce(orders, 0) as orders,
    coalesce(revenue, 0)::decimal(18, 4) as revenue,
    sum(coalesce(revenue, 0)) over (
        partition by spine.dimension, spine.dimension_value, spine.cohort_month order by spine.activity_month
    ) as cumulative_revenue
from spine left join active using (dimension, dimension_value, cohort_month, activity_month)
"""
RATES = """
create table rates as
with months as (
    select unnest(generate_series((select date_trunc('month', min(order_date)) from sales), {as_of} - 1, interval 1 month))::date as month
), ends as (
    select month, least((month + interval 1 month)::date, {as_of}) as end_day from months
), customers as (
    select distinct customer_id, first_date from purchases
), states as (
    -- The state of every customer at every month end, from nothing but the purchases before it.
    select
        month,
        count(*) filter (where first_date < end_day) as customers_to_date,
        count(*) filter (where end_day - last_end <= {inactive}) as customers_at_end,
        count(*) filter (where month - last_start <= {inactive}) as customers_at_start,
        count(*) filter (where days_end >= 2) as repeat_customers_to_date,
        count(*) filter (where days_end > days_start) as buying_customers,
        count(*) filter (where days_end > days_start and days_start > 0) as returning_customers,
        count(*) filter (where days_start = 0 and days_end > 0) as new_customers
    from (
        select
            ends.month, ends.end_day, customers.customer_id, customers.first_date,
            max(order_date) filter (where order_date < end_day) as last_end,
            max(order_date) filter (where order_date < month) as last_start,
            count(order_date) filter (where order_date < end_day) as days_end,
            count(order_date) filter (where order_date < month) as days_start
        from ends cross join customers join purchases using (customer_id)
        group by all
    )
    group by month
)
select * from states
"""
INTERVALS = """
select
    coalesce(number::varchar, 'all') as number,
    count(*) filter (where after is not null) as intervals,
    count(*) filter (where after is null) as open_intervals,
    avg(after - order_date) as days_mean,
    quantile_disc(after - order_date, [0.1, 0.25, 0.5, 0.75, 0.9]) as quantiles
from (select *, least(number, 10) as capped from purchases)
group by grouping sets ((), (capped)) order by 1
"""
TENURES = """
create table tenures as
select
    customer_id,
    min(lost_date) is not null as is_lost,
    coalesce(min(lost_date), {as_of} - 1) - min(first_date) as tenure,
    date_part('year', min(first_date))::varchar as first_order_year
from (
    select *, case when order_date + {inactive} < {as_of} and (after is null or after - order_date > {inactive}) then order_date + {inactive} end as lost_date
    from purchases
)
group by customer_id
"""


class Figures:
    """Prints each comparison and remembers what missed."""

    def __init__(self):
        self.missed = 0

    def check(self, name: str, reference, ours, tolerance: float = 0):
        number = isinstance(reference, (int, float)) and isinstance(ours, (int, float))
        held = abs(ours - reference) <= tolerance if number else reference == ours
        self.missed += not held
        print(f"{name:<72} {show(reference):>18} {show(ours):>18} {'pass' if held else 'MISS'}")


def show(value) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def published(work: Path, pipeline: str, table: str) -> str:
    return f"'{work}/marts/{pipeline}/{table}.parquet'"


def compare_curve(figures: Figures, name: str, rows: list[tuple], durations, events, mean_to: float | None):
    """Rows of (tenure, at risk, lost, censored, survival, low, high, median, low, high, mean, to) against lifelines."""
    fitter = KaplanMeierFitter(alpha=0.05).fit(durations, events)
    limits, table = fitter.confidence_interval_, fitter.event_table
    worst = [0.0, 0.0, 0.0]
    counts = 0
    for tenure, at_risk, lost, censored, survival, low, high, *_ in rows:
        theirs = (fitter.survival_function_.iloc[:, 0].loc[tenure], *limits.loc[tenure])
        # lifelines gives limits where survival is 0, which have no meaning there; ours are null.
        ours = (survival, 0.0 if low is None else low, 0.0 if high is None else high)
        worst = [max(w, abs(a - b)) for w, a, b in zip(worst, theirs, ours)]
        event = table.loc[tenure]
        counts += (at_risk, lost, censored) != (event["at_risk"], event["observed"], event["censored"])
    tenures = {row[0] for row in rows}
    figures.check(f"{name}: tenures that lifelines has too", len(set(durations)), len(tenures))
    figures.check(f"{name}: rows whose counts differ", 0, counts)
    for what, difference in zip(("survival", "lower limit", "upper limit"), worst):
        figures.check(f"{name}: largest difference of {what} at {len(rows)} tenures", 0.0, float(difference), TOLERANCE)
    median = [fitter.median_survival_time_, *median_survival_times(limits).iloc[0]]
    median = [None if value == float("inf") else float(value) for value in median]
    for what, reference, ours in zip(("median", "its lower limit", "its upper limit"), median, rows[0][7:10]):
        figures.check(f"{name}: {what}", reference, None if ours is None else float(ours))
    if rows[0][11] == mean_to:
        mean = restricted_mean_survival_time(fitter, t=mean_to)
        figures.check(f"{name}: mean up to {mean_to:g}", float(mean), rows[0][10], TOLERANCE * mean_to)


def telco(figures: Figures, work: Path, data: Path):
    db = duckdb.connect()
    raw = f"read_csv('{data}/telco_churn/*.csv', all_varchar = true)"
    figures.check("telco: customers, and those who left", (7043, 1869), db.execute(f"select count(*), count(*) filter (where Churn = 'Yes') from {raw}").fetchone())
    columns = {"all": "'all'", "contract_kind": "Contract", "internet_service": "InternetService", "payment_method": "PaymentMethod"}
    seen = 0
    for dimension, column in columns.items():
        for (value,) in db.execute(f"select distinct {column} from {raw} order by 1").fetchall():
            given = db.execute(f"select tenure::bigint, Churn = 'Yes' from {raw} where {column} = $value", {"value": value}).fetchall()
            rows = db.execute(
                f"""select tenure_months, at_risk, lost_customers, censored_customers, survival, survival_low, survival_high,
                    median_months, median_months_low, median_months_high, mean_months, restricted_to_months
                from {published(work, "telco", "contract_survival")}
                where dimension = $dimension and dimension_value = $value order by 1""",
                {"dimension": dimension, "value": value},
            ).fetchall()
            seen += len(rows)
            compare_curve(figures, f"telco, {value}", rows, [row[0] for row in given], [row[1] for row in given], 72.0)
    total = db.execute(f"select count(*) from {published(work, 'telco', 'contract_survival')}").fetchone()[0]
    figures.check("telco: rows that were compared", total, seen)


def differing(db: duckdb.DuckDBPyConnection, theirs: str, ours: str, key: str, columns: list[str], doubles: list[str]) -> int:
    """Rows that are not in both alike."""
    differs = [f"ours.{c} is distinct from theirs.{c}" for c in columns]
    differs += [f"not coalesce(abs(ours.{c} - theirs.{c}) < 1e-12, ours.{c} is null and theirs.{c} is null)" for c in doubles]
    return db.execute(f"select count(*) from ({theirs}) as theirs full join ({ours}) as ours using ({key}) where {' or '.join(differs)}").fetchone()[0]


def online_retail(figures: Figures, work: Path, data: Path):
    db = duckdb.connect()
    for statement in (SALES, PURCHASES, FIRST_PRODUCTS, COHORTS, RATES, TENURES):
        db.execute(statement.format(data=data, as_of=AS_OF, inactive=INACTIVE))
    table = lambda name: f"select * from {published(work, 'online_retail', name)}"

    observed = f"{table('cohort_retention')} where not is_projected"
    for month, reference in zip(range(4), (885, 324, 286, 340)):
        ours = db.execute(f"select active_customers from ({observed}) where dimension = 'all' and cohort_month = '2010-12-01' and months_since_first_order = {month}").fetchone()[0]
        figures.check(f"Online Retail: cohort 2010-12, month {month}", reference, ours)
    key = "dimension, dimension_value, cohort_month, activity_month"
    figures.check("cohorts: rows", db.execute("select count(*) from cohorts").fetchone()[0], db.execute(f"select count(*) from ({observed})").fetchone()[0])
    theirs = "select *, active_customers / customers as retention, retained_customers / customers as retained_share, round(cumulative_revenue / customers, 4)::decimal(18, 4) as cumulative_revenue_per_customer from cohorts"
    columns = ["customers", "active_customers", "retained_customers", "orders", "revenue"]
    figures.check("cohorts: rows that differ", 0, differing(db, theirs, observed, key, columns, ["retention", "retained_share"]))
    # DuckDB divides decimals as doubles, so that the last of four decimals may be rounded otherwise.
    far = f"select count(*) from ({theirs}) as theirs join ({observed}) as ours using ({key}) where abs(ours.cumulative_revenue_per_customer - theirs.cumulative_revenue_per_customer) > 0.0001"
    figures.check("cohorts: cumulative revenue a customer that differs", 0, db.execute(far).fetchone()[0])

    rates = f"{table('retention_rates')} where dimension = 'all'"
    columns = ["customers_at_start", "customers_at_end", "new_customers", "buying_customers", "returning_customers", "customers_to_date", "repeat_customers_to_date"]
    figures.check("rates: months", db.execute("select count(*) from rates").fetchone()[0], db.execute(f"select count(*) from ({rates})").fetchone()[0])
    figures.check("rates: months that differ", 0, differing(db, "select * from rates", rates, "month", columns, []))
    balance = f"select count(*) from ({table('retention_rates')}) where customers_at_end <> customers_at_start + new_customers + won_back_customers - lost_customers"
    figures.check("rates: months that do not add up", 0, db.execute(balance).fetchone()[0])

    intervals = db.execute(INTERVALS.replace("number::varchar", "capped::varchar")).fetchall()
    ours = {
        str(row[0] or "all"): row[1:]
        for row in db.execute(f"select purchase_number, intervals, open_intervals, days_mean, [days_p10, days_p25, days_median, days_p75, days_p90] from ({table('purchase_intervals')})").fetchall()
    }
    figures.check("intervals: rows", len(intervals), len(ours))
    for number, closed, still_open, mean, quantiles in intervals:
        figures.check(f"intervals {number}: ended, open", (closed, still_open), ours[number][:2])
        figures.check(f"intervals {number}: mean days", mean, ours[number][2], TOLERANCE)
        figures.check(f"intervals {number}: quantiles", quantiles, ours[number][3])

    for dimension, condition in [("all", "true"), ("first_order_year", "first_order_year = $value")]:
        values = ["all"] if dimension == "all" else [value for (value,) in db.execute("select distinct first_order_year from tenures order by 1").fetchall()]
        for value in values:
            params = {"value": value} if dimension != "all" else {}
            given = db.execute(f"select tenure, is_lost from tenures where {condition}", params).fetchall()
            rows = db.execute(
                f"""select tenure_days, at_risk, lost.lost_customers, lost.censored_customers, survival, survival_low, survival_high,
                    median_days, median_days_low, median_days_high, mean_days, restricted_to_days
                from ({table("customer_survival")}) as lost join ({table("survival_summaries")}) using (dimension, dimension_value)
                where dimension = $dimension and dimension_value = $value order by 1""",
                {"dimension": dimension, "value": value},
            ).fetchall()
            compare_curve(figures, f"Online Retail, {value}", rows, [row[0] for row in given], [row[1] for row in given], float(rows[0][11]))


def main():
    work, data = map(Path, sys.argv[1:])
    figures = Figures()
    print(f"{'figure':<72} {'reference':>18} {'ours':>18}")
    telco(figures, work, data)
    online_retail(figures, work, data)
    print(f"\nsurvival: {figures.missed} missed")
    sys.exit(1 if figures.missed else 0)


if __name__ == "__main__":
    main()
