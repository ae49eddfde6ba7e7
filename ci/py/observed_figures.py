"""The figures of a run that published: what each of those who are told of it has, beside the run's own report."""

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from observed_backend import Backend
from observed_bench import AS_OF, OTHER_KEY, PARENT_RUN, PARENT_SPAN, PIPELINE, TRACE, Bench, Ended
from observed_forms import Samples, spans_of

AS_OF_SECONDS = 1_735_689_600


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


def outputs(bench: Bench, event: dict[str, Any], manifest: dict[str, Any]) -> None:
    told, report = by_symlink(event["outputs"]), manifest["report"]
    columns = {table["name"]: [(of["name"], of["type"]) for of in table["columns"]] for table in manifest["tables"]}
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
        fields = of["facets"].get("schema", {}).get("fields", [])
        bench.same(f"columns of {name}", [(field["name"], field["type"]) for field in fields], columns[name])


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
