"""Airflow runs the local DAG on the synthetic company, and does after each exit code what deploy/airflow says.

usage: deploy_airflow.py WORK, with Airflow's settings in the environment

WORK holds a project of `cvm init` in project/, its raw data in raw/ and cvm in bin/cvm; each case has a folder under cases/. Each case
is an `airflow dags test`, which runs the DAG's task as a worker does and retries it as the scheduler would; what came of it is read
from Airflow's database.
Before the real cvm stands a script that counts how often it is called and, where a case says so, ends with a given code instead.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

from deploy import Checks
from published import Published

# Airflow and others have their own use for it; a report that is larger has no business in XCom.
MOST_BYTES = 8192
SHIM = """#!/bin/sh
echo called >> "$CASE/calls"
[ -n "$ENDS_WITH" ] && [ "$(wc -l < "$CASE/calls")" -le "$ENDS_OFTEN" ] && exit "$ENDS_WITH"
exec "$WORK/bin/cvm" "$@"
"""


class Airflow:
    """Runs the local DAG, each case with a folder of its own."""

    def __init__(self, work: Path):
        self.work = work
        self.shims = work / "shims"
        self.shims.mkdir()
        (work / "cases").mkdir()
        (self.shims / "cvm").write_text(SHIM)
        (self.shims / "cvm").chmod(0o755)
        self.hour = 0

    def run(self, name: str, project="project", conf=None, ends_with="", ends_often=0, lake=None, **variables: str) -> dict:
        case = self.folder(name)
        case.mkdir()
        # Any hour from the interval's end to the next one's is of the same day; a run of its own for each case.
        self.hour += 1
        moment = f"2025-01-01T{4 + self.hour:02}:30:00+01:00"
        env = {
            **os.environ,
            "PATH": f"{self.shims}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WORK": str(self.work), "CASE": str(case), "ENDS_WITH": str(ends_with), "ENDS_OFTEN": str(ends_often),
            "CVM_PROJECT": str(self.work / project), "CVM_PIPELINE": "pipelines/demo.yml", "CVM_RETRY_SECONDS": "1",
            "CVM_DEMO_RAW": f"file:{self.work}/raw", "CVM_LAKE_VARIABLE": "CVM_DEMO_LAKE", "CVM_LAKE_URL": f"file:{lake or case / 'lake'}",
            **variables,
        }
        command = ["airflow", "dags", "test", "cvm_local", moment, *(["--conf", json.dumps(conf)] if conf else [])]
        print(f"$ {' '.join(command)}   # {name}", flush=True)
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        (case / "log").write_text(done.stdout + done.stderr)
        calls = case / "calls"
        return {"ended": done.returncode, "called": len(calls.read_text().splitlines()) if calls.exists() else 0, **self.outcome(), "log": case / "log"}

    def folder(self, name: str) -> Path:
        return self.work / "cases" / name.replace(",", "").replace(" ", "_")

    def outcome(self) -> dict:
        """What Airflow wrote down of its last run."""
        database = sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db")
        run_id, run_state = database.execute("select run_id, state from dag_run order by id desc limit 1").fetchone()
        of_run = "from {} where dag_id = 'cvm_local' and task_id = 'run' and run_id = ?"
        state, tries, most = database.execute("select state, try_number, max_tries " + of_run.format("task_instance"), [run_id]).fetchone()
        xcom = database.execute("select value " + of_run.format("xcom") + " and key = 'return_value'", [run_id]).fetchone()
        return {"run": run_state, "task": state, "tries": tries, "retries": most, "xcom": json.loads(xcom[0]) if xcom else None}


def outcome(checks: Checks, name: str, result: dict, run: str, tries: int, called: int):
    failed = checks.failed
    checks.equal(f"{name}: the run and its task", (run, run), (result["run"], result["task"]))
    checks.equal(f"{name}: tries, of at most {result['retries'] + 1}", tries, result["tries"])
    checks.equal(f"{name}: calls of cvm", called, result["called"])
    if checks.failed > failed:
        print(result["log"].read_text()[-6000:])


def report_of(checks: Checks, name: str, result: dict, target: Path, as_of: str):
    """The report in XCom is that of what was published."""
    published = Published(target)
    report = result["xcom"]
    # Airflow keeps values as JSON, once more encoded or not.
    report = json.loads(report) if isinstance(report, str) else report
    if not isinstance(report, dict) or "exit_code" not in report:
        checks.equal(f"{name}: what Airflow keeps", "the report", report)
        return
    checks.equal(f"{name}: the report's as-of and exit code", (as_of, 0), (report["as_of"], report["exit_code"]))
    manifest = published.manifest(report["run_id"])
    checks.equal(f"{name}: what is published is as of", as_of, manifest["as_of"])
    rows = {table: entry["rows"] for table, entry in published.current().items()}
    checks.equal(f"{name}: rows of {len(rows)} tables are those of the report", rows, report["rows"])
    checks.equal(f"{name}: there are customers", True, rows["customer_values"] > 400)
    aside = {source["source"]: source["rows_set_aside"] for source in manifest["report"]["sources"] if source["rows_set_aside"]}
    checks.equal(f"{name}: rows set aside are those of the manifest", aside, report["rows_set_aside"])
    checks.equal(f"{name}: tables are whole", [], published.faults() + published.stable_faults(published.commits()[-1:]))
    size = len(json.dumps(report))
    checks.equal(f"{name}: the report is small, {size} bytes", True, size < MOST_BYTES)


def unused_url() -> str:
    """Nobody listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def project_with(work: Path, name: str, before: str, after: str):
    """A copy of the project with one thing changed in its pipeline file."""
    subprocess.run(["cp", "-r", work / "project", work / name], check=True)
    file = work / name / "pipelines/demo.yml"
    text = file.read_text()
    assert text.count(before) == 1, f"{file} has no {before!r} to change"
    file.write_text(text.replace(before, after))


