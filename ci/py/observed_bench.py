"""Runs of the demo pipeline that tell others of themselves, and what they told."""

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import json_log
from observed_backend import Backend
from observed_forms import Samples, event_faults, samples_of
from observed_official import Official

PIPELINE, AS_OF = "pipelines/demo.yml", "2025-01-01"
KEY, OTHER_KEY, PASSWORD = "kEyOfLiNeAgE1q7", "kEyOfTrAcEs2w8", "pAsSwOrDoFmEtRiCs3e9"
PARENT_RUN = "0190a2bc-0000-7000-8000-000000000001"
TRACE, PARENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Ended:
    """A run that has ended."""

    code: int
    at: datetime
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
    official: Official | None = None
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def same(self, what: str, told: Any, true: Any) -> None:
        self.expect(told == true, f"{what}: told {str(told)[:300]}, true is {str(true)[:300]}")

    def start(self, name: str, backend: str, *options: str, pipeline: str = PIPELINE, of: tuple[str, ...] = ("--as-of", AS_OF),
              **variables: str) -> subprocess.Popen[str]:
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
        # Work that is kept of another run takes no time in this one, and is no stage of its log.
        here = {"CVM_CACHE_SIZE": "0", "CVM_DEMO_RAW": raw, "CVM_DEMO_LAKE": lake, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        environment = kept | told | here | variables
        files = ["--lineage", self.file(name, "jsonl"), "--metrics", self.file(name, "prom")]
        command = [self.cvm, "run", pipeline, *of, "--log", "json", *files, *options]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def end(self, process: subprocess.Popen[str]) -> Ended:
        _, stderr = process.communicate(timeout=300)
        events, strange = json_log.read(stderr)
        self.faults += strange
        for secret in (KEY, OTHER_KEY, PASSWORD, base64.b64encode(f"cvm:{PASSWORD}".encode()).decode()):
            self.expect(secret not in stderr, f"standard error shows {secret}")
        return Ended(process.returncode, datetime.now(UTC), stderr, events)

    def run(self, name: str, backend: str, *options: str, **others: Any) -> Ended:
        return self.end(self.start(name, backend, *options, **others))

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
            self.faults += self.official.faults(event) if self.official else []
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
