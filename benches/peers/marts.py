"""Runs cvm and DuckDB alternately over the same SQL and orders, compares every mart, then prints medians, ratio and where the time goes.

Called by marts.sh. Fails where a row differs, or cvm takes more than `BOUND` times as long as DuckDB.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import duckdb
import yaml

import marts_sql
from compare import AS_OF, measured, median

BOUND = 1.3
# Which stages DuckDB makes tables of: tried before the rounds, and the fastest is taken.
FORMS = ["shared", "planned", "all"]
LEFT_OUT = {
    "customer_values, value_concentration, acquisition_channels, acquisition_cohorts, kpis, ideal_customer_profile, lookalikes, leaving_experience": "need a fit of BG/NBD and Gamma-Gamma",
    "cluster_members, cluster_profiles, and the scheme clusters of segments": "need k-means",
    "cohort_retention": "needs a projection by BG/BB",
    "customer_survival, survival_summaries, contract_survival": "need curves by the scorer survival",
    "campaign_results": "has p-values and limits by functions that DuckDB lacks, and no rows without campaigns",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cvm", required=True)
    for name in ("--raw", "--work"):
        parser.add_argument(name, required=True, type=Path)
    for name in ("--customers", "--rounds", "--threads"):
        parser.add_argument(name, required=True, type=int)
    return parser.parse_args()


class Bench:
    def __init__(self, given: argparse.Namespace):
        self.given = given
        self.here = Path(__file__).parent
        self.lake, self.out, self.project = given.work / "lake", given.work / "duckdb-marts", given.work / "project"
        self.pipeline = self.project / "pipelines/marts.yml"
        self.environment = {"CVM_RAW": f"file:{given.raw}", "CVM_LAKE": f"file:{self.lake}"}
        plan = [given.cvm, "plan", "--format", "json", str(self.pipeline)]
        self.plan = json.loads(subprocess.run(plan, env=os.environ | self.environment, check=True, capture_output=True).stdout)

    def cvm(self) -> tuple[float, float]:
        command = [self.given.cvm, "run", str(self.pipeline), "--as-of", AS_OF, "--no-cache", "--threads", str(self.given.threads)]
        return measured(command, **self.environment)

    def duckdb(self, form: str) -> tuple[float, float]:
        """All statements in a process of its own. Translating them is not in its time."""
        orders, file = f"{self.given.raw}/orders/*/*.parquet", self.given.work / f"marts-{form}.json"
        file.write_text(json.dumps(marts_sql.statements(self.plan, self.project, orders, str(self.out), AS_OF, form)))
        shutil.rmtree(self.out, ignore_errors=True)
        return measured([sys.executable, str(self.here / "duckdb_marts.py"), str(file), str(self.out), str(self.given.threads)])

    def cvm_stages(self) -> dict[str, float]:
        """Seconds by table of the newest run: making it and, where it is published, writing it."""
        newest = max((self.lake / "marts/_cvm/runs").glob("*.json"))
        return summed((stage["stage"], stage["seconds"]) for stage in json.loads(newest.read_text())["report"]["stages"])

    def duckdb_stages(self) -> dict[str, float]:
        return json.loads((self.out / "seconds.json").read_text())

    def same(self, table: str) -> bool:
        """Whether both made the same rows of a mart: its types, counts, exact columns, and doubles to nine digits."""
        contract = next((self.project / "sql/marts").glob(f"{table}.yml"))
        key = yaml.safe_load(contract.read_text())["key"]
        left, right = f"'{self.lake}/marts/{table}.parquet'", f"'{self.out}/{table}.parquet'"
        types = [duckdb.execute(f"select column_name, column_type from (describe from {file}) order by 1").fetchall() for file in (left, right)]
        differs = []
        for name, kind in types[0]:
            ours, theirs = f"ours.{name}", f"theirs.{name}"
            if kind == "DOUBLE":
                near = f"abs({ours} - {theirs}) <= 1e-9 * greatest(abs({ours}), abs({theirs}))"
                differs.append(f"not coalesce({near}, {ours} is null and {theirs} is null)")
            else:
                differs.append(f"{ours} is distinct from {theirs}")
        matches = " and ".join(f"ours.{column} is not distinct from theirs.{column}" for column in key)
        query = f"select count(*) from {left} as ours full join {right} as theirs on {matches} where {' or '.join(differs)}"
        different = duckdb.execute(query).fetchone()[0] if types[0] == types[1] else "types of"
        counts = [duckdb.execute(f"select count(*) from {file}").fetchone()[0] for file in (left, right)]
        print(f"{table:<24} {counts[0]:>12,} rows and {counts[1]:>12,}; {different} differ")
        return different == 0 and counts[0] == counts[1]


def summed(pairs) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, seconds in pairs:
        sums[name] = sums.get(name, 0) + seconds
    return sums


def middle(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each stage over the rounds."""
    names = {name for run in runs for name in run}
    return {name: statistics.median(run.get(name, 0.0) for run in runs) for name in names}


