"""Injects faults into runs of cvm and holds its answers: exit code, message, what readers see, and the run after.

usage: faults.py CVM WORK [NAME …]

WORK is a folder with nothing in it but disk/, a small disk that may be filled up. With NAMEs only the cases whose name holds one of
them are run. A first good run publishes; each case then injects its fault into a run as of another day, and proves that the fault
fired. Where cvm is to fail, every published table is afterwards what it was, byte for byte, and a run without the fault succeeds; where
it is to get over the fault, it publishes what a run without it does.
"""

import os
import sys
from pathlib import Path

import fault_cases_local
import fault_cases_remote
import fault_cases_stop
from fault_bench import Bench, Case, Outcome, Seen, is_remote
from fault_proxy import FaultProxy
from s3 import Server

# What a person is shown of a failure at most.
LINES = 10


def message_faults(outcome: Outcome, says: tuple[str, ...]) -> list[str]:
    """The first of `says` is what the first line names."""
    failure = outcome.failure()
    found = [f"the message does not say `{words}`" for words in says if not any(words in line for line in failure)]
    if says and says[0] not in "".join(failure[:1]):
        found.append(f"the first line does not name `{says[0]}`")
    if len(failure) > LINES:
        found.append(f"the message has {len(failure)} lines")
    if "panicked" in outcome.said:
        found.append("it panicked")
    return found


def published_faults(bench: Bench, case: Case, day: str, before: Seen) -> list[str]:
    """What readers should not see after the run, and what should not lie there."""
    after = bench.seen(case.pipeline, case.where)
    found = [f"it left {path}" for path in sorted(after.litter - before.litter)[:3]] if case.cleans else []
    if case.code == 0:
        found += [] if after.commits == before.commits + 1 else [f"{before.commits} commits became {after.commits}"]
        return found + bench.differences(after, case.pipeline, day)
    if case.commits:
        expected = bench.expected[case.pipeline, day].items()
        found += ["the commit does not show the new tables" for name, of in expected if after.files[name] != of][:1]
        strange = [name for name, of in after.stable.items() if of not in (before.stable[name], after.files[name])]
        return after.faults + found + [f"{name} is neither old nor new" for name in strange]
    is_same = (after.commits, after.files, after.stable, after.faults) == (before.commits, before.files, before.stable, [])
    return found + ([] if is_same else ["readers do not see the old tables"])


def run_case(bench: Bench, case: Case) -> list[str]:
    """What was not as it should be."""
    before, day = bench.last[case.pipeline, is_remote(case.where)], next(bench.days)
    rules = case.rules(bench)
    bench.proxy.inject(*rules)
    undo = case.inject(bench)
    try:
        outcome = case.run(bench, case, day)
        found = [f"the fault of {rule.method} {rule.path} never fired" for rule in rules if not rule.fired]
        if outcome.code != case.code:
            found.append(f"exit code {outcome.code} instead of {case.code}")
        found += outcome.faults + (message_faults(outcome, case.says) if case.code else [])
        found += published_faults(bench, case, day, before)
        found += case.more(bench, outcome)
    finally:
        if undo:
            undo()
        bench.proxy.inject()
    fired = sum(rule.fired for rule in rules)
    if case.code:
        after = bench.run(case.pipeline, case.where, day)
        found += [f"the run after exited {after.code}: {after.said}"] if after.code else bench.wrong(case.pipeline, case.where, day)
    left = bench.uploads()
    found += [f"uploads that nobody aborted: {left}"] if left else []
    times = f"fired {fired} times, " if rules else ""
    print(f"{'FAILED' if found else 'ok':<7}{case.name}: {times}exit code {outcome.code} in {outcome.seconds:.1f} s", flush=True)
    for fault in found:
        print(f"         {fault}")
    if found or os.environ.get("FAULTS_VERBOSE"):
        print("".join(f"         | {line}\n" for line in outcome.lines()), end="", flush=True)
    return found


def main() -> int:
    cvm, work, *names = sys.argv[1:]
    folder = Path(work)
    with Server(folder) as server, FaultProxy(server.port) as proxy:
        bench = Bench(cvm, folder, server, proxy)
        if not bench.disk.is_mount():
            # Filling up the disk of the machine would be one fault too many.
            raise SystemExit(f"FAILED: no small disk is mounted at {bench.disk}, as ci/faults does")
        bench.prepare()
        cases = [case for module in (fault_cases_remote, fault_cases_local, fault_cases_stop) for case in module.cases()]
        cases = [case for case in cases if not names or any(name in case.name for name in names)]
        failed = [case.name for case in cases if run_case(bench, case)]
    print(f"faults: {len(cases)} cases, {len(failed)} failed{': ' if failed else ''}{'; '.join(failed)}")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