def main() -> int:
    work = Path(sys.argv[1])
    checks, airflow = Checks(), Airflow(work)

    result = airflow.run("published")
    outcome(checks, "published", result, "success", 1, 1)
    report_of(checks, "published", result, airflow.folder("published") / "lake/marts/demo", "2025-01-01")
    shown = Published(airflow.folder("published") / "lake/marts/demo")
    before = shown.fingerprints(shown.commits()[-1])

    # Whoever cannot be told of a run is a warning of its log; XCom takes the last line that cvm writes to standard output or error.
    name, url = "nobody can be told", unused_url()
    result = airflow.run(name, OPENLINEAGE_URL=url, CVM_PUSHGATEWAY=url, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    outcome(checks, name, result, "success", 1, 1)
    report_of(checks, name, result, airflow.folder(name) / "lake/marts/demo", "2025-01-01")
    log = result["log"].read_text()
    checks.equal(f"{name}: warnings of both", (True, True), tuple(f"{what} did not reach" in log for what in ("lineage", "metrics")))

    result = airflow.run("a past day", conf={"as_of": "2024-10-01"}, lake=airflow.folder("published") / "lake")
    outcome(checks, "a past day", result, "success", 1, 1)
    report_of(checks, "a past day", result, airflow.folder("published") / "lake/as_of=2024-10-01/marts/demo", "2024-10-01")
    checks.equal("a past day: what readers see has not changed", before, shown.fingerprints(shown.commits()[-1]))
    checks.equal("a past day: … nor have the stable paths", [], shown.stable_faults(shown.commits()[-1:]))

    project_with(work, "misspelt", "    - customer_values\n", "    - customer_valeus\n")
    result = airflow.run("wrong configuration, 2", project="misspelt")
    outcome(checks, "wrong configuration, 2", result, "failed", 1, 1)
    log = result["log"].read_text()
    checks.equal("… the log names it", (True, True), ("cvm ended with 2" in log, "customer_valeus" in log))

    project_with(work, "bounded", "holdout_days: 180", "holdout_days: 180, max_bias: 0.0000001")
    result = airflow.run("data quality, 3", project="bounded")
    outcome(checks, "data quality, 3", result, "failed", 1, 1)
    checks.equal("… the log names it", True, "cvm ended with 3" in result["log"].read_text())
    checks.equal("… nothing is published", [], list(airflow.folder("data quality, 3").rglob("*.parquet")))

    result = airflow.run("store fails twice, 5", ends_with=5, ends_often=2)
    outcome(checks, "store fails twice, 5", result, "success", 3, 3)
    report_of(checks, "store fails twice, 5", result, airflow.folder("store fails twice, 5") / "lake/marts/demo", "2025-01-01")

    result = airflow.run("store stays away, 5", ends_with=5, ends_often=99)
    outcome(checks, "store stays away, 5", result, "failed", 4, 4)

    result = airflow.run("defect, 1", ends_with=1, ends_often=99)
    outcome(checks, "defect, 1", result, "failed", 1, 1)
    return checks.end("Airflow")


if __name__ == "__main__":
    sys.exit(main())
