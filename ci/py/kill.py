"""Kills runs at random moments, into a folder and into a bucket, and after each kill reads what a reader would see.

usage: kill.py CVM WORK KILLS SEED

WORK is an empty folder. Successive runs have different as-of days, so that the old tables and the new differ. Half of the kills
fall uniformly over the time of a run. Publishing is short, so the other half fall on the changes that a run makes to its target: as seen in
the folder, and in the bucket before each write comes to the store and before its answer comes back. After each, every
file of the last commits has the checksum of its manifest, the tables shown are those of one run and of its day, and stable
paths are each old or new, whole; then the next run must publish. Two races follow, and all of it ends with a count of what
the kills fell on.
"""

import json
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fault_bench import Bench, Outcome
from fault_proxy import FaultProxy
from kill_places import PHASES, PIPELINE, Bucket, Folder, Place, Sight
from published import Published, sha256
from s3 import Server

CONCURRENT_RUN = 4
NOTES = 100
# Of ten kills so many are over the folder, the rest over the bucket.
FOLDER_SHARE = 6
# Every so many kills old runs are cleaned up, and these last commits stay.
CLEAN_UP_EVERY, RETAIN = 10, 3


def version_faults(published: Published, commits: list[dict], expected: dict[tuple[str, str], dict[str, str]]) -> Iterator[str]:
    """Where what readers of the manifest see is not one version, whole."""
    for commit in commits[-RETAIN:]:
        number, run = commit["number"], commit["run_id"]
        strange = [name for name, where in commit["tables"].items() if where["run"] != run]
        if strange:
            yield f"commit {number} shows {strange} of another run"
        shown = published.tables(commit)
        for name, entry in shown.items():
            for file in entry["files"]:
                path = published.target / file["path"]
                if not path.exists():
                    yield f"commit {number}: {file['path']} is missing"
                elif path.stat().st_size != file["bytes"] or sha256(path) != file["sha256"]:
                    yield f"commit {number}: {file['path']} is not what its manifest says"
        of_the_day = expected[PIPELINE, published.manifest(run)["as_of"]]
        fingerprints = {name: entry["files"][0]["sha256"] for name, entry in shown.items()}
        for name in [name for name, fingerprint in of_the_day.items() if fingerprints.get(name) != fingerprint]:
            yield f"commit {number}: {name} is not that of its day"


def sight_faults(place: Place, before: Sight, after: Sight) -> list[str]:
    """What a reader sees after a kill that is neither the old version nor the new, whole."""
    new = len(after.commits) - len(before.commits)
    found = []
    if after.commits[: len(before.commits)] != before.commits:
        found.append("the commits that there were are no more what they were")
    if new > 1:
        found.append(f"one run made {new} commits")
    found += version_faults(after.published, after.commits, place.bench.expected)
    # Until stable paths are rolled forward they show the commit before; a kill leaves them at most one behind.
    return found + after.published.stable_faults(after.commits[-1 - max(new, 0):])


def next_faults(place: Place, before: Sight, outcome: Outcome, commits: int) -> list[str]:
    """What is wrong after a run that nobody killed, which was to make so many commits."""
    after = place.look()
    found = [f"the next run exited {outcome.code}: {outcome.said}"] if outcome.code else []
    if len(after.commits) != len(before.commits) + commits or after.commits[: len(before.commits)] != before.commits:
        found.append(f"the next run made {len(after.commits) - len(before.commits)} commits instead of {commits}")
    if after.rolled_to != after.commits[-1]["number"]:
        found.append("the next run left its stable paths behind")
    found += version_faults(after.published, after.commits, place.bench.expected)
    return found + after.published.stable_faults(after.commits[-1:])


def kill_once(place: Place, told: str, moment: object) -> tuple[str | None, list[str]]:
    """The phase that the kill fell on, none where the run had ended, and what was wrong after it."""
    before, day = place.last, next(place.days)
    process = place.start(day)
    place.kill(process, moment)
    outcome = place.bench.finish(process)
    place.settle()
    killed = outcome.code == -signal.SIGKILL
    after = place.look()
    phase = after.phase_since(before) if killed else None
    faults = sight_faults(place, before, after)
    if not killed and outcome.code:
        faults.append(f"the run itself exited {outcome.code}: {outcome.said}")
    rolled = ""
    if phase == "at stable paths" and place.draw.random() < 0.5:
        # A run that finds nothing to publish still brings them up to the commit.
        faults += next_faults(place, after, place.run_with_cache(day), commits=0)
        rolled = ", rolled forward"
    whole_run = place.run(next(place.days))
    # The machine may be busier now, or less.
    place.seconds += (whole_run.seconds - place.seconds) / 4
    faults += next_faults(place, after, whole_run, commits=1)
    version = "new" if len(after.commits) > len(before.commits) else "old"
    print(f"{place.name:<7} {told:<24} {phase or 'had ended':<18} readers see the {version} tables{rolled}   "
          f"{'; '.join(faults) or 'whole'}", flush=True)
    return phase, faults


def kill_often(place: Place, kills: int) -> tuple[Counter, list[str]]:
    """So many runs killed; a run that ended before it could be does not count."""
    place.measure()
    place.look()
    fell_on, faults, last = Counter(), [], 0
    for told, moment in place.moments():
        phase, found = kill_once(place, told, moment)
        faults += found
        fell_on.update([phase] if phase else [])
        if fell_on.total() != last and fell_on.total() % CLEAN_UP_EVERY == 0:
            faults += clean_up(place)
        last = fell_on.total()
        if last == kills:
            break
    return fell_on, faults


