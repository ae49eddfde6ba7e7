"""Folders of a machine that hold what no store would: links, pipes, names that are no text, files that nobody may read."""

import json
import os
from collections.abc import Callable, Iterator

from hostile_project import Answer, Box, Case

FILE = "pipelines/shop.yml"
RUN = ["run", FILE, "--as-of", "2024-01-01"]
ROW, CSV = {1: "a"}, "id,note\n1,a\n"


def case(name: str, prepare: Callable[[Box], object], exit_code: int, *says: str, verb=RUN, **more) -> Case:
    return Case(f"stores: {name}", prepare, [(verb, Answer(exit_code, says, **more))])


def exactly(box: Box, path: str = "a.csv"):
    """The raw table names one object instead of all."""
    box.source('path: "*"', f"path: {json.dumps(path)}")


def names() -> Iterator[Case]:
    """Objects with odd names are objects."""
    texts = (
        "a b.csv",
        "é.csv",
        "e\u0301.csv",
        "a'b.csv",
        'a"b.csv',
        "-rf",
        "$(id)",
        "a;b",
        "%2e%2e.csv",
        "a%2Fb.csv",
        "%00",
        "..csv",
        "...",
        ".hidden",
        "*",
        "[a].csv",
        "{a}.csv",
        "a\\b.csv",
        "~",
        "a#b.csv",
        "a?b.csv",
        "a|b",
        "a\u202eb.csv",
        "x" * 250,
        "a.csv.GZ",
        "con.csv",
    )
    for text in texts:

        def prepare(box: Box, text=text):
            box.write(f"raw/{text}", "id,note\n1,a\nx,b\n")

        aside = [(text, 3, "id", "`x` is not a bigint", "x,b")]
        yield case(f"an object {json.dumps(text)[:24]}", prepare, 0, kept=ROW, aside=aside)

    def not_text(box: Box):
        with open(os.path.join(os.fsencode(box.raw), b"\xff.csv"), "w") as out:
            out.write(CSV)

    invalid = "shop.orders: cannot read", "invalid path"
    yield case("an object whose name is no text", not_text, 2, *invalid)
    yield case("an object whose name has a line break", lambda box: box.write("raw/a\nb.csv", CSV), 2, *invalid)
    for text in ("é.csv", "é/a.csv", "a#b/c.csv", "100%.csv", "%2e%2e/a.csv", "~/a.csv"):
        yield case(
            f"an object {json.dumps(text)}, named", lambda box, text=text: (box.write(f"raw/{text}", CSV), exactly(box, text)), 0, kept=ROW
        )
        if "/" in text:
            pattern = text.replace("a.csv", "*").replace("c.csv", "*")
            yield case(
                f"objects in {json.dumps(pattern)}",
                lambda box, text=text, pattern=pattern: (box.write(f"raw/{text}", CSV), exactly(box, pattern)),
                0,
                kept=ROW,
            )

    def hive(box: Box):
        box.source("      note: { type: varchar }\n", "      note: { type: varchar }\n    partitions: { day: date }\n")
        exactly(box, "**/*.csv")
        box.write("raw/day=..%2f..%2fetc/a.csv", CSV)

    yield case("a partition that is a path", hive, 3, "partition column `day`", "is not an ISO 8601 date")


def links() -> Iterator[Case]:
    def outside(box: Box):
        (box.folder / "outside/a.csv").write_text(CSV)

    def link_to_file(box: Box):
        outside(box)
        (box.raw / "a.csv").symlink_to(box.folder / "outside/a.csv")

    # A link is how people put data beside a project: it is followed, as the shell would.
    yield case("a link to a file elsewhere is followed", link_to_file, 0, kept=ROW)

    def link_to_folder(box: Box):
        outside(box)
        (box.raw / "b").symlink_to(box.folder / "outside")
        exactly(box, "b/*.csv")

    yield case("a link to a folder elsewhere is followed", link_to_folder, 0, kept=ROW)

    def loop(box: Box):
        box.write("raw/a.csv", CSV)
        for name in ("x", "y"):
            (box.raw / name).symlink_to(box.raw)
        exactly(box, "**/*.csv")

    yield case("links in a circle", loop, 5, "shop.orders: cannot read")

    def mutual(box: Box):
        (box.raw / "a.csv").symlink_to(box.raw / "b.csv")
        (box.raw / "b.csv").symlink_to(box.raw / "a.csv")

    yield case("two links to each other", mutual, (2, 5), "shop.orders")
    yield case("two links to each other, one named", lambda box: (mutual(box), exactly(box)), (2, 5), "shop.orders")
    yield case("a link to nothing", lambda box: (box.raw / "a.csv").symlink_to("nothing"), 2, "shop.orders: nothing below", "matches `*`")
    yield case(
        "a link to nothing, named", lambda box: ((box.raw / "a.csv").symlink_to("nothing"), exactly(box)), 2, "shop.orders: nothing below"
    )
    yield case("a link to /dev/zero", lambda box: (box.raw / "a.csv").symlink_to("/dev/zero"), 2, "shop.orders: nothing below")
    yield case(
        "a link to /dev/zero, named", lambda box: ((box.raw / "a.csv").symlink_to("/dev/zero"), exactly(box)), 2, "it is no regular file"
    )


