"""What others are told of runs of the demo pipeline, by a small company, beside what the runs report of themselves.

usage: observed.py CVM WORK [NAME …]

WORK is an empty folder. With NAMEs only the cases whose name holds one of them are run. The backends are servers on the loopback
interface. `observed_forms` holds the forms and `observed_figures` the figures; here are the ends of runs, and backends that are not there,
hang or refuse.
"""

import gzip
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import json_log
from observed_backend import Backend
from observed_bench import PARENT_SPAN, TRACE, Bench, Ended
from observed_figures import column_lineage, inputs, metrics_of_run, outputs, run_facets, trace
from observed_forms import Samples, spans_of
from observed_official import at_hand

CUSTOMERS = "200"
# A contract without checks of its own.
CHECKED = "sql/staging/crm/stg_crm__customers.yml"
# How long a backend may keep a run from its end, with some leave for a slow machine.
PATIENCE_SECONDS, LEAVE_SECONDS = 5, 4


def published(bench: Bench) -> None:
    with Backend() as backend:
        ended = bench.run("published", backend.url, OTEL_SERVICE_NAME="marts")
        bench.same("exit code", ended.code, 0)
        bench.expect("did not reach" not in ended.stderr, f"somebody was not told:\n{ended.stderr[-500:]}")
        (file,) = (bench.work / "lake-published/marts/demo/_cvm/runs").glob("*.json")
        manifest = json.loads(file.read_text())
        report = manifest["report"]
        start, complete = bench.lineage("published", backend, "START", "COMPLETE")
        bench.same("run", complete["run"]["runId"], report["run_id"])
        run_facets(bench, complete, report, ended)
        inputs(bench, complete, report)
        outputs(bench, complete, manifest)
        bench.same("what START names", [of["name"] for of in start["outputs"]], [of["name"] for of in complete["outputs"]])
        column_lineage(bench, complete)
        metrics_of_run(bench, bench.metrics("published", backend), report, ended)
        trace(bench, backend, report, ended)


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
        bench.same("unchanged since", tags.get("unchanged_since"), ended.last("unchanged")["unchanged_since"])
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


def copied(bench: Bench) -> Path:
    """A copy of the project, with a pipeline that names a table that is not there, and a check that every customer breaks."""
    project = bench.work / "project"
    if not project.exists():
        shutil.copytree("sql", project / "sql")
        shutil.copytree("pipelines", project / "pipelines")
        text = (project / "pipelines/demo.yml").read_text()
        text = text.replace("pipeline: demo", "pipeline: broken").replace("- customers\n", "- custmers\n")
        (project / "pipelines/broken.yml").write_text(text)
        with (project / CHECKED).open("a") as file:
            file.write("checks:\n  is_nobody: { description: Nobody., condition: customer_id is null, help: look }\n")
    return project


def failures_in_json(bench: Bench) -> None:
    """Whatever is wrong, `--log json` tells in JSON and once; `Bench.end` refuses other lines."""
    project, unknown = copied(bench), "0190a2bc-0000-7000-8000-00000000dead"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    for what, code, says, others in (
        ("a misspelt pipeline", 2, "pipelines/dmo.yml", {"pipeline": "pipelines/dmo.yml"}),
        ("a misspelt table", 2, "custmers", {"pipeline": str(project / "pipelines/broken.yml")}),
        ("an unknown replay", 2, unknown, {"of": ("--replay", unknown)}),
        ("a broken check", 3, "is_nobody", {"pipeline": str(project / "pipelines/demo.yml")}),
    ):
        ended = bench.run("failures_in_json", nobody, **others)
        bench.same(f"{what}: exit code", ended.code, code)
        message, faults = json_log.failure(ended.events, ended.code)
        bench.faults += [f"{what}: {fault}" for fault in faults]
        bench.expect(says in message, f"{what}: the log does not name it: {message}")


def unplanned(bench: Bench) -> None:
    """A fault of the pipeline's file: the run never began, and is told under the name of its file."""
    with Backend() as backend:
        ended = bench.run("unplanned", backend.url, pipeline=str(copied(bench) / "pipelines/broken.yml"))
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
        ended = bench.end(process)
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
    waited = (ended.at - datetime.fromisoformat(ended.last("run_finished")["time"])).total_seconds()
    print(f"  {name}: {waited:.1f} s after the run's end")
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


CASES: list[Callable[[Bench], None]] = [
    published, unchanged, failed, failures_in_json, unplanned, stopped, dead, hanging, refusing, not_asked,
]


def main() -> int:
    cvm, work, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    made = [cvm, "generate", "--customers", CUSTOMERS, "--to", f"file:{work}/raw"]
    subprocess.run(made, check=True, capture_output=True)
    failures, official = 0, None
    try:
        official = at_hand()
    except SystemExit as missing:
        failures += 1
        print(f"FAILED  OpenLineage's own JSON Schemas: {missing}; the cases go on without them")
    chosen = [case for case in CASES if not names or any(name in case.__name__ for name in names)]
    for case in chosen:
        bench = Bench(cvm, work, official)
        try:
            case(bench)
        except Exception as error:  # What is not there at all ends a case, and not the others.
            bench.faults.append(f"{type(error).__name__}: {error}")
        print(f"{'FAILED' if bench.faults else 'passed'}  {case.__name__}", flush=True)
        for fault in bench.faults[:20]:
            print(f"        {fault}")
        failures += bool(bench.faults)
    print(f"observed: {len(chosen)} cases, {failures} failed")
    return 1 if failures or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