def clean_up(place: Place) -> list[str]:
    before = place.last
    outcome = place.clean_up(RETAIN)
    after = place.look()
    found = [f"cvm gc exited {outcome.code}: {outcome.said}"] if outcome.code else sight_faults(place, before, after)
    if len(after.data) >= len(before.data):
        found.append("cvm gc removed nothing")
    print(f"{place.name:<7} cvm gc: {len(before.data)} files became {len(after.data)}   {'; '.join(found) or 'whole'}", flush=True)
    return found


def race(place: Place, name: str, together: Callable[[Place], list[Outcome]]) -> list[str]:
    """Of two runs, one publishes and the other gives way with its code."""
    before = place.last
    outcomes = together(place)
    codes = [outcome.code for outcome in outcomes]
    found = [] if sorted(codes) == [0, CONCURRENT_RUN] else [f"{outcome.code}: {outcome.said}" for outcome in outcomes]
    found += next_faults(place, before, Outcome(0, "", 0.0), commits=1)
    print(f"{place.name:<7} {name}: exit codes {codes}   {'; '.join(found) or 'one commit'}", flush=True)
    return found


def begun_together(place: Place) -> list[Outcome]:
    """Both have begun, of the same commit, before either goes on."""
    markers = place.markers()
    first = place.start(next(place.days))
    markers |= place.await_marker(first, markers)
    first.send_signal(signal.SIGSTOP)
    second = place.start(next(place.days))
    place.await_marker(second, markers)
    first.send_signal(signal.SIGCONT)
    return [place.bench.finish(first), place.bench.finish(second)]


def overtaken_while_stopped(place: Place) -> list[Outcome]:
    """The first run is stopped in the middle, as on a machine that hangs: it looks dead, the second publishes, and the first, waking
    up, must not publish over it."""
    first = place.start(next(place.days))
    place.await_marker(first, place.markers())
    first.send_signal(signal.SIGSTOP)
    second = place.run(next(place.days))
    first.send_signal(signal.SIGCONT)
    return [place.bench.finish(first), second]


def blind_spots(place: Place, work: Path) -> list[str]:
    """Damage done by hand to a copy of the target that would not be seen."""
    sight = place.look()
    commit = sight.commits[-1]
    # As if the last commit had just been made.
    before = replace(sight, commits=sight.commits[:-1])

    def file_of(target: Path, table: str) -> Path:
        return target / sight.published.tables(commit)[table]["files"][0]["path"]

    def flip(path: Path):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    def mix(target: Path):
        path = target / f"_cvm/commits/{commit['number']:08}.json"
        other = commit["tables"] | {"customers": sight.commits[-2]["tables"]["customers"]}
        path.write_text(json.dumps(commit | {"tables": other}))

    damages: dict[str, Callable[[Path], object]] = {
        "a flipped bit in a file": lambda target: flip(file_of(target, "customers")),
        "a missing file": lambda target: file_of(target, "customers").unlink(),
        "a flipped bit at a stable path": lambda target: flip(target / "customers.parquet"),
        "a missing stable path": lambda target: (target / "customers.parquet").unlink(),
        "another table at a stable path": lambda target: shutil.copy(target / "sales_coverage.parquet", target / "customers.parquet"),
        "tables of two runs": mix,
        "a commit that is gone": lambda target: (target / f"_cvm/commits/{commit['number']:08}.json").unlink(),
    }
    found = []
    for number, (name, damage) in enumerate({"nothing": lambda target: None, **damages}.items()):
        copy = Published(shutil.copytree(sight.published.target, work / f"damaged-{number}"))
        damage(copy.target)
        seen = sight_faults(place, before, replace(sight, published=copy, commits=copy.commits()))
        print(f"        {name}: {seen[0] if seen else 'nothing seen'}")
        if bool(seen) != (name != "nothing"):
            found.append(f"{name} done by hand: {seen or 'not seen'}")
    return found


def main() -> int:
    cvm, work, kills, seed = sys.argv[1:]
    folder, draw = Path(work), random.Random(int(seed))
    print(f"seed {seed}")
    faults = []
    with Server(folder) as server, FaultProxy(server.port) as proxy:
        bench = Bench(cvm, folder, server, proxy)
        bench.prepare((PIPELINE,), NOTES)
        places = (Folder(bench, draw), Bucket(bench, draw))
        of_folder = int(kills) * FOLDER_SHARE // 10
        fell_on: dict[str, Counter] = {}
        print("what is done by hand to the published tables, and what is seen of it:")
        faults += blind_spots(places[0], folder)
        for place, share in zip(places, (of_folder, int(kills) - of_folder), strict=True):
            fell_on[place.name], found = kill_often(place, share)
            faults += found
            faults += race(place, "two runs begun together", begun_together)
            faults += race(place, "a stopped run, overtaken", overtaken_while_stopped)
    print(f"{'killed':<18}" + "".join(f"{name:>8}" for name in fell_on))
    for phase in PHASES:
        print(f"{phase:<18}" + "".join(f"{counts[phase]:>8}" for counts in fell_on.values()))
        # A few kills cannot fall on everything.
        if int(kills) >= 200 and not any(counts[phase] for counts in fell_on.values()):
            faults.append(f"no kill fell on {phase}")
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"kill: {sum(counts.total() for counts in fell_on.values())} kills and 4 races, {len(faults)} faults; seed {seed}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
