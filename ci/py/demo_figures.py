"""The truth of the synthetic company, its published tables, and what is printed of both. For demo.py and demo_hidden.py."""

import json
import math
from pathlib import Path

import duckdb
from published import Published


class Figures:
    """Prints each figure as it is checked and remembers what missed. One that was not found is None, and has missed."""

    def __init__(self):
        self.checked = self.missed = 0

    def section(self, title: str):
        print(f"\n{title}\n{'what':<66} {'truth':>16} {'tolerance':>11} {'found':>16} verdict")

    def near(self, what: str, truth: float, tolerance: float, found):
        held = found is not None and abs(float(found) - truth) <= tolerance
        self._line(what, show(truth), f"{tolerance:.3g}", found, held)

    def figure(self, what: str, figure: dict, found):
        """A figure of the truth, with its own tolerance."""
        self.near(what, figure["truth"], figure["tolerance"], found)

    def exact(self, what: str, truth, found):
        self._line(what, show(truth), "exact", found, found is not None and found == truth)

    def at_least(self, what: str, least: float, found):
        self._line(what, show(least), "at least", found, found is not None and found >= least)

    def below(self, what: str, most: float, found):
        self._line(what, show(most), "below", found, found is not None and found < most)

    def between(self, what: str, low: float, high: float, found):
        """For what marts tell only mixed with something else that is known."""
        self._line(what, f"{low:.4g}", f"to {high:.4g}", found, found is not None and low < found < high)

    def _line(self, what: str, truth: str, tolerance: str, found, held: bool):
        self.checked += 1
        self.missed += not held
        print(f"{what:<66} {truth:>16} {tolerance:>11} {show(found):>16} {'ok' if held else 'MISSED'}")


def show(value) -> str:
    if value is None:
        return "not found"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.8g}"


def pooled(figures: list[dict]) -> dict:
    """The figure of all draws of several figures together."""
    count = sum(figure["count"] for figure in figures)
    mean = {name: sum(figure["count"] * figure[name] for figure in figures) / count for name in ("truth", "counted")}
    tolerance = math.sqrt(sum((figure["count"] * figure["tolerance"]) ** 2 for figure in figures)) / count
    return {**mean, "tolerance": tolerance, "count": count}


class Company:
    """The truth and the marts, which SQL names as they are called; true_customers is the truth of each customer."""

    def __init__(self, truth: Path, target: Path):
        self.folder = truth
        self.tables = Published(target).current()
        self.db = duckdb.connect()
        for name in self.tables:
            self.db.execute(f"create view {name} as from '{Published(target).stable(name)}'")
        self.db.execute(f"create view true_customers as from '{truth}/customers-*.parquet'")

    def truth(self, name: str):
        return json.loads((self.folder / f"{name}.json").read_text())

    def rows(self, query: str) -> list[tuple]:
        return self.db.execute(query).fetchall()

    def row(self, query: str) -> tuple:
        return self.rows(query)[0]

    def by_key(self, query: str) -> dict:
        """The second column by the first, or the others together by the first where there are more."""
        return {row[0]: row[1] if len(row) == 2 else row[1:] for row in self.rows(query)}
