"""What lies under `_cvm`, and the published tables, damaged by anyone who can write there.

Nothing that is written there may lead a reader, a run or a clean-up out of the target.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile_project import MIB, Answer, Box, Case

FILE = "pipelines/shop.yml"
GARBAGE = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: b"",
    "no JSON": lambda text: b"hello",
    "binary": lambda text: bytes(range(256)) * 40,
    "not UTF-8": lambda text: text.replace(b"shop", b"sh\xffp", 1),
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "a byte-order mark before it": lambda text: b"\xef\xbb\xbf" + text,
    "a list": lambda text: b"[]",
    "an empty object": lambda text: b"{}",
    "null": lambda text: b"null",
    "a number": lambda text: b"7",
    "no more than its format": lambda text: b'{"format": 1}',
    "a negative format": lambda text: text.replace(b'"format": 1', b'"format": -1', 1),
    "a huge format": lambda text: text.replace(b'"format": 1', b'"format": 1e300', 1),
    "a format of text": lambda text: text.replace(b'"format": 1', b'"format": "1"', 1),
    "100,000 levels": lambda text: b"[" * 100_000 + b"]" * 100_000,
    "100,000 levels in a field": lambda text: text.rstrip()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a key twice": lambda text: text.rstrip()[:-1] + b', "format": 1, "run_id": "x", "run_id": "y"}',
    "garbage behind it": lambda text: text + b"}",
    "NULs behind it": lambda text: text + bytes(4096),
}
# What only adds a field, which a reader of this version does not know.
HARMLESS = ("100,000 levels in a field",)
TRAVERSALS = ("../../../../../outside", "..", "/etc", "a/../../..", "%2e%2e%2f", "..\\..", "a\0b", "a\nb", "", "x" * 5000)


def run(day: str, *more: str) -> list[str]:
    return ["run", FILE, "--as-of", day, *more]


def commit_file(box: Box, number: int) -> Path:
    return box.target / f"_cvm/commits/{number:08}.json"


def commit(box: Box, number: int) -> dict:
    return json.loads(commit_file(box, number).read_text())


def manifest_file(box: Box, number: int) -> Path:
    return box.target / f"_cvm/runs/{commit(box, number)['run_id']}.json"


def published(box: Box):
    """Two runs have published, and their files are old enough for a clean-up."""
    for day, rows in (("2024-01-01", "1,a\n"), ("2024-01-02", "1,a\n2,b\n")):
        box.write("raw/a.csv", "id,note\n" + rows)
        done = box.run(*run(day))
        assert done.exit == 0, done.said
    box.runs = [commit(box, number)["run_id"] for number in (1, 2)]


def age(folder: Path):
    """Lets everything below a folder be of last year, links aside."""
    then = time.time() - 365 * 24 * 60 * 60
    for path, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.utime(os.path.join(path, name), (then, then), follow_symlinks=False)
    os.utime(folder, (then, then))


COMMANDS = {
    "query": ["query", FILE, "select id, note from orders_seen", "--format", "json"],
    "runs": ["runs", FILE],
    "diff": ["diff", FILE, "FIRST", "SECOND"],
    "gc": ["gc", FILE, "--retain", "1"],
    "run": run("2024-01-03"),
}


class Damage(Case):
    """A published target, something done to it, and every command in its presence.

    The ids of the runs are known only once they ran, so that FIRST and SECOND stand for them.
    """

    def __init__(self, name: str, change: Callable[[Box], object], answers: dict[str, Answer], after=lambda box: []):
        def prepare(box: Box):
            published(box)
            change(box)
            age(box.target)
            for words, _ in self.answers:
                words[:] = [box.runs[("FIRST", "SECOND").index(word)] if word in ("FIRST", "SECOND") else word for word in words]

        super().__init__(f"state: {name}", prepare, [(list(COMMANDS[verb]), answer) for verb, answer in answers.items()], after)


def all_of(exit_code, *says: str, **others: Answer) -> dict[str, Answer]:
    """One answer to every command but those that are given."""
    return {verb: Answer(exit_code, says) for verb in COMMANDS} | others


def edit(number: int, change: Callable[[dict], object], of=commit_file) -> Callable[[Box], object]:
    """Changes the JSON of a commit or of its manifest."""

    def apply(box: Box):
        file = of(box, number)
        value = json.loads(file.read_text())
        change(value)
        file.write_text(json.dumps(value))

    return apply


def nothing(box: Box) -> list[str]:
    return []


def untouched(box: Box) -> list[str]:
    """The data files of both runs must be there still."""
    gone = [name for name in box.runs if not (box.target / f"orders_seen/run={name}/part-00000.parquet").is_file()]
    return [f"the files of {name} are gone" for name in gone]


def commits() -> Iterator[Case]:
    corrupt = "00000002.json is not a file of cvm"
    for name, change in GARBAGE.items():
        answers = all_of(0) if name in HARMLESS else all_of(1, corrupt)
        after = nothing if name in HARMLESS else untouched
        yield Damage(f"the last commit: {name}", lambda box, change=change: rewrite(commit_file(box, 2), change), answers, after)
    for name in ("cut", "no JSON", "an empty object"):
        change = GARBAGE[name]
        yield Damage(
            f"an earlier commit: {name}",
            lambda box, change=change: rewrite(commit_file(box, 1), change),
            all_of(1, "00000001.json is not a file of cvm", query=Answer(0, ('"id":2',))),
            untouched,
        )
    newer = "use a newer cvm"
    yield Damage("a commit of a newer format", edit(2, lambda value: value.update(format=2)), all_of(2, newer), untouched)
    for number in (-1, 0, 1, 3, 2**63, 2**64 - 1, 2**64, 1e300, "2", None):
        yield Damage(
            f"a commit that says it is number {number}",
            edit(2, lambda value, number=number: value.update(number=number)),
            all_of(1, corrupt),
            untouched,
        )
    yield Damage("a commit of 50 MiB", edit(2, lambda value: value.update(x="y" * 50 * MIB)), all_of(0))
    yield Damage(
        "a commit of another pipeline",
        edit(2, lambda value: value.update(pipeline="other")),
        all_of(0, run=Answer(2, ("is published by pipeline `other`, not by `shop`",))),
    )
    yield Damage(
        "a commit of no tables",
        edit(2, lambda value: value.update(tables={})),
        all_of(0, query=Answer(2, ("orders_seen",)), diff=Answer(0)),
    )
    for name in TRAVERSALS:
        # A run id is one folder's name, whatever is in it: its manifest is looked for in the target and is not there.
        yield Damage(
            f"a commit of a run named {json.dumps(name)[:30]}",
            edit(2, lambda value, name=name: value.update(run_id=name)),
            all_of((0, 1, 2, 5)),
        )
        shown = {"orders_seen": {"run": name}}
        yield Damage(
            f"a commit that shows a run named {json.dumps(name)[:30]}",
            edit(2, lambda value, shown=shown: value["tables"].update(shown)),
            all_of((0, 1, 2, 5)),
        )
        yield Damage(
            f"a commit that shows a table named {json.dumps(name)[:30]}",
            edit(2, lambda value, name=name: value["tables"].update({name: value["tables"]["orders_seen"]})),
            all_of((0, 1, 2, 5)),
        )


def rewrite(file: Path, change: Callable[[bytes], bytes]):
    file.write_bytes(change(file.read_bytes()))


def numbers() -> Iterator[Case]:
    """Files among the commits that are none, or leave gaps."""

    def copied(name: str, number: int | None = None):
        def apply(box: Box):
            value = commit(box, 2)
            value["number"] = value["number"] if number is None else number
            (box.target / "_cvm/commits" / name).write_text(json.dumps(value))

        return apply

    shown = {
        "query": Answer(0, ('"id":2',)),
        "runs": Answer(0, ("2024-01-02",)),
        "diff": Answer(0),
        "gc": Answer(0, ("removed 1 runs",)),
        "run": Answer(0),
    }
    for name in (
        "5.json",
        "+5.json",
        "-5.json",
        "0x5.json",
        "five.json",
        "99999999999999999999.json",
        "000000005.json",
        ".json",
        "00000005.json.bak",
        "00000005",
        "1e1.json",
        " 5.json",
        "٥.json",
        "00000003.json#1",
    ):
        yield Damage(f"a file {name} among the commits", copied(name), dict(shown))
    yield Damage("a folder among the commits", lambda box: (box.target / "_cvm/commits/00000009.json").mkdir(), dict(shown))
    yield Damage("a gap behind the last commit", copied("00000009.json", 9), shown | {"diff": Answer(0)})
    for far in (10**11, 10**12, 2**64 - 2, 2**64 - 1, 2**64):
        yield Damage(f"a gap up to commit {far}", copied(f"{far}.json", far), dict(shown))
    yield Damage(
        "the first commit is gone",
        lambda box: commit_file(box, 1).unlink(),
        shown | {"diff": Answer(2, ("no commit names it",)), "gc": Answer(0)},
    )
    yield Damage(
        "the last commit is gone",
        lambda box: commit_file(box, 2).unlink(),
        shown
        | {
            "query": Answer(0, ('"id":1',)),
            "runs": Answer(0, ("2024-01-01",)),
            "diff": Answer(2, ("no commit names it",)),
            "gc": Answer(0),
        },
    )
    yield Damage("a commit number 0", copied("00000000.json", 0), dict(shown))


def manifests() -> Iterator[Case]:
    """What a run says that it made."""
    corrupt = ".json is not a file of cvm"
    for name, change in GARBAGE.items():
        yield Damage(
            f"the last manifest: {name}",
            lambda box, change=change: rewrite(manifest_file(box, 2), change),
            all_of(0 if name in HARMLESS else 1, *(() if name in HARMLESS else (corrupt,)), gc=Answer(0, ("removed 1 runs, kept 1",))),
        )
    yield Damage(
        "the last manifest is gone",
        lambda box: manifest_file(box, 2).unlink(),
        all_of(1, "it is not there", gc=Answer(0), runs=Answer(0), run=Answer((0, 1))),
    )

    def files(path: str):
        def change(value: dict):
            for table in value["tables"]:
                table["files"] = [{"path": path, "rows": 1, "bytes": 5, "sha256": "00"}]

        return edit(2, change, manifest_file)

    for path in (
        *TRAVERSALS,
        "../../../../outside/canary",
        "/etc/passwd",
        "orders_seen/../../../../../outside/canary",
        "http://127.0.0.1:1/x",
        "*",
        "{a,b}",
    ):
        yield Damage(
            f"a manifest with a file {json.dumps(path)[:30]}",
            files(path),
            {"query": Answer(2), "runs": Answer(0), "diff": Answer(2), "gc": Answer(0, ("removed 1 runs, kept 1",)), "run": Answer((0, 2))},
        )

    def table(**changed):
        return edit(2, lambda value: [each.update(changed) for each in value["tables"]], manifest_file)

    for rows in (-1, 1.5, 2**64, "1"):
        yield Damage(f"a manifest of {rows} rows", table(rows=rows), all_of(1, corrupt, gc=Answer(0)))
    for rows in (0, 2**63, 2**64 - 1):
        yield Damage(f"a manifest of {rows} rows", table(rows=rows), all_of(0))
    column = {"name": "id", "type": "bigint", "required": True, "description": "", "nulls": 0}
    for kind in ("blob", "decimal(99,1)", "", "varchar[]", "x" * 10_000):
        yield Damage(
            f"a manifest with a column of type {kind[:16]!r}",
            table(columns=[column | {"type": kind}]),
            all_of(1, corrupt, gc=Answer(0), runs=Answer(0), run=Answer((0, 1))),
        )
    # What is published cannot be read then, and a run looks back at it: what stands in its way is told.
    lying = {"gc": Answer(0), "runs": Answer(0), "run": Answer((0, 1))}
    yield Damage("a manifest with columns of one name", table(columns=[column, column]), all_of((0, 1, 2), **lying))
    yield Damage("a manifest without columns", table(columns=[]), all_of((0, 1, 2), **lying))
    quoted = column | {"name": 'id" is null) union select 1 --'}
    yield Damage("a manifest with a column that is SQL", table(columns=[quoted]), all_of((0, 1, 2), **lying))
    yield Damage("a manifest with a key that is SQL", table(key=['id" = 1 or "1']), all_of((0, 1, 2), **lying))
    yield Damage(
        "a manifest of another run", lambda box: shutil.copy(manifest_file(box, 1), manifest_file(box, 2)), all_of(0, gc=Answer(0))
    )
    yield Damage("a manifest of a day that is none", edit(2, lambda value: value.update(as_of="someday"), manifest_file), all_of(0))


def others() -> Iterator[Case]:
    """Markers, the record of stable paths, and litter."""
    fine = {"query": Answer(0, ('"id":2',)), "runs": Answer(0), "diff": Answer(0), "gc": Answer(0), "run": Answer(0)}

    def marker(name: str, content: bytes):
        return lambda box: box.write(f"lake/marts/shop/_cvm/running/{name}.json", content)

    readers = {"query": fine["query"], "run": fine["run"]}
    live = json.dumps(
        {"format": 1, "run_id": "x", "pipeline": "shop", "started_at": "", "claimed_at": -(2**63), "beat": 2**64 - 1}
    ).encode()
    for name, change in GARBAGE.items():
        yield Damage(f"a marker: {name}", marker("x", change(live)), dict(readers))
        yield Damage(
            f"the record of stable paths: {name}",
            lambda box, change=change: rewrite(box.target / "_cvm/stable.json", change),
            dict(readers),
        )
    yield Damage("a marker that never beats", marker("x", live), dict(fine))
    yield Damage("a marker with an odd name", marker("..%2f..%2f..%2foutside", live), dict(fine))
    yield Damage("1,000 markers", lambda box: [marker(f"x{number}", live)(box) for number in range(1000)], dict(fine))
    for number in (0, 1, 3, 2**63, 2**64 - 1):
        yield Damage(f"a record of stable paths of commit {number}", lambda box, number=number: stable(box, commit=number), dict(fine))
    yield Damage(
        "a record of stable paths of a newer format", lambda box: stable(box, format=9), fine | {"run": Answer(2, ("use a newer cvm",))}
    )
    for name in TRAVERSALS:
        known = {name: {"run": "x", "bytes": 1, "e_tag": None}, f"{name}/canary": {"run": "x", "bytes": 1, "e_tag": None}}
        yield Damage(
            f"a record of a stable path {json.dumps(name)[:30]}",
            lambda box, known=known: stable(box, tables=known),
            fine | {"run": Answer((0, 2, 5))},
        )

    def file(box: Box) -> Path:
        return box.target / f"orders_seen/run={box.runs[1]}/part-00000.parquet"

    altered = "orders_seen/run=", "is not as it was published"
    broken = {"query": Answer(2, altered), "runs": Answer(0), "diff": Answer(2), "gc": Answer(0), "run": Answer(0)}
    yield Damage("a data file is gone", lambda box: file(box).unlink(), dict(broken))
    yield Damage("a data file is empty", lambda box: file(box).write_bytes(b""), dict(broken))
    yield Damage("a data file is cut", lambda box: rewrite(file(box), lambda content: content[:-20]), dict(broken))
    yield Damage("a data file is longer", lambda box: rewrite(file(box), lambda content: content + bytes(100)), dict(broken))
    yield Damage(
        "a data file is another's",
        lambda box: shutil.copy(box.target / f"check_results/run={box.runs[1]}/part-00000.parquet", file(box)),
        {"query": Answer(2, altered), "runs": Answer(0), "diff": Answer(2), "gc": Answer(0), "run": Answer(0)},
    )
    yield Damage("a data file is a folder", lambda box: (file(box).unlink(), file(box).mkdir()), broken | {"run": Answer((0, 5))})
    yield Damage("a stable path is gone", lambda box: (box.target / "orders_seen.parquet").unlink(), dict(fine))
    yield Damage(
        "a stable path is garbage", lambda box: (box.target / "orders_seen.parquet").write_bytes(b"x"), broken | {"run": Answer(0)}
    )
    yield Damage(
        "a stable path is a folder",
        lambda box: ((box.target / "orders_seen.parquet").unlink(), (box.target / "orders_seen.parquet").mkdir()),
        fine | {"run": Answer((2, 5), ("orders_seen.parquet",))},
    )


def stable(box: Box, **changed):
    file = box.target / "_cvm/stable.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def clean_ups() -> Iterator[Case]:
    """`cvm gc` deletes what runs left in the target, and nothing that a link leads to."""
    gc = {"gc": Answer(0)}

    def victims(box: Box) -> Path:
        """Files elsewhere that look as if a run of last year had left them."""
        folder = box.folder / "outside/lake"
        for path in (
            "run=old/part-00000.parquet",
            "orders_seen/run=old/part-00000.parquet",
            "old/check.csv",
            "old.json",
            "part-00000.parquet",
            "check.csv",
        ):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("alive")
        age(folder)
        return folder

    def linked(path: str, to: str = ""):
        def apply(box: Box):
            link = box.target / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(victims(box) / to)

        return apply

    def alive(box: Box) -> list[str]:
        gone = [
            path
            for path in (
                "run=old/part-00000.parquet",
                "orders_seen/run=old/part-00000.parquet",
                "old/check.csv",
                "old.json",
                "part-00000.parquet",
                "check.csv",
            )
            if not (box.folder / "outside/lake" / path).is_file()
        ]
        return [f"outside/lake/{path} is gone" for path in gone]

    for path, to in (
        ("linked", ""),
        ("linked", "orders_seen"),
        ("orders_seen/run=linked", ""),
        ("_cvm/broken/linked", ""),
        ("_cvm/broken/linked", "old"),
        ("_cvm/runs/linked", ""),
        ("_cvm/running/linked", ""),
        ("_cvm/runs/linked.json", "old.json"),
        ("_cvm/broken/old/check.csv", "check.csv"),
        ("orders_seen/run=linked/part-00000.parquet", "part-00000.parquet"),
    ):
        yield Damage(f"a clean-up past a link {path} to {to or 'a folder'} elsewhere", linked(path, to), dict(gc), alive)
        yield Damage(f"a run past a link {path} to {to or 'a folder'} elsewhere", linked(path, to), {"run": Answer(0)}, alive)

    def folder(name: str):
        def apply(box: Box):
            victims(box)
            box.write(f"lake/marts/shop/{name}/part-00000.parquet", "x")

        return apply

    for name in (
        "orders_seen/run=..",
        "orders_seen/run=%2e%2e",
        "orders_seen/run=a%2fb",
        "orders_seen/run=",
        "%2e%2e/run=old",
        "run=old/run=old",
        "orders_seen/run=a b",
        "é/run=é",
    ):
        yield Damage(f"a clean-up of a folder {name}", folder(name), dict(gc), alive)

    def unreadable(box: Box):
        box.write("lake/marts/shop/orders_seen/run=old/part-00000.parquet", "x")
        (box.target / "orders_seen/run=old").chmod(0)

    yield Damage("a clean-up of a folder that nobody may enter", unreadable, {"gc": Answer((1, 2, 5))})

    def moved(box: Box):
        folder(f"orders_seen/run={box.runs[0]}")(box)
        (box.target / "_cvm/commits").rename(box.target / "_cvm/gone")

    yield Damage(
        "a clean-up where all commits are gone",
        moved,
        {"gc": Answer(2, ("nothing is published",)), "query": Answer(2, ("nothing is published",))},
        untouched,
    )


def cases() -> Iterator[Case]:
    yield from commits()
    yield from numbers()
    yield from manifests()
    yield from others()
    yield from clean_ups()
