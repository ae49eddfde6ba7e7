"""What a command says with `--log json`: a JSON object with an `event` a line, once a run has begun with its id, and nothing else."""

import json
from typing import Any


def read(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The events, and what is wrong with the lines that are none."""
    events, faults, run = [], [], None
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
            if event["event"] == "run_started":
                run = event["run_id"]
            if event.get("run_id") != run:
                faults.append(f"a line does not name the run {run}: {line[:200]}")
        else:
            faults.append(f"standard error has a line that is no event in JSON: {line[:200]}")
    return events, faults


def failure(events: list[dict[str, Any]], code: int) -> tuple[str, list[str]]:
    """What the one event of a failure tells, and what is wrong with it."""
    told = [event for event in events if event["event"] == "run_failed"]
    if len(told) != 1:
        return "", [f"{len(told)} events tell that the run failed"]
    last = told[0]
    faults = [] if last.get("exit_code") == code else [f"the log tells the exit code {last.get('exit_code')}, and it was {code}"]
    return str(last.get("message")), faults + ([] if last.get("message") else ["the log does not tell why the run failed"])
