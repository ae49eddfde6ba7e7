"""SIGTERM at many moments of a run, as a scheduler sends it.

The store has no time limits of its own here but cvm's defaults, which are longer than a scheduler waits.
"""

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import json_log
from fault_bench import Bench, Case, Outcome
from fault_cases_remote import COMMIT, CUSTOMERS, DATA, LISTING, MANIFEST, MARKER, ORDERS, PART, STABLE
from fault_proxy import FaultProxy, Hold, Rule

TERMINATED, TRANSIENT = 6, 5
SECONDS = 10
# How much longer it is waited for, so that one that ends too late can be told from one that does not.
LEAVE_SECONDS = 10


def start(bench: Bench, case: Case, day: str) -> subprocess.Popen:
    return started(bench, case, *bench.command(case.pipeline, case.where, day), "--log", "json")


def started(bench: Bench, case: Case, *arguments: str) -> subprocess.Popen:
    message = bench.work / "termination-log"
    message.unlink(missing_ok=True)
    environment = bench.environment(case.where) | {"CVM_REPORT": str(message)}
    return subprocess.Popen([bench.cvm, *arguments], cwd=bench.project, env=environment, stderr=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, text=True, start_new_session=True)


def replay(bench: Bench, case: Case, day: str) -> subprocess.Popen:
    """A replay of the last run."""
    run = bench.target(case.pipeline, case.where).commits()[-1]["run_id"]
    return started(bench, case, "run", f"pipelines/{case.pipeline}_{case.where}.yml", "--replay", run, "--log", "json")


def clean_up(bench: Bench, case: Case, day: str) -> subprocess.Popen:
    """A clean-up that has something to remove: all but the last run."""
    return started(bench, case, "gc", f"pipelines/{case.pipeline}_{case.where}.yml", "--retain", "1")


def terminate(process: subprocess.Popen, told: str = "") -> Outcome:
    """SIGTERM; the seconds are those until the end. Something may have been `told` before."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        _, said = process.communicate(timeout=SECONDS + LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        # Its session is its own: nothing else is in it.
        os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate()
    seconds = time.monotonic() - began
    if "json" not in process.args:
        return Outcome(process.returncode, said, seconds)
    events, strange = json_log.read(told + said)
    message, faults = json_log.failure(events, process.returncode)
    return Outcome(process.returncode, message, seconds, strange + faults)


def when_held(then: Callable[[Bench], None] = lambda bench: None,
              begin: Callable[[Bench, Case, str], subprocess.Popen] = start) -> Callable[[Bench, Case, str], Outcome]:
    """Stops the run while the request of the first rule waits for its answer."""
    def run(bench: Bench, case: Case, day: str) -> Outcome:
        process = begin(bench, case, day)
        rule = bench.proxy.rules[0]
        rule.has_fired.wait(bench.patience)
        then(bench)
        return terminate(process)
    return run


def at_event(*words: str) -> Callable[[Bench, Case, str], Outcome]:
    """Stops the run when it tells of an event that has these words."""
    def run(bench: Bench, case: Case, day: str) -> Outcome:
        process, told = start(bench, case, day), ""
        for line in process.stderr:
            told += line
            if all(word in line for word in words):
                return terminate(process, told)
        return Outcome(process.wait(), f"no event with {words}", 0.0)
    return run


def while_planning(bench: Bench, case: Case, day: str) -> Outcome:
    """Stops cvm while it asks what a variable of its pipeline file stands for, which a pipe tells only when it was stopped."""
    pipe, file = bench.work / "told-late", bench.project / "pipelines/planned_late.yml"
    os.mkfifo(pipe)
    text = (bench.project / f"pipelines/{case.pipeline}_local.yml").read_text()
    file.write_text(text.replace("${FAULTS_LAKE}", f"${{file:{pipe}}}"))
    process = started(bench, case, "run", str(file), "--as-of", day, "--no-cache", "--log", "json")
    writer = opened(pipe, process)
    if writer is None:
        return Outcome(process.wait(), "it ended before it asked", 0.0)
    if select.select([process.stderr], [], [], 0)[0]:
        process.kill()
        return Outcome(process.wait(), f"it no longer planned: {process.stderr.readline()}", 0.0)
    # It listens for signals from its start on, with a thread of its own.
    time.sleep(0.1)
    tell = threading.Timer(0.5, lambda: (os.write(writer, f"file:{bench.lake}".encode()), os.close(writer)))
    tell.start()
    outcome = terminate(process)
    tell.join()
    pipe.unlink()
    file.unlink()
    return outcome


def opened(pipe: Path, process: subprocess.Popen) -> int | None:
    """The pipe's end to write to, as soon as the process waits at the other one."""
    while process.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.01)
    return None


def everything_hangs(bench: Bench):
    with bench.proxy.lock:
        bench.proxy.rules.append(Rule(".*", "", Hold()))


