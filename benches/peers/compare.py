"""Runs cvm and its peers alternately on the same orders, compares what they made, then prints medians and ratios.

Called by run.sh.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import duckdb

import in_memory

AS_OF, HORIZON_DAYS, DISCOUNT_RATE = "2025-01-01", 365, 0.10
# Tables by DuckDB's name: cvm's name, key, and the columns that are compared; the last are doubles.
TABLES = {
    "customers": (
        "int_customers_summarised", ["customer_id"],
        ["first_order_date", "last_order_date", "first_channel", "orders", "purchase_days", "frequency", "recency_age", "customer_age", "revenue"],
        ["monetary_value"],
    ),
    "rfm_scores": (
        "int_customers_scored", ["customer_id"],
        ["days_since_last_order", "orders", "recency_score", "frequency_score", "monetary_score"], [],
    ),
    "cohorts": (
        "cohorts", ["cohort_month", "activity_month"],
        ["months_since_first_order", "customers", "active_customers", "orders", "revenue"], ["retention"],
    ),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cvm", required=True)
    parser.add_argument("--lifetimes", required=True, help="the interpreter that has lifetimes")
    parser.add_argument("--fit-and-score", help="the built example; needed for lifetimes")
    parser.add_argument("--raw", required=True, type=Path)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--customers", required=True, type=int)
    parser.add_argument("--rounds", required=True, type=int)
    parser.add_argument("--threads", required=True, type=int)
    return parser.parse_args()


def measured(command: list[str], **environment: str) -> tuple[float, float]:
    """Seconds, and the peak memory in MiB, of a process of its own."""
    answer = answer_of([sys.executable, str(Path(__file__).parent / "measured.py"), *command], **environment)
    return answer["seconds"], answer["peak_mib"]


def answer_of(command: list[str], **environment: str) -> dict:
    """The last line that a process prints, which is JSON. Ends everything if the process fails."""
    process = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{process.stderr}")
    return json.loads(process.stdout.splitlines()[-1])


class Bench:
    def __init__(self, given: argparse.Namespace):
        self.given = given
        self.here = Path(__file__).parent
        self.lake, self.duckdb_out = given.work / "lake", given.work / "duckdb"
        self.project = given.work / "project"
        self.summaries, self.columns = self.lake / "scores" / "int_customers_summarised.parquet", given.work / "summaries.columns"

    def cvm(self, pipeline: str) -> tuple[float, float]:
        command = [self.given.cvm, "run", str(self.project / "pipelines" / f"{pipeline}.yml"), "--as-of", AS_OF, "--no-cache", "--threads", str(self.given.threads)]
        return measured(command, CVM_RAW=f"file:{self.given.raw}", CVM_LAKE=f"file:{self.lake}")

    def duckdb(self) -> tuple[float, float]:
        command = [sys.executable, str(self.here / "duckdb_tables.py"), f"{self.given.raw}/orders/*/*.parquet", str(self.duckdb_out), AS_OF, str(self.given.threads)]
        return measured(command)

    def report(self, pipeline: str) -> dict:
        """The report of the newest run: ids of runs sort by time."""
        newest = max((self.lake / pipeline / "_cvm" / "runs").glob("*.json"))
        return json.loads(newest.read_text())["report"]

    def scoring_seconds(self) -> float:
        return sum(stage["seconds"] for stage in self.report("scores")["stages"] if stage["kind"] == "score")

    def cvm_fit(self) -> dict[str, dict[str, float]]:
        """cvm's parameters, in days; it fits in weeks."""
        rows = duckdb.execute(f"select model, parameter, estimate from '{self.lake}/scores/model_fits.parquet'").fetchall()
        fitted: dict[str, dict[str, float]] = {}
        for model, parameter, estimate in rows:
            fitted.setdefault(model, {})[parameter] = estimate * 7 if parameter == "alpha" else estimate
        return fitted

    def write_columns(self):
        """The summaries that cvm published, for [`Bench.in_memory`]."""
        subprocess.run([self.given.lifetimes, str(self.here / "summary_columns.py"), str(self.summaries), str(self.columns)], check=True)

    def in_memory(self, threads: int) -> dict:
        return answer_of([self.given.fit_and_score, str(self.columns), str(threads), str(HORIZON_DAYS), str(DISCOUNT_RATE)])

    def lifetimes(self, fits: dict) -> dict:
        """lifetimes, which says what it thinks of these fits too."""
        script, out = self.here / "lifetimes_scores.py", self.given.work / "lifetimes.parquet"
        return answer_of([self.given.lifetimes, str(script), str(self.summaries), str(out), str(HORIZON_DAYS), str(DISCOUNT_RATE), json.dumps(fits)])


