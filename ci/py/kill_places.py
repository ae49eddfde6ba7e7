"""The two places that runs are killed over: a target in a folder, and one in a bucket behind a proxy that can stop at any request."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from fault_bench import DAYS, Bench, Outcome
from fault_proxy import Cut, Rule
from published import Published
from s3 import BUCKET

PIPELINE = "tables"
# Between two looks at a folder: changes that lie closer together are seen as one.
GLANCE_SECONDS = 0.0001
PATIENCE_SECONDS = 60
# In the order in which a run goes through them.
PHASES = ("before its marker", "at its stages", "writing", "committing", "at stable paths", "after them")


@dataclass
class Sight:
    """What lies in a target."""

    published: Published
    commits: list[dict]
    markers: set[str]
    manifests: set[str]
    data: set[str]
    # The commit that the record of stable paths was last brought to.
    rolled_to: int

    def phase_since(self, before: "Sight") -> str:
        """How far a run came that was killed in between, by what it left."""
        if len(self.commits) > len(before.commits):
            return "after them" if self.rolled_to == self.commits[-1]["number"] else "at stable paths"
        if self.manifests - before.manifests:
            return "committing"
        if self.data - before.data:
            return "writing"
        return "at its stages" if self.markers - before.markers else "before its marker"


class Place:
    """A target, runs into it, and the moments at which to kill them."""

    name: str
    where: str

    def __init__(self, bench: Bench, draw: random.Random):
        self.bench, self.draw, self.days = bench, draw, cycle(DAYS)
        self.seconds = 0.0
        self.last: Sight

    def start(self, day: str) -> subprocess.Popen:
        return self.bench.start(PIPELINE, self.where, day)

    def run(self, day: str) -> Outcome:
        return self.bench.run(PIPELINE, self.where, day)

    def run_with_cache(self, day: str) -> Outcome:
        """A run as schedulers start it, which ends at once where readers see already what it would publish."""
        return self.command("run", f"pipelines/{PIPELINE}_{self.where}.yml", "--as-of", day)

    def clean_up(self, retain: int) -> Outcome:
        return self.command("gc", f"pipelines/{PIPELINE}_{self.where}.yml", "--retain", str(retain))

    def command(self, *arguments: str) -> Outcome:
        began = time.monotonic()
        done = subprocess.run([self.bench.cvm, *arguments], cwd=self.bench.project, env=self.bench.environment(self.where),
                              capture_output=True, text=True)
        return Outcome(done.returncode, done.stderr, time.monotonic() - began)

    def look(self) -> Sight:
        """What lies there now; it is told again as `last`."""
        published = self.bench.target(PIPELINE, self.where)
        target = published.target
        record = target / "_cvm" / "stable.json"
        self.last = Sight(
            published, published.commits(),
            markers={path.name for path in target.glob("_cvm/running/*.json")},
            manifests={path.name for path in target.glob("_cvm/runs/*.json")},
            data={str(path) for path in target.glob("*/run=*/*")},
            rolled_to=json_number(record),
        )
        return self.last

    def measure(self):
        """How long a run takes, and at what it can be killed."""
        raise NotImplementedError

    def kill_at(self, process: subprocess.Popen, moment) -> None:
        """Kills a run at a moment out of `steps`, or when it has ended."""
        raise NotImplementedError

    def steps(self) -> list:
        """What a run does to its target and can be killed at."""
        raise NotImplementedError

    def markers(self) -> set[str]:
        """Names of the markers that are up."""
        raise NotImplementedError

    def settle(self):
        """Waits until nothing that a dead run did is still on its way."""

    def moments(self) -> Iterator[tuple[str, object]]:
        """By turns any time of a run and one of its steps, of which each comes before any comes again."""
        deck: list = []
        while True:
            after = self.draw.uniform(0, self.seconds)
            yield f"after {after:.3f} s", after
            if not deck:
                deck = self.steps()
                self.draw.shuffle(deck)
            step = deck.pop()
            yield f"at {step}", step

    def kill(self, process: subprocess.Popen, moment):
        if isinstance(moment, float):
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
        else:
            self.kill_at(process, moment)

    def await_marker(self, process: subprocess.Popen, before: set[str]) -> set[str]:
        """The markers that were put up since."""
        until = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < until:
            new = self.markers() - before
            if new:
                return new
            time.sleep(GLANCE_SECONDS)
        return set()


class Folder(Place):
    name, where = "folder", "local"

    def __init__(self, bench: Bench, draw: random.Random):
        super().__init__(bench, draw)
        self.changes = 0

    def watch(self, process: subprocess.Popen, until: int) -> int:
        """Waits for so many changes to the folder or the end of the run; says how many there were."""
        target = self.bench.lake / "marts" / PIPELINE
        folders = [str(path) for path in (target, *target.iterdir(), *(target / "_cvm").iterdir()) if path.is_dir()]
        seen, last = 0, glance(folders)
        while seen < until and process.poll() is None:
            now = glance(folders)
            if now != last:
                seen, last = seen + 1, now
            else:
                time.sleep(GLANCE_SECONDS)
        return seen

    def measure(self):
        for _ in range(2):
            # The first finds caches cold.
            process = self.start(next(self.days))
            self.changes = self.watch(process, 10**6)
            self.seconds = self.bench.finish(process).seconds
        print(f"{self.name}: a run takes {self.seconds:.2f} s and is seen to change its folder {self.changes} times")

    def steps(self) -> list:
        return [f"change {number}" for number in range(1, self.changes + 1)]

    def kill_at(self, process: subprocess.Popen, moment: str):
        self.watch(process, int(moment.split()[-1]))
        process.send_signal(signal.SIGKILL)

    def markers(self) -> set[str]:
        return {path.name for path in (self.bench.lake / "marts" / PIPELINE / "_cvm/running").glob("*.json")}


class Bucket(Place):
    name, where = "bucket", "patient"
    # What changes the target.
    writes = ("PUT|POST|DELETE", f"/{BUCKET}(/lake/marts/|.*delete)")

    def __init__(self, bench: Bench, draw: random.Random):
        super().__init__(bench, draw)
        self.requests = 0

    def measure(self):
        self.bench.proxy.inject()
        self.run(next(self.days))
        self.bench.proxy.inject()
        self.seconds = self.run(next(self.days)).seconds
        self.requests = len(self.bench.proxy.asked(*self.writes))
        print(f"{self.name}: a run takes {self.seconds:.2f} s and writes to its bucket {self.requests} times")

    def steps(self) -> list:
        return [f"write {number} {when}" for number in range(1, self.requests + 1) for when in ("unsent", "unanswered")]

    def kill_at(self, process: subprocess.Popen, moment: str):
        _, number, when = moment.split()
        cut = Cut(forwards=when == "unanswered")
        self.bench.proxy.inject(Rule(*self.writes, cut, first=int(number), times=1))
        while not cut.reached.wait(0.005) and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        cut.killed.set()
        self.bench.proxy.inject()

    def settle(self):
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.bench.proxy.is_quiet():
            if time.monotonic() > until:
                raise SystemExit("the proxy still has connections of a run that was killed")
            time.sleep(0.005)

    def markers(self) -> set[str]:
        return set(self.bench.server.list(f"lake/marts/{PIPELINE}/_cvm/running/"))


def glance(folders: list[str]) -> list[tuple[str, int]]:
    """Names and files in the folders that a run works in. Their order stays while nothing changes."""
    return [(entry.name, entry.inode()) for folder in folders for entry in os.scandir(folder)]


def json_number(record: Path) -> int:
    return json.loads(record.read_text())["commit"] if record.exists() else 0
