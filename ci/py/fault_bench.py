"""What faults are injected into: a project, its raw data and its targets, in folders and in a bucket behind the proxy."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import cycle, dropwhile
from pathlib import Path

from fault_project import FEW_TABLES, write_data, write_project
from fault_proxy import FaultProxy, Rule
from published import Published, sha256
from s3 import BUCKET, Server

DAYS = ("2023-01-01", "2024-01-01")
CUSTOMERS, NOTES = 600, 30_000
TABLES = {"tables": FEW_TABLES, "notes": ("stg_remarks__notes",)}
RUN_SECONDS = 120


@dataclass
class Outcome:
    code: int
    said: str
    seconds: float
    # What is wrong with how it was said.
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        return self.said.splitlines()

    def failure(self) -> list[str]:
        """What is told of why it failed: all but the warnings before."""
        return list(dropwhile(lambda line: line.startswith("  warning "), self.lines()))


@dataclass
class Case:
    """One fault. `inject` sets it up for a run and may give rules for the proxy; what it gives back undoes it. `more` tells what
    else is wrong after the run; it sees the requests."""

    name: str
    code: int
    says: tuple[str, ...] = ()
    rules: Callable[["Bench"], list[Rule]] = lambda bench: []
    # Where the stores are: `remote`, `patient` (remote with the default time limits), `local` or `mixed` (customers remote, the rest local).
    where: str = "remote"
    pipeline: str = "tables"
    inject: Callable[["Bench"], Callable[[], None] | None] = lambda bench: None
    run: Callable[["Bench", "Case", str], Outcome] = lambda bench, case, day: bench.run(case.pipeline, case.where, day)
    more: Callable[["Bench", Outcome], Iterable[str]] = lambda bench, outcome: ()
    # Readers may see the new tables at the paths behind the manifest, the old ones at some stable paths.
    commits: bool = False
    # Whether the store lets the run remove what it wrote.
    cleans: bool = True


@dataclass
class Seen:
    """What readers see of a target."""

    commits: int
    files: dict[str, str]
    stable: dict[str, str]
    # Markers, and files of runs that no commit shows.
    litter: set[str]
    # Where a file of the commit is not what its manifest says.
    faults: list[str] = field(default_factory=list)


def litter(target: Path, runs: set[str]) -> set[str]:
    files = [path for path in target.glob("*/run=*/*") if path.parent.name[4:] not in runs]
    files += [path for path in target.glob("_cvm/runs/*.json") if path.stem not in runs]
    return {str(path.relative_to(target)) for path in (*files, *target.glob("_cvm/running/*.json"))}


def is_remote(where: str) -> bool:
    return where in ("remote", "patient")


class Bench:
    """The project, its data in a folder and in a bucket, and the targets in both."""

    def __init__(self, cvm: str, work: Path, server: Server, proxy: FaultProxy):
        self.cvm, self.work, self.server, self.proxy = str(Path(cvm).resolve()), work, server, proxy
        # What is published locally, and what fills the disk, lies on a small disk of its own.
        self.project, self.raw, self.disk = work / "project", work / "raw", work / "disk"
        self.lake, self.tags = self.disk / "lake", {}
        self.patience, self.known = RUN_SECONDS, {}
        # Who else is told of a run, by the variables that name them.
        self.others: dict[str, str] = {}
        self.last: dict[tuple[str, bool], Seen] = {}
        self.days = cycle(DAYS)
        self.expected: dict[tuple[str, str], dict[str, str]] = {}

    def environment(self, where: str) -> dict[str, str]:
        bucket, remote = f"s3://{BUCKET}", is_remote(where)
        stores = {
            "FAULTS_RAW": f"{bucket}/raw" if remote else f"file:{self.raw}",
            "FAULTS_OFFICE": f"file:{self.raw}" if where == "local" else f"{bucket}/raw",
            "FAULTS_LAKE": f"{bucket}/lake" if remote else f"file:{self.lake}",
        }
        return os.environ | self.server.environment | {"AWS_ENDPOINT_URL": self.proxy.url} | stores | self.others

    def command(self, pipeline: str, where: str, day: str, *arguments: str) -> list[str]:
        return ["run", f"pipelines/{pipeline}_{where}.yml", "--as-of", day, "--no-cache", *arguments]

    def run(self, pipeline: str, where: str, day: str, *arguments: str) -> Outcome:
        """A run as a person sees it: nothing but warnings and its failure on standard error."""
        return self.finish(self.start(pipeline, where, day, *arguments))

    def generate(self, where: str, to: str) -> Outcome:
        """Raw data of the synthetic company, which nothing reads."""
        began = time.monotonic()
        done = subprocess.run([self.cvm, "generate", "--customers", "50", "--to", to], cwd=self.project, env=self.environment(where),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=RUN_SECONDS)
        return Outcome(done.returncode, done.stderr, time.monotonic() - began)

    def start(self, pipeline: str, where: str, day: str, *arguments: str) -> subprocess.Popen:
        command = [self.cvm, *self.command(pipeline, where, day, *arguments), "--log", "human"]
        process = subprocess.Popen(command, cwd=self.project, env=self.environment(where), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
        process.began = time.monotonic()
        return process

    def finish(self, process: subprocess.Popen) -> Outcome:
        try:
            _, said = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
        return Outcome(process.returncode, said, time.monotonic() - process.began)

    def target(self, pipeline: str, where: str) -> Published:
        folder = self.lake / "marts" / pipeline
        if is_remote(where):
            folder = self.work / "mirror" / pipeline
            self.mirror(f"lake/marts/{pipeline}/", folder)
        return Published(folder)

    def mirror(self, prefix: str, into: Path):
        """Makes a folder what a prefix of the bucket is, past the proxy."""
        pages = self.server.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        there = {into / entry["Key"].removeprefix(prefix): entry for page in pages for entry in page.get("Contents", [])}
        for path in [path for path in into.rglob("*") if path.is_file() and path not in there]:
            path.unlink()
        for path, entry in there.items():
            if path.exists() and self.tags.get(path) == entry["ETag"]:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            self.server.client.download_file(BUCKET, entry["Key"], str(path))
            self.tags[path] = entry["ETag"]

    def seen(self, pipeline: str, where: str) -> Seen:
        """What readers see now; it is told again as `last`."""
        published = self.target(pipeline, where)
        commits = published.commits()
        runs = {shown["run"] for commit in commits for shown in commit["tables"].values()}
        tables = published.tables(commits[-1]) if commits else {}
        seen = Seen(len(commits), {}, {}, litter(published.target, runs))
        for name, entry in tables.items():
            seen.files[name] = entry["files"][0]["sha256"]
            stable = published.stable(name)
            seen.stable[name] = self.sha256(stable) if stable.exists() else "absent"
            seen.faults += [f"{file['path']} is not what its manifest says" for file in entry["files"]
                            if self.sha256(published.target / file["path"]) != file["sha256"]]
        self.last[pipeline, is_remote(where)] = seen
        return seen

    def sha256(self, path: Path) -> str:
        """Worked out again only for a file that changed."""
        status = path.stat()
        key = (path, status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in self.known:
            self.known[key] = sha256(path)
        return self.known[key]

    def uploads(self) -> list[str]:
        """Multipart uploads that were begun and neither completed nor aborted."""
        return [upload["Key"] for upload in self.server.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]

    def wrong(self, pipeline: str, where: str, day: str) -> list[str]:
        """Where readers do not see what a run of this day publishes."""
        return self.differences(self.seen(pipeline, where), pipeline, day)

    def differences(self, seen: Seen, pipeline: str, day: str) -> list[str]:
        expected = self.expected[pipeline, day]
        return seen.faults + [f"{name} is not that of {day}" for name, fingerprint in expected.items()
                              if not seen.files.get(name) == seen.stable.get(name) == fingerprint]

    def prepare(self, pipelines: tuple[str, ...] = tuple(TABLES), notes: int = NOTES):
        """Puts everything where it belongs and publishes everywhere for the first time."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([self.cvm, "init", str(self.project)], check=True, **quiet)
        write_project(self.project)
        write_data(self.raw, CUSTOMERS, notes)
        self.server.put_folder(self.raw)
        for pipeline in pipelines:
            for day in DAYS:
                self.must(pipeline, "local", day)
                files = self.seen(pipeline, "local").files
                self.expected[pipeline, day] = {name: files[name] for name in TABLES[pipeline]}
            # Twice, so that there is an old run to clean up.
            for _ in range(2):
                self.must(pipeline, "remote", next(self.days))
        one, other = (self.expected["tables", day] for day in DAYS)
        if one == other:
            raise SystemExit("the tables of both days are the same: nothing that follows would prove anything")

    def must(self, pipeline: str, where: str, day: str):
        outcome = self.run(pipeline, where, day)
        wrong = self.wrong(pipeline, where, day) if (pipeline, day) in self.expected else []
        if outcome.code or wrong:
            raise SystemExit(f"a run without any fault failed: exit code {outcome.code}: {'; '.join(wrong)}\n{outcome.said}")
