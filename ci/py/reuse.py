"""Runs Online Retail day after day with a cache and without, and compares what was done and what was published.

usage: reuse.py CVM DATA WORK

Each step states what must be done again. Bytes are compared with runs that keep nothing.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from published import Published

PIPELINE = "pipelines/online_retail.yml"
CACHE_BYTES = 8 << 20


@dataclass
class Told:
    """What a run's log tells of its work."""

    done: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    rows_read: int = 0
    rows_reused: int = 0
    # Of tables that are kept in parts: how many there are, and how many an earlier run worked out.
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    unchanged: bool = False
    seconds: float = 0.0

    @property
    def rows_new(self) -> int:
        return self.rows_read - self.rows_reused


class Case:
    """A project with raw days of its own, a cache and a lake."""

    def __init__(self, cvm: str, data: Path, work: Path):
        self.cvm, self.work = cvm, work
        self.days = sorted((data / "online_retail" / "by-day").glob("*.csv"))
        self.raw = work / "raw" / "online_retail" / "by-day"
        self.raw.mkdir(parents=True)
        self.project = work / "project"
        for folder in ("pipelines", "sql"):
            shutil.copytree(folder, self.project / folder)
        self.cache = work / "cache"
        self.target = Published(work / "lake" / "marts" / "online_retail")
        self.faults: list[str] = []

    def add(self, days: list[Path]) -> None:
        for day in days:
            shutil.copyfile(day, self.raw / day.name)

    def command(self, as_of: str, *more: str) -> list[str]:
        return [self.cvm, "run", PIPELINE, "--as-of", as_of, "--log", "json", *more]

    def environment(self) -> dict[str, str]:
        places = {"CVM_RAW": f"file:{self.work}/raw", "CVM_LAKE": f"file:{self.work}/lake"}
        return os.environ | places | {"CVM_CACHE": str(self.cache), "CVM_CACHE_SIZE": "10GiB"}

    def run(self, as_of: str, *more: str) -> Told:
        began = time.monotonic()
        ran = subprocess.run(
            self.command(as_of, *more), cwd=self.project, env=self.environment(), capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            print(ran.stderr)
            sys.exit(f"FAILED: exit {ran.returncode}")
        told = Told(seconds=time.monotonic() - began)
        for event in map(json.loads, ran.stderr.splitlines()):
            match event["event"]:
                case "stage_finished" if event["kind"] != "sql" or event["rows"] is not None:
                    # A view is worked out where it is read.
                    told.done.add(event["stage"])
                case "reused":
                    told.reused.add(event["stage"])
                case "source_read":
                    told.rows_read += event["rows_read"]
                    told.rows_reused += event["rows_reused"]
                case "put_together":
                    told.parts[event["stage"]] = (event["parts"], event["parts_reused"])
                case "unchanged":
                    told.unchanged = True
        return told

    def same_bytes(self, as_of: str) -> bool:
        """Whether a run that keeps nothing publishes what the last one did, of the same day and so with the same runs before it."""
        self.run(as_of, "--no-cache")
        kept, anew = self.target.commits()[-2:]
        return self.target.fingerprints(kept) == self.target.fingerprints(anew)

    def hold(self, what: str, holds: bool, seen: object = "") -> None:
        print(f"{'ok    ' if holds else 'FAULT '} {what}{f': {seen}' if seen != '' else ''}", flush=True)
        if not holds:
            self.faults.append(what)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its inode and the time of its last change."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            status = path.stat()
            found[str(path)] = (status.st_ino, status.st_mtime_ns)
    return found


def day_after_day(case: Case) -> None:
    case.add(case.days[:-1])
    first = case.run("2011-12-09")
    case.hold("the first run does all of the work", not first.reused and first.rows_reused == 0, f"{first.rows_read} rows read")

    before = files(case.work / "lake")
    again = case.run("2011-12-09")
    case.hold("a run without news ends at once", again.unchanged and not again.done, f"{again.seconds:.2f} s")
    case.hold("… and writes nothing", files(case.work / "lake") == before)

    case.add(case.days[-1:])
    next_day = case.run("2011-12-10")
    share = next_day.rows_new / next_day.rows_read
    case.hold("one more day of data has at most a fifth of the rows read", 0 < share <= 0.2, f"{next_day.rows_new} of {next_day.rows_read}")
    days = len(case.days)
    case.hold("… its orders, customers and products are put together of the days", next_day.parts == of_days(days, days - 1), next_day.parts)
    case.hold("… and publishes the bytes of a run that keeps nothing", case.same_bytes("2011-12-10"))


def of_days(days: int, reused: int) -> dict[str, tuple[int, int]]:
    return {f"stg_online_retail__{table}": (days, reused) for table in ("orders", "customers", "products")}


def late_rows(case: Case) -> None:
    """A row of an invoice of the first day comes in the file of a day half a year later, as from a till that was offline."""
    first, late = case.raw / case.days[0].name, case.raw / case.days[len(case.days) // 2].name
    row = first.read_text().splitlines()[1]
    text = late.read_text()
    late.write_text(f"{text}{row}\n")
    ran = case.run("2011-12-10")
    days = len(case.days)
    case.hold("a row that comes late has its file read again", 0 < ran.rows_new == text.count("\n"), f"{ran.rows_new} rows")
    case.hold("… and the groups of that file worked out, whenever its day was", ran.parts == of_days(days, days - 1), ran.parts)
    case.hold("… and publishes the bytes of a run that keeps nothing", case.same_bytes("2011-12-10"))
    late.write_text(text)


def retention(case: Case) -> None:
    """The oldest day goes, so that every other has another place among the files."""
    oldest, aside = case.raw / case.days[0].name, case.work / "aside"
    oldest.rename(aside)
    ran = case.run("2011-12-10")
    days = len(case.days) - 1
    case.hold("an oldest day that goes has no other read again", ran.rows_new == 0 and ran.rows_read > 0, f"{ran.rows_read} rows reused")
    case.hold("… nor its groups worked out", ran.parts == of_days(days, days), ran.parts)
    case.hold("… and publishes the bytes of a run that keeps nothing", case.same_bytes("2011-12-10"))
    aside.rename(oldest)


def other_sql(case: Case) -> None:
    mart = case.project / "sql" / "marts" / "customer_values.sql"
    sql = mart.read_text()
    mart.write_text(sql.replace("select * from final", "select * from final where 1 = 1"))
    changed = case.run("2011-12-10")
    between = {stage for stage in changed.done if stage.startswith(("int_", "stg_", "online_retail."))}
    case.hold("other SQL of a mart has the mart made again", "customer_values" in changed.done)
    case.hold("… and nothing that it is made of", not between and changed.rows_new == 0, sorted(between) or f"{len(changed.reused)} steps reused")
    case.hold("… and publishes the bytes of a run that keeps nothing", case.same_bytes("2011-12-10"))
    mart.write_text(sql)


def killed(case: Case) -> None:
    shutil.rmtree(case.cache)
    process = subprocess.Popen(
        case.command("2011-12-10"), cwd=case.project, env=case.environment(), stderr=subprocess.DEVNULL, start_new_session=True
    )
    kept = case.cache / "kept"
    while process.poll() is None and not (kept.exists() and any(kept.glob("stage-*"))):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    case.hold("a run was killed half-way", process.wait() == -signal.SIGKILL)
    gone_on = case.run("2011-12-10")
    case.hold("the next goes on with what it had", gone_on.rows_new == 0 and bool(gone_on.done), f"{len(gone_on.reused)} steps reused")
    case.hold("… removes what it left behind", not any((case.cache / "work").iterdir()))
    case.hold("… and publishes the bytes of a run that keeps nothing", case.same_bytes("2011-12-10"))


def bounded(case: Case) -> None:
    size = sum(path.stat().st_size for path in case.cache.rglob("*") if path.is_file())
    case.hold("without the bound more would be kept", size > CACHE_BYTES, f"{size >> 20} MiB")
    case.run("2011-12-08", "--cache-size", str(CACHE_BYTES))
    size = sum(path.stat().st_size for path in (case.cache / "kept").rglob("*") if path.is_file() and path.name != "entry.json")
    case.hold("what is kept stays within its bound", 0 < size <= CACHE_BYTES, f"{size >> 20} MiB")
    mode = case.cache.stat().st_mode & 0o777
    case.hold("nobody else may read it", mode == 0o700, oct(mode))


def main() -> None:
    cvm, data, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    case = Case(cvm, data, work)
    for step in (day_after_day, late_rows, retention, other_sql, killed, bounded):
        step(case)
    if case.faults:
        sys.exit(f"FAILED: {len(case.faults)} faults")


if __name__ == "__main__":
    main()