def print_stages(title: str, names: list[str], ours: dict[str, float], theirs: dict[str, float]):
    print(f"\n{title:<34} {'cvm':>8} {'DuckDB':>8} {'difference':>10} {'ratio':>6}")
    for name in names:
        own, other = ours.get(name, 0.0), theirs.get(name, 0.0)
        ratio = f"{own / other:>6.2f}" if other >= 0.01 else f"{'':>6}"
        print(f"{name:<34} {own:>8.2f} {other:>8.2f} {own - other:>10.2f} {ratio}")


def main() -> int:
    given = arguments()
    bench = Bench(given)
    orders = duckdb.execute(f"select count(*) from '{given.raw}/orders/*/*.parquet'").fetchone()[0]
    print(f"{given.customers:,} customers, {orders:,} orders; {given.threads} threads, {given.rounds} rounds")
    for marts, reason in LEFT_OUT.items():
        print(f"left out: {marts}: {reason}")
    bench.cvm()
    bench.duckdb(FORMS[0])  # Warms the page cache, so that each form below finds it alike.
    tried = {form: bench.duckdb(form)[0] for form in FORMS}
    form = min(tried, key=tried.get)
    print("DuckDB with tables of stages: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in tried.items()) + f"; taken: {form}\n")
    bench.duckdb(form)
    if not all([bench.same(table) for table in bench.plan["outputs"]]):
        print("the marts differ: no times")
        return 1
    ours, theirs, our_stages, their_stages = [], [], [], []
    for _ in range(given.rounds):
        ours.append(bench.cvm())
        our_stages.append(bench.cvm_stages())
        theirs.append(bench.duckdb(form))
        their_stages.append(bench.duckdb_stages())
    ratio = median(ours, 0) / median(theirs, 0)
    print(f"\n{str(len(bench.plan['outputs'])) + ' marts':<40} {'seconds':>9} {'peak MiB':>9}   all rounds")
    for tool, seen in (("cvm run, whole process", ours), (f"DuckDB {duckdb.__version__}, whole process", theirs)):
        print(f"{tool:<40} {median(seen, 0):>9.2f} {median(seen, 1):>9.0f}   {'  '.join(f'{s:.2f}' for s, _ in seen)}")
    print(f"{'cvm ÷ DuckDB':<40} {ratio:>9.2f} {median(ours, 1) / median(theirs, 1):>9.2f}")
    own, other = middle(our_stages), middle(their_stages)
    slowest = sorted(own, key=own.get, reverse=True)[:12]
    print_stages("where cvm's time goes, seconds", slowest, own, other)
    print_stages("marts, making and writing", bench.plan["outputs"], own, other)
    if ratio > BOUND:
        print(f"\ncvm takes more than {BOUND} times as long as DuckDB")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