class Silence:
    """Lineage's backend, Pushgateway and collector take every request of a run and never answer."""

    def __init__(self):
        self.listener = FaultProxy(0)

    def inject(self, bench: Bench) -> Callable[[], None]:
        self.listener.inject(Rule(".*", "", Hold()))
        self.listener.come()
        url = self.listener.url
        told = {"OPENLINEAGE_URL": url, "CVM_PUSHGATEWAY": url, "OTEL_EXPORTER_OTLP_ENDPOINT": url}
        bench.others = told | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

        def undo():
            bench.others = {}
            self.listener.inject()
            self.listener.vanish()
        return undo

    def faults(self) -> Iterable[str]:
        if not self.listener.asked("POST", "/api/v1/lineage"):
            yield "lineage was not told that the run began"
        if not self.listener.asked("PUT", "/metrics/") and not self.listener.asked("POST", "/v1/traces"):
            yield "nobody was told that the run ended"


def ended(code: int | None) -> Callable[[Bench, Outcome], Iterable[str]]:
    """In time, and told in the termination message where there is one."""
    def more(bench: Bench, outcome: Outcome) -> Iterable[str]:
        if outcome.seconds > SECONDS:
            yield f"it took {outcome.seconds:.1f} s to end"
        if code is not None:
            yield from termination_faults(bench.work / "termination-log", code)
    return more


def termination_faults(path: Path, code: int) -> Iterable[str]:
    if not path.exists():
        yield "there is no termination message"
        return
    report = json.loads(path.read_text())
    if report["exit_code"] != code or not report.get("failure", {}).get("message"):
        yield f"the termination message tells {report['exit_code']} and {report.get('failure')}"
    if os.path.getsize(path) > 4096:
        yield f"the termination message has {os.path.getsize(path)} bytes: kubelet keeps 4096"


def cases() -> list[Case]:
    asked = ("asked to stop",)

    def held(name: str, method: str, path: str, pipeline: str = "tables", code: int = TERMINATED, says=asked, commits=False,
             cleans=True, then: Callable[[Bench], None] = lambda bench: None, begin=start, report: bool = True) -> Case:
        return Case(f"SIGTERM {name}", code, says, lambda bench: [Rule(method, path, Hold())], where="patient", pipeline=pipeline,
                    run=when_held(then, begin), more=ended(code if report else None), commits=commits, cleans=cleans)

    def told(name: str, pipeline: str, *words: str) -> Case:
        return Case(f"SIGTERM {name}", TERMINATED, asked, where="local", pipeline=pipeline, run=at_event(*words),
                    more=ended(TERMINATED))

    def nobody_answers(name: str, path: str, **other) -> Case:
        """What the commit leaves open cannot be looked up, and those who are told of the run hang as the store does."""
        case = held(f"{name} and nobody answers", "PUT", path, code=TRANSIENT, cleans=False, then=everything_hangs, **other)
        silence, in_time = Silence(), case.more
        case.inject = silence.inject
        case.more = lambda bench, outcome: (*in_time(bench, outcome), *silence.faults())
        return case

    return [
        held("while the target is listed", "GET", f"{LISTING}lake"),
        held("while the marker is put up", "PUT", MARKER),
        held("while raw objects are listed", "GET", f"{LISTING}raw"),
        held("while reading CSV", "GET", ORDERS),
        held("while reading Parquet", "GET", CUSTOMERS),
        held("while writing a table", "PUT", DATA),
        held("while writing a table in parts", "PUT", PART, pipeline="notes"),
        held("while reading back", "HEAD", DATA),
        held("while the manifest is written", "PUT", MANIFEST),
        held("while the commit is made", "PUT", COMMIT, code=TRANSIENT, says=("asked to stop", "old tables or the new"), cleans=False),
        held("while stable paths are replaced", "PUT", STABLE, code=TRANSIENT, says=("asked to stop",), commits=True),
        held("while the store hangs at everything", "GET", ORDERS, cleans=False, then=everything_hangs),
        nobody_answers("while the commit is made", COMMIT, says=("asked to stop", "old tables or the new")),
        nobody_answers("while stable paths are replaced", STABLE, says=("asked to stop",), commits=True),
        held("while the run to be replayed is looked up", "GET", MANIFEST, begin=replay),
        held("while cvm gc looks for what may go", "GET", f"{LISTING}lake", begin=clean_up, report=False),
        held("while cvm gc removes", "POST", r"\?delete", begin=clean_up, report=False),
        Case("SIGTERM while planning", TERMINATED, asked, where="local", run=while_planning, more=ended(TERMINATED)),
        told("at a stage", "tables", "stage_started", "int_customers_acquired"),
        told("at a table", "tables", "stage_started", "publish", "sales_coverage"),
        told("at a large table", "notes", "stage_started", "publish"),
    ]
