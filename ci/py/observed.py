"""What others are told of runs of the demo pipeline, by a small company, beside what the runs report of themselves.

usage: observed.py CVM WORK [NAME …]

WORK is an empty folder. With NAMEs only the cases whose name holds one of them are run. The backends are servers on the loopback
interface. `observed_forms` holds the forms; here are the figures, the ends of runs, and backends that are not there, hang or refuse.
"""

import base64
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from observed_backend import Backend
from observed_forms import Samples, event_faults, samples_of, spans_of

PIPELINE, AS_OF, CUSTOMERS = "pipelines/demo.yml", "2025-01-01", "200"
AS_OF_SECONDS = 1_735_689_600
KEY, OTHER_KEY, PASSWORD = "kEyOfLiNeAgE1q7", "kEyOfTrAcEs2w8", "pAsSwOrDoFmEtRiCs3e9"
PARENT_RUN = "0190a2bc-0000-7000-8000-000000000001"
TRACE, PARENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# How long a backend may keep a run from its end, with some leave for a slow machine.
PATIENCE_SECONDS, LEAVE_SECONDS = 5, 3
# The tables that have no contract, so that nobody is told their columns.
OWN_TABLES = {"rows_set_aside", "check_results", "model_fits", "model_calibration"}


@dataclass
class Ended:
    """A run that has ended."""

    code: int
    seconds: float
    stderr: str
    events: list[dict[str, Any]]

    def last(self, name: str) -> dict[str, Any]:
        return next((event for event in reversed(self.events) if event["event"] == name), {})

    def all(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def warnings(self) -> list[str]:
        return [event["message"] for event in self.all("warning")]


@dataclass
class Bench:
    """Where runs are made, and how."""

    cvm: str
    work: Path
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def same(self, what: str, told: Any, true: Any) -> None:
        self.expect(told == true, f"{what}: told {str(told)[:300]}, true is {str(true)[:300]}")

    def start(self, name: str, backend: str, *options: str, pipeline: str = PIPELINE, **variables: str) -> subprocess.Popen[str]:
        raw, lake = f"file:{self.work}/raw", f"file:{self.work}/lake-{name}"
        told = {
            "OPENLINEAGE_URL": backend,
            "OPENLINEAGE_API_KEY": KEY,
            "OPENLINEAGE_PARENT_ID": f"airflow/etl.marts/{PARENT_RUN}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{OTHER_KEY},x-tenant=shop",
            "TRACEPARENT": f"00-{TRACE}-{PARENT_SPAN}-01",
            "CVM_PUSHGATEWAY": backend.replace("://", f"://cvm:{PASSWORD}@"),
        }
        # What the machine says of the same is no part of the check, a proxy for what lies beyond it least of all.
        strange = ("OTEL_", "OPENLINEAGE_", "CVM_", "TRACE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        environment = kept | told | {"CVM_DEMO_RAW": raw, "CVM_DEMO_LAKE": lake, "NO_PROXY": "127.0.0.1"} | variables
        files = ["--lineage", self.file(name, "jsonl"), "--metrics", self.file(name, "prom")]
        command = [self.cvm, "run", pipeline, "--as-of", AS_OF, "--log", "json", *files, *options]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def end(self, process: subprocess.Popen[str], began: float) -> Ended:
        _, stderr = process.communicate(timeout=300)
        events = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
        for secret in (KEY, OTHER_KEY, PASSWORD, base64.b64encode(f"cvm:{PASSWORD}".encode()).decode()):
            self.expect(secret not in stderr, f"standard error shows {secret}")
        return Ended(process.returncode, time.monotonic() - began, stderr, events)

    def run(self, name: str, backend: str, *options: str, **others: str) -> Ended:
        began = time.monotonic()
        return self.end(self.start(name, backend, *options, **others), began)

    def file(self, name: str, ending: str) -> str:
        return f"{self.work}/{name}.{ending}"

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path(self.file(name, "jsonl")).read_text().splitlines()]

    def lineage(self, name: str, backend: Backend | None, *kinds: str) -> list[dict[str, Any]]:
        """The events of a run, held against their form; the file and the backend must have the same."""
        events = self.lines(name)
        self.same(f"{name}: events", [event["eventType"] for event in events], list(kinds))
        if backend is not None:
            posted = backend.seen("POST", "/api/v1/lineage")
            self.same(f"{name}: events of the backend", [json.loads(request.body) for request in posted], events)
            for request in posted:
                self.same("lineage's key", request.headers["authorization"], f"Bearer {KEY}")
        for event in events:
            self.faults += event_faults(event)
        self.same(f"{name}: runs", len({event["run"]["runId"] for event in events}), 1)
        return events

    def metrics(self, name: str, backend: Backend | None, pipeline: str = "demo") -> Samples:
        text = Path(self.file(name, "prom")).read_text()
        if backend is not None:
            pushed = backend.seen("PUT", f"/metrics/job/cvm/pipeline/{pipeline}")
            self.same(f"{name}: metrics that were pushed", [request.body for request in pushed], [text])
            for request in pushed:
                self.expect(request.headers["authorization"].startswith("Basic "), "metrics are pushed without their password")
        samples, faults = samples_of(text)
        self.faults += faults
        return samples


def published(bench: Bench) -> None:
    with Backend() as backend:
        ended = bench.run("published", backend.url, OTEL_SERVICE_NAME="marts")
        bench.same("exit code", ended.code, 0)
        bench.expect("did not reach" not in ended.stderr, f"somebody was not told:\n{ended.stderr[-500:]}")
        (manifest,) = (bench.work / "lake-published/marts/demo/_cvm/runs").glob("*.json")
        report = json.loads(manifest.read_text())["report"]
        start, complete = bench.lineage("published", backend, "START", "COMPLETE")
        bench.same("run", complete["run"]["runId"], report["run_id"])
        run_facets(bench, complete, report, ended)
        inputs(bench, complete, report)
        outputs(bench, complete, report)
        bench.same("what START names", [of["name"] for of in start["outputs"]], [of["name"] for of in complete["outputs"]])
        column_lineage(bench, complete)
        metrics_of_run(bench, bench.metrics("published", backend), report, ended)
        trace(bench, backend, report, ended)


def run_facets(bench: Bench, event: dict[str, Any], report: dict[str, Any], ended: Ended) -> None:
    facets = event["run"]["facets"]
    parent = facets["parent"]
    told = (parent["job"]["namespace"], parent["job"]["name"], parent["run"]["runId"])
    bench.same("parent run", told, ("airflow", "etl.marts", PARENT_RUN))
    bench.same("nominal time", facets["nominalTime"]["nominalStartTime"], f"{AS_OF}T00:00:00.000Z")
    tags = {tag["key"]: tag["value"] for tag in facets["tags"]["tags"]}
    commit = str(ended.last("committed")["commit"])
    bench.same("tags", tags, {"as_of": AS_OF, "plan_fingerprint": report["fingerprint"], "commit": commit})
    checks = [(check["name"], "pass" if check["passed"] else "fail") for check in report["checks"]]
    bench.same("tests", [(test["name"], test["status"]) for test in facets["test"]["tests"]], checks)
    bench.same("job", (event["job"]["namespace"], event["job"]["name"]), ("cvm", "demo"))


def by_symlink(datasets: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {of["facets"]["symlinks"]["identifiers"][0]["name"]: of for of in datasets}


def assertions(of: dict[str, Any]) -> list[tuple[str, bool]]:
    told = of.get("dataQualityAssertions", {}).get("assertions", [])
    return [(check["name"], check["success"]) for check in told]


def checks_of(report: dict[str, Any], table: str) -> list[tuple[str, bool]]:
    return [(check["name"], check["passed"]) for check in report["checks"] if check.get("table") == table]


def inputs(bench: Bench, event: dict[str, Any], report: dict[str, Any]) -> None:
    told = by_symlink(event["inputs"])
    bench.same("inputs", sorted(told), sorted(source["source"] for source in report["sources"]))
    for source in report["sources"]:
        name, of = source["source"], told.get(source["source"], {})
        if not of:
            continue
        figures = of["inputFacets"]["inputStatistics"]
        true = (source["rows_read"], source["bytes"], source["objects"])
        bench.same(f"figures of {name}", (figures["rowCount"], figures["size"], figures["fileCount"]), true)
        bench.same(f"checks of {name}", assertions(of["inputFacets"]), checks_of(report, name))
        bench.same(f"namespace of {name}", of["namespace"], "file")
        bench.expect(Path(of["name"]).exists(), f"{name} is told to lie at {of['name']}, where nothing is")
        bench.expect(bool(of["facets"]["schema"]["fields"]), f"{name} has no columns")


def outputs(bench: Bench, event: dict[str, Any], report: dict[str, Any]) -> None:
    told = by_symlink(event["outputs"])
    bench.same("outputs", sorted(told), sorted(f"demo.{table['table']}" for table in report["tables"]))
    for table in report["tables"]:
        name, of = table["table"], told.get(f"demo.{table['table']}", {})
        if not of:
            continue
        figures = of["outputFacets"]["outputStatistics"]
        bench.same(f"figures of {name}", (figures["rowCount"], figures["size"]), (table["rows"], table["bytes"]))
        bench.same(f"checks of {name}", assertions(of["outputFacets"]), checks_of(report, name))
        lies = Path(of["name"])
        bench.expect(lies.is_file() and lies.stat().st_size == table["bytes"], f"{name} does not lie at {lies}")
        bench.same(f"whether {name} has columns", "schema" not in of["facets"], name in OWN_TABLES)


def column_lineage(bench: Bench, event: dict[str, Any]) -> None:
    """What is told of columns is what the documentation tells; that is derived from the same plan and rendered by other code."""
    to = bench.work / "docs"
    environment = os.environ | {"CVM_DEMO_RAW": f"file:{bench.work}/raw", "CVM_DEMO_LAKE": f"file:{bench.work}/lake"}
    subprocess.run([bench.cvm, "docs", PIPELINE, "--to", str(to)], check=True, env=environment, capture_output=True)
    text = (to / "demo.md").read_text().replace("\\", "")
    sources = {(of["namespace"], of["name"]): name for name, of in by_symlink(event["inputs"]).items()}
    columns = 0
    for name, of in by_symlink(event["outputs"]).items():
        table = name.removeprefix("demo.")
        fields = of["facets"].get("columnLineage", {}).get("fields", {})
        told = {
            column: {f"{sources.get((origin['namespace'], origin['name']))}.{origin['field']}" for origin in field["inputFields"]}
            for column, field in fields.items()
        }
        bench.same(f"columns of {table} beside the documentation", told, documented(text, table, set(sources.values())))
        columns += len(told)
    print(f"  {columns} columns follow to raw ones")
    bench.expect(columns > 100, f"only {columns} columns have lineage")


def documented(text: str, table: str, sources: set[str]) -> dict[str, set[str]]:
    """The raw columns behind each column of a table, as the Markdown of `cvm docs` has them."""
    section = text.partition(f'<a id="table-{table}"></a>')[2].partition("<a id=")[0]
    rows = section.partition("| of the raw tables |\n")[2].partition("\n\n")[0].splitlines()[1:]
    found = {}
    for row in rows:
        cells = row.strip("| ").split(" | ")
        if len(cells) != 4:
            continue
        # A count of rows has no column.
        linked = re.findall(r"(?<!rows of )\[([^\]]+)\]", cells[3])
        columns = {of for of in linked if of.rpartition(".")[0] in sources and of not in sources}
        if columns:
            found[cells[0].strip("`")] = columns
    return found


def metrics_of_run(bench: Bench, samples: Samples, report: dict[str, Any], ended: Ended) -> None:
    def told(name: str, *labels: str) -> dict[Any, float]:
        """The samples of a metric by the values of labels."""
        found = {}
        for (sample, pairs), value in samples.items():
            of = dict(pairs)
            if sample == name:
                bench.same(f"pipeline of {name}", of.pop("pipeline", None), "demo")
                bench.same(f"labels of {name}", sorted(of), sorted(labels))
                found[tuple(of.get(label) for label in labels)] = value
        return found

    finished = ended.last("run_finished")
    for name, true in (
        ("cvm_run_success", 1),
        ("cvm_run_exit_code", 0),
        ("cvm_run_unchanged", 0),
        ("cvm_run_duration_seconds", finished["seconds"]),
        ("cvm_run_as_of_timestamp_seconds", AS_OF_SECONDS),
        ("cvm_run_commit", ended.last("committed")["commit"]),
        ("cvm_run_threads", report["threads"]),
        ("cvm_peak_memory_bytes", finished["peak_memory_bytes"]),
        ("cvm_run_warnings", len(ended.warnings())),
    ):
        bench.same(name, told(name), {(): true})
    completed = told("cvm_run_completed_timestamp_seconds").get((), 0)
    bench.expect(abs(completed - time.time()) < 600, f"the run was completed at {completed}")
    for name, key in (("rows_read", "rows_read"), ("rows_set_aside", "rows_set_aside"), ("bytes", "bytes"), ("objects", "objects")):
        true = {(source["source"],): source[key] for source in report["sources"]}
        bench.same(f"cvm_source_{name}", told(f"cvm_source_{name}", "source"), true)
    for name in ("rows", "bytes"):
        true = {(table["table"],): table[name] for table in report["tables"]}
        bench.same(f"cvm_table_{name}", told(f"cvm_table_{name}", "table"), true)
    seconds: dict[tuple[str, str], float] = {}
    for stage in ended.all("stage_finished"):
        key = (stage["stage"], stage["kind"])
        seconds[key] = seconds.get(key, 0) + stage["seconds"]
    stages = told("cvm_stage_duration_seconds", "stage", "kind")
    bench.same("stages", {key: round(value, 6) for key, value in stages.items()}, {key: round(of, 6) for key, of in seconds.items()})
    failed = {(check["name"], check["severity"]): int(not check["passed"]) for check in report["checks"]}
    bench.same("cvm_check_failed", told("cvm_check_failed", "check", "severity"), failed)


def trace(bench: Bench, backend: Backend, report: dict[str, Any], ended: Ended) -> None:
    (request,) = backend.seen("POST", "/v1/traces")
    headers = (request.headers["authorization"], request.headers["x-tenant"], request.headers["content-type"])
    bench.same("headers of the trace", headers, (f"Bearer {OTHER_KEY}", "shop", "application/json"))
    spans, resource, faults = spans_of(json.loads(request.body))
    bench.faults += faults
    bench.same("service", resource["service.name"], "marts")
    bench.same("trace", {span.trace_id.hex() for span in spans}, {TRACE})
    bench.same("spans of one id", len({span.span_id for span in spans}), len(spans))
    run, *stages = spans
    bench.same("the run's span", (run.name, run.parent_span_id.hex(), run.status.code), ("run demo", PARENT_SPAN, 1))
    about = {of.key: of.value.string_value or of.value.int_value for of in run.attributes}
    bench.same("the run's id", about["cvm.run_id"], report["run_id"])
    bench.same("rows read", about["cvm.rows_read"], sum(source["rows_read"] for source in report["sources"]))
    bench.same("parents of stages", {span.parent_span_id for span in stages}, {run.span_id})
    true = sorted(f"{stage['kind']} {stage['stage']}" for stage in ended.all("stage_finished"))
    bench.same("stages of the trace", sorted(span.name for span in stages), true)
    for span in spans:
        is_within = run.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano <= run.end_time_unix_nano
        bench.expect(is_within, f"{span.name} is not within its run")
    seconds = (run.end_time_unix_nano - run.start_time_unix_nano) / 1e9
    bench.expect(0 <= seconds - ended.last("run_finished")["seconds"] < 30, f"the trace took {seconds} s")


def unchanged(bench: Bench) -> None:
    """Another run finds nothing new."""
    with Backend() as backend:
        bench.same("exit code of the first", bench.run("unchanged", backend.url).code, 0)
    for ending in ("jsonl", "prom"):
        Path(bench.file("unchanged", ending)).unlink()
    with Backend() as backend:
        ended = bench.run("unchanged", backend.url)
        bench.expect(ended.last("unchanged") != {}, "the second run did not end at once")
        _, complete = bench.lineage("unchanged", backend, "START", "COMPLETE")
        tags = {tag["key"]: tag["value"] for tag in complete["run"]["facets"]["tags"]["tags"]}
        bench.same("unchanged since", tags.get("unchanged_since"), ended.last("unchanged")["run_id"])
        bench.expect(len(complete["outputs"]) > 4, "a run without news forgets its outputs")
        bench.same("figures", [of for of in complete["outputs"] if "outputStatistics" in of["outputFacets"]], [])
        ends(bench, bench.metrics("unchanged", backend), success=1, code=0)


def ends(bench: Bench, samples: Samples, success: int, code: int, pipeline: str = "demo") -> None:
    """How metrics tell the end of a run that published nothing."""
    labels = (("pipeline", pipeline),)
    told = (samples.get(("cvm_run_success", labels)), samples.get(("cvm_run_exit_code", labels)))
    bench.same("success and exit code", told, (success, code))
    bench.same("tables", [name for name, _ in samples if name.startswith("cvm_table_")], [])


def spoil(bench: Bench) -> str:
    """Raw data of which one table is mostly nonsense."""
    spoilt = bench.work / "spoilt"
    if not spoilt.exists():
        shutil.copytree(bench.work / "raw", spoilt)
        (customers,) = spoilt.glob("crm/customers/*.csv.gz")
        with gzip.open(customers, "at") as file:
            file.write("nonsense\n" * 1_000)
    return f"file:{spoilt}"


def failed(bench: Bench) -> None:
    """Rows that do not fit: the run began, and fails."""
    with Backend() as backend:
        ended = bench.run("failed", backend.url, CVM_DEMO_RAW=spoil(bench))
        bench.same("exit code", ended.code, 3)
        _, fail = bench.lineage("failed", backend, "START", "FAIL")
        message = fail["run"]["facets"]["errorMessage"]["message"]
        bench.expect("crm.customers" in message, f"the error does not name the table: {message}")
        bench.same("figures", [of for of in fail["outputs"] if "outputStatistics" in of["outputFacets"]], [])
        ends(bench, bench.metrics("failed", backend), success=0, code=3)
        (request,) = backend.seen("POST", "/v1/traces")
        spans, _, faults = spans_of(json.loads(request.body))
        bench.faults += faults
        bench.same("status of the run's span", spans[0].status.code, 2)
        bench.expect("crm.customers" in spans[0].status.message, f"the span does not name the table: {spans[0].status.message}")
        bench.same("events of the run's span", [event.name for event in spans[0].events], ["exception"])


def unplanned(bench: Bench) -> None:
    """A fault of the pipeline's file: the run never began, and is told under the name of its file."""
    broken = bench.work / "project"
    shutil.copytree("sql", broken / "sql")
    shutil.copytree("pipelines", broken / "pipelines")
    text = (broken / "pipelines/demo.yml").read_text()
    (broken / "pipelines/broken.yml").write_text(text.replace("pipeline: demo", "pipeline: broken").replace("- customers\n", "- custmers\n"))
    with Backend() as backend:
        ended = bench.run("unplanned", backend.url, pipeline=str(broken / "pipelines/broken.yml"))
        bench.same("exit code", ended.code, 2)
        (fail,) = bench.lineage("unplanned", backend, "FAIL")
        bench.same("job", fail["job"]["name"], "broken")
        message = fail["run"]["facets"]["errorMessage"]["message"]
        bench.expect("custmers" in message, f"the error does not name the table: {message}")
        ends(bench, bench.metrics("unplanned", backend, "broken"), success=0, code=2, pipeline="broken")


def stopped(bench: Bench) -> None:
    """SIGTERM once the run has begun."""
    with Backend() as backend:
        began = time.monotonic()
        process = bench.start("stopped", backend.url)
        while not backend.seen("POST", "/api/v1/lineage") and process.poll() is None and time.monotonic() - began < 60:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        ended = bench.end(process, began)
        bench.same("exit code", ended.code, 6)
        bench.lineage("stopped", backend, "START", "ABORT")
        ends(bench, bench.metrics("stopped", backend), success=0, code=6)


def told_nobody(bench: Bench, name: str, backend: str, says: str, patience: float) -> Ended:
    """A run publishes although nobody can be told, and warns of each."""
    ended = bench.run(name, backend)
    bench.same("exit code", ended.code, 0)
    warnings = [warning for warning in ended.warnings() if "did not reach" in warning]
    for what in ("lineage", "metrics", "the trace"):
        of = [warning for warning in warnings if warning.startswith(what)]
        bench.expect(len(of) == 1 and says in of[0], f"{name}: {len(of)} warnings of {what} that say `{says}`: {warnings}")
    waited = ended.seconds - ended.last("run_finished").get("seconds", 0)
    print(f"  {name}: {waited:.1f} s besides the run itself")
    bench.expect(waited < patience, f"{name}: the run was kept for {waited:.1f} s")
    bench.lineage(name, None, "START", "COMPLETE")
    bench.metrics(name, None)
    return ended


def dead(bench: Bench) -> None:
    """Nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told_nobody(bench, "dead", f"http://127.0.0.1:{port}", "onnection refused", LEAVE_SECONDS)


def hanging(bench: Bench) -> None:
    """Somebody listens and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        backend = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told_nobody(bench, "hanging", backend, "", PATIENCE_SECONDS + LEAVE_SECONDS)


def refusing(bench: Bench) -> None:
    """A backend that refuses, and quotes what it was sent with: `Bench.end` looks for the secrets in it."""
    with Backend(refuses=True) as backend:
        told_nobody(bench, "refusing", backend.url, "400 Bad Request", LEAVE_SECONDS)


def not_asked(bench: Bench) -> None:
    """A trace that its beginner does not keep, and lineage that is turned off."""
    with Backend() as backend:
        variables = {"OPENLINEAGE_DISABLED": "true", "TRACEPARENT": f"00-{TRACE}-{PARENT_SPAN}-00"}
        bench.same("exit code", bench.run("not_asked", backend.url, **variables).code, 0)
        bench.same("requests", [(request.method) for request in backend.requests], ["PUT"])
        bench.lineage("not_asked", None, "START", "COMPLETE")


CASES: list[Callable[[Bench], None]] = [published, unchanged, failed, unplanned, stopped, dead, hanging, refusing, not_asked]


def main() -> int:
    cvm, work, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    made = [cvm, "generate", "--customers", CUSTOMERS, "--to", f"file:{work}/raw"]
    subprocess.run(made, check=True, capture_output=True)
    failures = 0
    chosen = [case for case in CASES if not names or any(name in case.__name__ for name in names)]
    for case in chosen:
        bench = Bench(cvm, work)
        try:
            case(bench)
        except Exception as error:  # What is not there at all ends a case, and not the others.
            bench.faults.append(f"{type(error).__name__}: {error}")
        print(f"{'FAILED' if bench.faults else 'passed'}  {case.__name__}", flush=True)
        for fault in bench.faults[:20]:
            print(f"        {fault}")
        failures += bool(bench.faults)
    print(f"observed: {len(chosen) - failures} passed, {failures} failed")
    return 1 if failures or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
