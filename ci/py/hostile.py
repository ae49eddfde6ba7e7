"""Runs cvm in the presence of hostile files, and holds what it does against the answer that is stated for each.

usage: hostile.py CVM WORK [WORDS]

Whatever the case: cvm ends by itself, with one of its exit codes; nothing panics; memory is bounded; nothing outside of the target
and the work folder is written or deleted, and nothing stays in the work folder; a run that fails publishes nothing.
"""

import os
import shutil
import sys
import time
from pathlib import Path

import hostile_names
import hostile_parquet
import hostile_state
import hostile_stores
import hostile_text
import hostile_yaml
from hostile_project import MIB, Box, Case, Launcher, always, differs

KINDS = (hostile_text, hostile_parquet, hostile_yaml, hostile_names, hostile_stores, hostile_state)


def judge(case: Case, box: Box) -> tuple[list[str], int]:
    """The faults of a case and the most memory that a command held."""
    case.prepare(box)
    faults, peak = [], 0
    for words, answer in case.answers:
        before, commits = box.elsewhere(), box.commits()
        done = box.run(*words)
        peak = max(peak, done.peak)
        found = always(done, answer) + differs(done, answer, box)
        after = box.elsewhere()
        touched = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        if touched:
            found.append(f"it touched {', '.join(touched[:5])}")
        if done.exit and box.commits() != commits:
            found.append("it failed and published")
        if box.litter():
            found.append(f"it left {', '.join(box.litter())} in the work folder")
        faults += [f"{' '.join(words)}: {fault}" for fault in found]
        if found:
            faults.append(f"  it said: {done.said[-800:]}")
    if not box.canary.is_file() or box.canary.read_text() != "alive":
        faults.append("the canary is dead")
    return faults + case.after(box), peak


def main() -> int:
    launcher, work = Launcher(str(Path(sys.argv[1]).absolute())), Path(sys.argv[2]).absolute()
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    cases = failed = 0
    for kind in KINDS:
        for case in kind.cases():
            if wanted not in case.name:
                continue
            box = Box(launcher, work / f"case{cases}")
            began = time.monotonic()
            faults, peak = judge(case, box)
            seconds = time.monotonic() - began
            cases, failed = cases + 1, failed + bool(faults)
            print(f"{'FAILED' if faults else 'ok':<7}{case.name:<72}{seconds:6.1f} s{peak // MIB:5} MiB", flush=True)
            for fault in faults:
                print(f"       {fault}")
            remove(box.folder)
    print(f"hostile: {cases} cases, {failed} failed")
    return 1 if failed or not cases else 0


def remove(folder: Path):
    """Removes a box; some cases leave folders that cannot be entered."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
