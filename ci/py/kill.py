"""Kills runs at random moments and races runs, and after each reads what a reader would see.

usage: kill.py CVM PIPELINE TARGET KILLS SEED

Successive runs have different as-of days, so that the old tables and the new differ. Half of the kills fall uniformly over the
time of a run. Publishing is short, so the other half fall on a random change among those that a run makes to the target's folder.
"""

import os
import random
import signal
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path

from published import Published

CONCURRENT_RUN = 4
AS_OF = ("2024-07-01", "2025-01-01")


class Case:
    """A pipeline, run again and again into one target."""

    def __init__(self, cvm: str, pipeline: str, target: Path):
        self.cvm, self.pipeline = cvm, pipeline
        self.published = Published(target)
        self.days = cycle(AS_OF)

    def start(self) -> subprocess.Popen:
        command = [self.cvm, "run", self.pipeline, "--as-of", next(self.days), "--no-cache"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)

    def finish(self, process: subprocess.Popen) -> int:
        """The exit code; what was printed only where that is no success and no concurrent run."""
        _, errors = process.communicate()
        if process.returncode not in (0, CONCURRENT_RUN, -signal.SIGKILL):
            print(errors.decode())
        return process.returncode

    def changes(self) -> int:
        """Counts up with whatever a run does in the target's folder."""
        count = 0
        for folder, _, files in os.walk(self.published.target):
            for file in files:
                try:
                    status = os.stat(os.path.join(folder, file))
                except FileNotFoundError:
                    continue
                count += status.st_ino + status.st_mtime_ns + status.st_size
        return count

    def watch(self, process: subprocess.Popen, until: int) -> int:
        """Waits for the given number of changes to the folder or the end of the run; says how many there were."""
        seen, last = 0, self.changes()
        while seen < until and process.poll() is None:
            now = self.changes()
            if now != last:
                seen, last = seen + 1, now
        return seen

    def faults(self, before: list[dict]) -> list[str]:
        """What a reader sees that is neither the old nor the new, whole."""
        after = self.published.commits()
        found = []
        if after[: len(before)] != before or len(after) > len(before) + 1:
            found.append(f"{len(before)} commits became {len(after)}")
        # Until stable paths are rolled forward they show the commit before; a kill leaves them at most one behind.
        return found + self.published.faults() + self.published.stable_faults(after[-2:])


def expect(condition: bool, what: str, faults: list[str]):
    if not condition:
        faults.append(what)


def kill_once(case: Case, moment: str, stop) -> list[str]:
    before = case.published.commits()
    process = case.start()
    stop(process)
    process.send_signal(signal.SIGKILL)
    code = case.finish(process)
    faults = case.faults(before)
    shown = case.published.commits()
    committed = len(shown) > len(before)
    next_code = case.finish(case.start())
    expect(next_code == 0, f"the next run exited {next_code}", faults)
    after = case.published.commits()
    expect(len(after) == len(shown) + 1, "the next run did not commit once", faults)
    faults += case.published.faults() + case.published.stable_faults(after[-1:])
    ended = "had ended" if code == 0 else "killed"
    print(f"{moment:<34} {ended:<10} readers see the {'new' if committed else 'old'} tables   {'; '.join(faults) or 'whole'}")
    return faults


def race(case: Case, name: str, together) -> list[str]:
    """Of two runs, one publishes and the other gives way with its code."""
    before = case.published.commits()
    codes = together()
    after = case.published.commits()
    faults = case.published.faults() + case.published.stable_faults(after[-1:])
    expect(sorted(codes) == [0, CONCURRENT_RUN], f"the exit codes were {codes}", faults)
    expect(len(after) == len(before) + 1, f"{len(before)} commits became {len(after)}", faults)
    print(f"{name:<34} exit codes {codes}   {'; '.join(faults) or 'one commit'}")
    return faults


def started_together(case: Case) -> list[int]:
    processes = [case.start(), case.start()]
    return [case.finish(process) for process in processes]


def overtaken_while_stopped(case: Case) -> list[int]:
    """The first run is stopped in the middle, as on a machine that hangs: it looks dead, the second publishes, and the first, waking
    up, must not publish over it."""
    first = case.start()
    case.watch(first, 1)
    first.send_signal(signal.SIGSTOP)
    second = case.finish(case.start())
    first.send_signal(signal.SIGCONT)
    return [case.finish(first), second]


def main() -> int:
    cvm, pipeline, target, kills, seed = sys.argv[1:]
    draw = random.Random(int(seed))
    case = Case(cvm, pipeline, Path(target))
    print(f"seed {seed}")
    if case.finish(case.start()) != 0:
        return 1
    began = time.monotonic()
    process = case.start()
    changes = case.watch(process, sys.maxsize)
    if case.finish(process) != 0:
        return 1
    seconds = time.monotonic() - began
    print(f"a run takes {seconds:.2f} s and changes its folder {changes} times")
    faults = []
    for number in range(int(kills)):
        if number % 2:
            after = draw.uniform(0, seconds)
            faults += kill_once(case, f"kill after {after:.3f} s", lambda process: time.sleep(after))
        else:
            change = draw.randint(1, changes)
            faults += kill_once(case, f"kill at change {change}", lambda process: case.watch(process, change))
    faults += race(case, "two runs started together", lambda: started_together(case))
    faults += race(case, "a stopped run, overtaken", lambda: overtaken_while_stopped(case))
    print(f"kill: {kills} kills and 2 races, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
