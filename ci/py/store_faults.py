"""What a store does badly, by a proxy before it: the same of every kind of store. All that can go wrong is played with S3, in
fault_cases_remote.py; here is what each kind of client decides for itself: what is tried again, and what is not."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fault_proxy import FaultProxy, Rule, answers, before


def in_url(text: str) -> str:
    """A pattern of a text in a URL, whichever of its signs a client encodes."""
    return "".join(sign if sign.isalnum() else f"({re.escape(sign)}|%{ord(sign):02X})" for sign in text)


TRIES = 3
RAW, TABLE = in_url("by-day/2011-01-04.csv"), in_url("customer_values/run=")
CONFIGURATION, TRANSIENT = 2, 5


def project_of(pipeline: str, work: Path) -> Path:
    """The project with stores that are tried so often, for a run that fails to fail soon."""
    project = work / "tried"
    for folder in ("pipelines", "sql"):
        shutil.copytree(folder, project / folder)
    file = project / pipeline
    text = file.read_text()
    options = f"options: {{ max_retries: {TRIES - 1}, retry_timeout_seconds: 20 }}"
    tried = text.replace('raw}" }', f'raw}}", {options} }}').replace('lake}" }', f'lake}}", {options} }}')
    if tried.count(options) != 2:
        raise SystemExit(f"{pipeline} declares its stores otherwise than this script thinks")
    file.write_text(tried)
    return project


def play(server, cvm: str, pipeline: str, as_of: str, work: Path, expect: Callable[[bool, str], None]):
    """`server` is a stores.Server that holds the raw objects and a published run."""
    project, url = project_of(pipeline, work), f"{server.scheme}://{server.bucket}"
    commits = f"marts/{Path(pipeline).stem}/_cvm/commits/"
    with FaultProxy(server.port) as proxy:
        through = {name: value.replace(f":{server.port}", f":{proxy.port}") for name, value in server.environment.items()}
        environment = os.environ | through | {"CVM_RAW": url, "CVM_LAKE": url}

        def run(*rules: Rule) -> tuple[int, str, float]:
            proxy.inject(*rules)
            began = time.monotonic()
            ran = subprocess.run([cvm, "run", pipeline, "--as-of", as_of, "--no-cache"], cwd=project, env=environment,
                                 capture_output=True, text=True, check=False, timeout=180)
            return ran.returncode, ran.stderr, time.monotonic() - began

        def publishes_nothing(what: str, code: int, rule: Rule, *words: str):
            before_it = server.list(commits)
            ended, errors, seconds = run(rule)
            expect(rule.fired > 0, f"{what}: it was played {rule.fired} times")
            missing = [word for word in words if word not in errors]
            expect(ended == code and not missing, f"{what}: exit code {ended} after {seconds:.1f} s, untold: {missing}")
            if ended != code or missing:
                print(errors[-2000:])
            expect(server.list(commits) == before_it, f"{what}: readers see what they saw")

        reading, writing = Rule("GET", RAW, answers(503), times=TRIES - 1), Rule("PUT", TABLE, answers(500), times=TRIES - 1)
        code, errors, _ = run(reading, writing)
        expect(code == 0, f"503 at reading and 500 at writing pass: exit code {code}")
        if code:
            print(errors[-2000:])
        expect((reading.fired, writing.fired) == (TRIES - 1, TRIES - 1), f"… played {reading.fired} and {writing.fired} times")
        times = proxy.times("GET", RAW)
        # That they are of random length takes more of them to see: fault_cases_remote.py.
        pauses = [round(later - earlier, 2) for earlier, later in zip(times, times[1:])]
        expect(len(times) == TRIES and min(pauses) > 0.09, f"… with pauses: {pauses}")

        publishes_nothing("throttled for good", TRANSIENT, Rule("GET", RAW, answers(503)), "2011-01-04.csv")
        asked = len(proxy.asked("GET", RAW))
        expect(asked == TRIES, f"throttled for good: tried {asked} times")
        publishes_nothing("denied", CONFIGURATION, Rule("GET", RAW, answers(403)), "2011-01-04.csv", "credentials")
        asked = len(proxy.asked("GET", RAW))
        expect(asked == 1, f"denied: tried {asked} times")
        publishes_nothing("gone in mid-run", TRANSIENT, Rule("GET", RAW, before(proxy.vanish), times=1))
        proxy.come()
        code, errors, _ = run()
        expect(code == 0, f"the next run publishes: exit code {code}")