def compare_tables(bench: Bench) -> bool:
    """Whether both made the same rows: counts, keys, every exact column, and doubles to twelve digits."""
    same = True
    for name, (ours, key, exact, doubles) in TABLES.items():
        left, right = f"'{bench.lake}/tables/{ours}.parquet'", f"'{bench.duckdb_out}/{name}.parquet'"
        joined = f"{left} as ours full join {right} as theirs using ({', '.join(key)})"
        differs = [f"ours.{c} is distinct from theirs.{c}" for c in exact]
        differs += [f"not coalesce(abs(ours.{c} - theirs.{c}) <= 1e-12 * abs(theirs.{c}), ours.{c} is null and theirs.{c} is null)" for c in doubles]
        different = duckdb.execute(f"select count(*) from {joined} where {' or '.join(differs)}").fetchone()[0]
        columns = ", ".join(key + exact)
        counts = [duckdb.execute(f"select count(*), bit_xor(hash({columns})) from {table}").fetchone() for table in (left, right)]
        print(f"{name:<18} {counts[0][0]:>12,} rows, hash {counts[0][1]:016x} and {counts[1][1]:016x}, {different} rows differ")
        same &= different == 0 and counts[0] == counts[1]
    return same


def compare_tools(bench: Bench, rounds: int) -> bool:
    bench.cvm("tables"), bench.duckdb()  # Warms the page cache, and makes what is compared.
    if not compare_tables(bench):
        print("the tables differ: no times")
        return False
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(bench.cvm("tables"))
        theirs.append(bench.duckdb())
    print(f"\n{'customer summary, RFM scores, cohorts':<40} {'seconds':>9} {'peak MiB':>9}   all rounds")
    for tool, seen in (("cvm run, whole process", ours), (f"DuckDB {duckdb.__version__}, whole process", theirs)):
        print(f"{tool:<40} {median(seen, 0):>9.2f} {median(seen, 1):>9.0f}   {'  '.join(f'{s:.2f}' for s, _ in seen)}")
    print(f"{'cvm ÷ DuckDB':<40} {median(ours, 0) / median(theirs, 0):>9.2f} {median(ours, 1) / median(theirs, 1):>9.2f}")
    return True


def median(seen: list[tuple[float, float]], which: int) -> float:
    return statistics.median(row[which] for row in seen)


def compare_scores(bench: Bench, rounds: int) -> bool:
    peaks, ours, in_memory_all, in_memory_one, theirs = [bench.cvm("scores")[1]], [], [], [], []
    bench.write_columns()
    for _ in range(rounds):
        peaks.append(bench.cvm("scores")[1])
        ours.append(bench.scoring_seconds())
        in_memory_all.append(bench.in_memory(bench.given.threads))
        in_memory_one.append(bench.in_memory(1))
        theirs.append(bench.lifetimes({"pipeline": bench.cvm_fit(), "in_memory": in_memory.parameters(in_memory_all[-1])}))
    lifetimes = theirs[-1]
    mean_difference = duckdb.execute(f"""
        select avg(abs(ours.expected_purchases - theirs.expected_purchases)) / avg(theirs.expected_purchases)
        from '{bench.lake}/scores/customer_values.parquet' as ours join '{bench.given.work}/lifetimes.parquet' as theirs using (customer_id)
    """).fetchone()[0]
    print(f"\nexpected purchases differ by {mean_difference:.2%} of their mean")
    better = True
    for model, other in lifetimes["log_likelihood"].items():
        own = lifetimes["log_likelihood_of_pipeline"][model]
        better &= own >= other - 1e-9 * abs(other)
        print(f"{model:<12} log-likelihood by lifetimes' own function, days: cvm {own:,.3f}, lifetimes {other:,.3f}, cvm − lifetimes {own - other:+.3f}")
    if mean_difference > 0.01:
        print("the predictions differ: no times")
        return False
    ours_median = statistics.median(ours)
    fits = statistics.median(in_memory.fits(theirs, tuple(in_memory.MODELS)))
    scores = statistics.median(row["score_seconds"] for row in theirs)
    print(f"\n{'fit and scoring':<40} {'seconds':>9}")
    print(f"{'cvm, the whole scoring stage':<40} {ours_median:>9.2f}   {'  '.join(f'{s:.2f}' for s in ours)}")
    print(f"{'lifetimes 0.11.3, in memory':<40} {fits + scores:>9.2f}   fit {fits:.2f}, scoring {scores:.2f}")
    print(f"{'lifetimes ÷ cvm':<40} {(fits + scores) / ours_median:>9.1f}")
    print(f"peak memory of cvm run with fit and scoring: {statistics.median(peaks):.0f} MiB")
    return better & in_memory.compare(bench.given.customers, bench.given.threads, in_memory_all, in_memory_one, theirs)


def main() -> int:
    given = arguments()
    bench = Bench(given)
    files = [path.stat().st_size for path in given.raw.glob("orders/*/*.parquet")]
    orders = duckdb.execute(f"select count(*) from '{given.raw}/orders/*/*.parquet'").fetchone()[0]
    print(f"{given.customers:,} customers, {orders:,} orders in {len(files)} files of {sum(files) / 2**20:,.0f} MiB; {given.threads} threads, {given.rounds} rounds\n")
    fine = compare_tools(bench, given.rounds)
    if os.environ.get("CVM_BENCH_LIFETIMES", "yes") == "no":
        print("\nlifetimes was left out: CVM_BENCH_LIFETIMES=no")
    else:
        fine &= compare_scores(bench, given.rounds)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