def no_files() -> Iterator[Case]:
    def fifo(box: Box):
        os.mkfifo(box.raw / "a.csv")

    yield case("a pipe among objects is none", fifo, 2, "shop.orders: nothing below")
    yield case("a pipe, named", lambda box: (fifo(box), exactly(box)), 2, "shop.orders: nothing below", "it is no regular file")
    yield case("a folder named like a file", lambda box: (box.raw / "a.csv").mkdir(), 2, "shop.orders: nothing below")
    yield case(
        "a folder named like a file, named",
        lambda box: ((box.raw / "a.csv").mkdir(), exactly(box)),
        2,
        "shop.orders: nothing below",
        "it is a directory",
    )

    def unreadable(box: Box):
        box.write("raw/a.csv", CSV).chmod(0)

    yield case("a file that nobody may read", unreadable, 2, "shop.orders: cannot read `a.csv`", "Permission denied")
    yield case(
        "a file that nobody may read, named",
        lambda box: (unreadable(box), exactly(box)),
        2,
        "shop.orders: cannot read `a.csv`",
        "Permission denied",
    )

    def closed(box: Box):
        box.write("raw/b/a.csv", CSV)
        (box.raw / "b").chmod(0)
        exactly(box, "**/*.csv")

    yield case("a folder that nobody may enter", closed, (2, 5), "shop.orders: cannot read", "Permission denied")
    yield case("a store that is a file", lambda box: (box.raw.rmdir(), box.raw.write_text("")), (2, 5), "shop.orders")
    yield case("a store that is not there", lambda box: box.raw.rmdir(), 2, "shop.orders: nothing below", "the directory does not exist")

    def target_is_a_file(box: Box):
        box.write("raw/a.csv", CSV)
        box.target.parent.mkdir(parents=True)
        box.target.write_text("")

    yield case("a target that is a file", target_is_a_file, (2, 5), "marts/shop")

    def closed_target(box: Box):
        box.write("raw/a.csv", CSV)
        box.target.mkdir(parents=True)
        box.target.chmod(0o500)

    yield case("a target that nobody may write", closed_target, 2, "Permission denied")


def urls() -> Iterator[Case]:
    def store(url: str):
        return lambda box: (
            box.write("raw/a.csv", CSV),
            box.replace(FILE, '{ url: "file:raw" }', f"{{ url: {json.dumps(url)}, options: {{ max_retries: '0' }} }}"),
        )

    for url in (
        "",
        "raw",
        "ftp://host/x",
        "file://host/x",
        "file:raw\0",
        "javascript:alert(1)",
        "s3://",
        "s3://key:secret@bucket/x",
        "http://",
        "file",
    ):
        yield case(f"a store at {json.dumps(url)}", store(url), 2, silent=("secret",))
    yield case("a store where nobody listens", store("http://127.0.0.1:1/x"), (2, 5), "shop.orders")
    yield case("a store above its project", store("file:../project/raw"), 0, kept=ROW)
    yield case(
        "a store that is the whole machine", lambda box: (store("file:/")(box), exactly(box, str(box.raw)[1:] + "/*.csv")), 0, kept=ROW
    )


def projects() -> Iterator[Case]:
    """The project's own folder is read whole."""
    validate = ["validate", FILE]

    def fifo(path: str):
        def prepare(box: Box):
            (box.project / path).unlink(missing_ok=True)
            os.mkfifo(box.project / path)

        return prepare

    for path in ("sql/marts/pipe.sql", "sql/marts/orders_seen.yml", "pipelines/sources/shop.yml"):
        yield case(f"a pipe for {path}", fifo(path), 2, "it is a pipe or a device", verb=validate)
    yield case("a pipe for a pipeline", fifo(FILE), 2, "no pipeline file", verb=validate)

    def loop(box: Box):
        for name in ("x", "y", "z"):
            (box.project / "sql" / name).symlink_to(box.project / "sql")

    yield case("links in a circle below sql", loop, 2, "remove the link", verb=validate)

    def unreadable(box: Box):
        (box.project / "sql/marts/orders_seen.sql").chmod(0)

    yield case("a SQL file that nobody may read", unreadable, 2, "cannot read", "orders_seen.sql", verb=validate)
    yield case("a folder named like a SQL file", lambda box: (box.project / "sql/marts/x.sql").mkdir(), 0, verb=validate)

    def linked(box: Box):
        (box.project / "sql/marts/orders_seen.sql").unlink()
        (box.project / "sql/marts/orders_seen.sql").symlink_to("/etc/passwd")

    yield case("a link to a file of the machine", linked, 2, "sql/marts/orders_seen.sql:1: ", verb=validate)
    yield case(
        "a link to /dev/zero for a SQL file",
        lambda box: (box.project / "sql/marts/x.sql").symlink_to("/dev/zero"),
        2,
        "it is a pipe or a device",
        verb=validate,
    )
    yield case("a pipeline that is a folder", lambda box: None, 2, "no pipeline file", verb=["validate", "pipelines"])
    yield case("a pipeline that is not there", lambda box: None, 2, "no pipeline file", verb=["validate", "pipelines/../nowhere.yml"])
    yield case("a pipeline without a project", lambda box: None, 2, verb=["validate", "../outside/canary"])


def cases() -> Iterator[Case]:
    yield from names()
    yield from links()
    yield from no_files()
    yield from urls()
    yield from projects()
