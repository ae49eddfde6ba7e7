"""The segments of each customer on both days, worked out again from the raw rows customer by customer, with the shipped defaults."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb

SCHEMES = "scheme not in ('need', 'clusters')"
NAMES = {
    5: ("New Customers", "Potential Loyalist", "Potential Loyalist", "Champions", "Champions"),
    4: ("Promising", "Potential Loyalist", "Potential Loyalist", "Loyal Customers", "Loyal Customers"),
    3: ("About To Sleep", "About To Sleep", "Need Attention", "Loyal Customers", "Loyal Customers"),
    2: ("Lost", "Lost", "At Risk", "At Risk", "Can't Lose Them"),
    1: ("Lost", "Lost", "At Risk", "At Risk", "Can't Lose Them"),
}


class Facts:
    """Who is listed, and orders and returns as customer, day and value."""

    def __init__(self, listed: set[str], orders: list, returns: list):
        self.listed, self.orders, self.returns = listed, orders, returns

    @classmethod
    def online_retail(cls, data: Path):
        db = duckdb.connect()
        db.execute(f"create table lines as select *, split_part(CustomerID, '.', 1) as customer, InvoiceDate::timestamp::date as day, Quantity::decimal(18, 0) * UnitPrice::decimal(18, 4) as amount from read_csv('{data}/online_retail/by-day/*.csv', all_varchar = true) where CustomerID is not null")
        listed = {customer for customer, in db.execute("select distinct customer from lines").fetchall()}
        orders = db.execute("select max(customer), min(day), sum(amount) from lines where left(InvoiceNo, 1) not in ('A', 'C') and Quantity::int > 0 and UnitPrice::double > 0 group by InvoiceNo").fetchall()
        returns = db.execute("select customer, day, -amount from lines where left(InvoiceNo, 1) = 'C'").fetchall()
        return cls(listed, orders, returns)

    @classmethod
    def rfm(cls, data: Path):
        orders = duckdb.sql(f"select customer_id, order_date::date, revenue::decimal(18, 4) from read_csv('{data}/rfm_pkg/rfm_data_orders.csv', all_varchar = true)").fetchall()
        return cls(set(), orders, [])

    def known(self, day: date) -> set[str]:
        """An undated list tells that a customer is known only where nothing else ever does."""
        acted = self.orders + self.returns
        return {who for who, on, _ in acted if on < day} | (self.listed - {who for who, _, _ in acted})

    def values(self, day: date) -> dict[str, Decimal]:
        values = defaultdict(Decimal)
        for sign, rows in ((1, self.orders), (-1, self.returns)):
            for who, on, value in rows:
                if on < day:
                    values[who] += sign * value
        return values

    def segments(self, day: date) -> dict[tuple[str, str], str]:
        """The segment by customer and scheme."""
        days = defaultdict(list)
        for who, on, _ in self.orders:
            if on < day:
                days[who].append(on)
        values = self.values(day)
        lasts = sorted(max(ordered) for ordered in days.values())
        counts = sorted(len(ordered) for ordered in days.values())
        worth = sorted(values[who] for who in days)
        buyers, segments = len(days), {}
        for who in self.known(day):
            ordered = days.get(who, [])
            since = (day - max(ordered)).days if ordered else 0
            recent = sum(on >= day - timedelta(365) for on in ordered)
            more_orders = buyers - bisect_right(counts, len(ordered))
            more_value = buyers - bisect_right(worth, values[who])
            recency, frequency = (1 + 5 * bisect_left(of, value) // buyers for of, value in ((lasts, max(ordered, default=day)), (counts, len(ordered))))
            told = {
                "behaviour": "contact" if not ordered else "inactive" if since > 365 else "lapsed" if since > 183 else "one_time" if len(ordered) == 1 else "frequent" if recent >= 4 else "occasional",
                "value": "no_orders" if not ordered else "high" if 5 * more_value < buyers else "middle" if 2 * more_value < buyers else "low",
                "rfm": NAMES[recency][frequency - 1] if ordered else "No Orders",
                "stuck_at_orders": member(len(ordered) == 3),
                "lapsed_six_months": member(since > 183),
                "no_longer_active": member(since > 365),
                "top_repeat_buyers": member(len(ordered) > 1 and 5 * more_orders < buyers and 5 * more_value < buyers),
            }
            segments.update({(who, scheme): segment for scheme, segment in told.items()})
        return segments


def member(is_member: bool) -> str:
    return "member" if is_member else "not_member"


def check_segments(figures, db: duckdb.DuckDBPyConnection, facts: Facts, as_of: date):
    """Segments, earlier segments and migrations against the published ones, row by row."""
    earlier_day = as_of - timedelta(30)
    now, earlier = facts.segments(as_of), facts.segments(earlier_day)
    expected = {key: (segment, earlier.get(key, "not_yet_known")) for key, segment in now.items()}
    rows = db.execute(f"select customer_id, scheme, segment, earlier_segment from customer_segments where {SCHEMES}").fetchall()
    published = {(who, scheme): tuple(rest) for who, scheme, *rest in rows}
    figures.check("segments of customers, on both days", len(expected), len(published))
    figures.check("… that differ", 0, sum(expected.get(key) != published.get(key) for key in expected.keys() | published.keys()))
    customers, before, after = Counter(), defaultdict(Decimal), defaultdict(Decimal)
    values, earlier_values = facts.values(as_of), facts.values(earlier_day)
    for (who, scheme), (segment, came_from) in expected.items():
        way = (scheme, came_from, segment)
        customers[way] += 1
        before[way] += earlier_values[who]
        after[way] += values[who]
    rows = db.execute(f"select scheme, from_segment, to_segment, customers, value_before, value_after from segment_migrations where {SCHEMES}").fetchall()
    published = {tuple(way): rest for *way, a, b, c in rows for rest in [(a, b, c)]}
    figures.check("ways from segment to segment", len(customers), len(published))
    figures.check("… whose customers or values differ", 0, sum((customers[way], before[way], after[way]) != published.get(way) for way in customers.keys() | published.keys()))
