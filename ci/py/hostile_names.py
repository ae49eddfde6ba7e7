"""Names that would mean something to a shell, a path, SQL or a reader's eye.

A name is refused where it is declared, with its place, or it is a name like any other: what it names is published and found by it.
"""

import json
from collections.abc import Iterator

from hostile_project import CONTRACT, PIPELINE, SQL, TABLES, Answer, Box, Case

FILE, SOURCE_FILE, MART = "pipelines/shop.yml", "pipelines/sources/shop.yml", "sql/marts/orders_seen"
# Names that can be no table: they would leave their folder, end their statement or look like another.
NAMES = (
    "../orders",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a b",
    " orders",
    "",
    ".",
    "..",
    "a'b",
    'a"b',
    "a;b",
    "a--b",
    "$(id)",
    "${x}",
    "%2e%2e%2f",
    "a%00b",
    "оrders",
    "ｏrders",
    "orders\u200b",
    "orders\u202e",
    "é",
    "Orders",
    "1orders",
    "-rf",
    "a" * 300,
    "a.b.c",
    "*",
    "?",
    "~",
    "CON",
    "a\x1b[31m",
)
# Words that SQL reserves, and names that cvm uses itself.
RESERVED = ("select", "from", "table", "order", "null", "true", "entities", "public", "information_schema", "datafusion", "_cvm")


def shown(name: str) -> str:
    """A name as the list of cases tells it."""
    text = json.dumps(name)
    return text if len(text) < 30 else f"{text[:12]}… ({len(name)})"


def refused(what: str, name: str, path: str, old: str, new: str, *says: str) -> Case:
    """A case where one line names something else, as YAML takes it."""

    def prepare(box: Box):
        box.write("raw/a.csv", "id,note\n1,a\n")
        box.replace(path, old, new.replace("NAME", json.dumps(name)))

    says = says or (path + ":",)
    return Case(f"names: {what} {shown(name)}", prepare, [(["run", FILE, "--as-of", "2024-01-01"], Answer(2, says))])


def declared() -> Iterator[Case]:
    """Names that stand in files of a project: every wrong one is told at once."""
    for name in NAMES:

        def prepare(box: Box, name=name):
            box.write("raw/a.csv", "id,note\n1,a\n")
            written = json.dumps(name)
            box.replace(FILE, "pipeline: shop", f"pipeline: {written}")
            box.replace(FILE, "tables: [orders_seen]", f"tables: [{written}]")
            box.source("system: shop", f"system: {written}")
            box.source("  orders:\n", f"  {written}:\n")

        says = (FILE + ":1: ", FILE + ":11: ", SOURCE_FILE + ":")
        if name == "a" * 300:  # long, and otherwise fine
            says = (FILE + ":11: ",)
        if name == "${x}":  # a file that lacks a variable is told of before what it says
            says = (FILE + ":1: ", FILE + ":11: ", "`x` is not set")
        yield Case(f"names: a pipeline, a system and tables named {shown(name)}", prepare, [(["validate", FILE], Answer(2, says))])
    for name in ("select", "_cvm", "entities.orders"):
        yield refused("an output", name, FILE, "tables: [orders_seen]", "tables: [NAME]", FILE + ":11: ")
    for name in ("entities", "public"):
        yield refused("a system", name, SOURCE_FILE, "system: shop", "system: NAME")
    for name in NAMES:
        if name not in ("", "."):
            yield refused("a source file", name, FILE, "[sources/shop.yml]", "[NAME]", FILE + ":7: ")
    for name in ("../orders", "/etc", "a/../b", "..", ".", "", "a//b", "a/./b", "/"):
        yield refused("an output's folder", name, FILE, "path: marts/shop", "path: NAME", FILE + ":10: ")


def folders() -> Iterator[Case]:
    """Folders of outputs that are odd and lie below the store, and folders of projects that are."""
    run = ["run", FILE, "--as-of", "2024-01-01"]
    answers = [(run, Answer(0, kept={1: "a"})), (["runs", FILE], Answer(0, (" 2024-01-01 ",))), (["gc", FILE], Answer(0, ("kept 1",)))]
    for name in (
        "a b",
        "a'b",
        "-rf",
        "$(id)",
        "a;b",
        "_cvm",
        "a=b",
        "x" * 200,
        "é",
        "%2e%2e",
        "a%2Fb",
        "~",
        "a\\b",
        "a?b",
        "a#b",
        "a\u202eb",
        "*",
        "{a}",
        "a|b",
    ):

        def prepare(box: Box, name=name):
            box.write("raw/a.csv", "id,note\n1,a\n")
            box.replace(FILE, "path: marts/shop", f"path: {json.dumps('marts/shop/' + name)}")

        yield Case(f"names: a folder of outputs {shown(name)}", prepare, answers)
    for name in ("a\nb", "a\0b", "a\x7fb"):
        yield refused("a folder of outputs", "marts/" + name, FILE, "path: marts/shop", "path: NAME", FILE + ":10: ")
    for name in ("a b", "é", "c#", "50%", "%2e%2e", "a?b", "[a]", "{a}", "a\\b", "~", "*"):

        def move(box: Box, name=name):
            box.write("raw/a.csv", "id,note\n1,a\n")
            box.move(name)

        yield Case(f"names: a project in a folder {shown(name)}", move, answers)

    def broken(box: Box):
        box.write("raw/a.csv", "id,note\n1,a\n")
        box.move("a\nb")

    yield Case(
        "names: a project in a folder with a line break", broken, [(run, Answer(2, ("the store `lake` cannot be used", "is no store")))]
    )


def columns() -> Iterator[Case]:
    """Columns of raw tables and of marts: any text names a column, in quotes."""
    for name in NAMES + RESERVED:
        if name in ("", "a" * 300):
            continue

        def prepare(box: Box, name=name):
            quoted = '"' + name.replace('"', '""') + '"'
            box.write("raw/a.csv", f"id,{quoted}\n1,a\n")
            box.source("      note: {", f"      {json.dumps(name)}: {{")
            for path, reads in TABLES.items():
                box.write(f"{path}.sql", SQL.format(reads=reads).replace("        note\n", f"        {quoted}\n"))
                box.write(f"{path}.yml", CONTRACT.format(table=path.rsplit("/", 1)[-1]).replace("  note:", f"  {json.dumps(name)}:"))

        quoted = '"' + name.replace('"', '""') + '"'
        run = ["run", FILE, "--as-of", "2024-01-01"]
        query = ["query", FILE, f"select {quoted} as found from orders_seen", "--format", "json"]
        if "\0" in name:  # no command line can hold it
            answers = [(run, Answer(0))]
        else:
            answers = [(run, Answer(0)), (query, Answer(0, ('{"found":"a"}',)))]
        yield Case(f"names: a column {shown(name)}", prepare, answers)


def files() -> Iterator[Case]:
    """SQL files of a project with odd names, which are the names of their tables."""
    for name in (
        "a b",
        "a'b",
        "é",
        "Orders",
        "a;b",
        "$(id)",
        "-rf",
        "..",
        "a.b",
        "select",
        "_orders",
        "x" * 200,
        "оrders_seen",
        "a\nb",
        "a%2fb",
    ):

        def prepare(box: Box, name=name):
            box.write("raw/a.csv", "id,note\n1,a\n")
            (box.project / f"{MART}.sql").rename(box.project / f"sql/marts/{name}.sql")
            (box.project / f"{MART}.yml").unlink()
            box.write(f"sql/marts/{name}.yml", CONTRACT.format(table=json.dumps(name)))
            box.replace(FILE, "[orders_seen]", f"[{json.dumps(name)}]")

        # What SQL takes without quotes names a table that people can ask for.
        answer = Answer(0) if name in ("select", "x" * 200) else Answer(2, (FILE + ":11: ",))
        yield Case(f"names: a mart's file {shown(name)}", prepare, [(["run", FILE, "--as-of", "2024-01-01"], answer)])


def arguments() -> Iterator[Case]:
    """What stands on the command line."""

    def prepare(box: Box):
        box.write("raw/a.csv", "id,note\n1,a\n")

    run = ["run", FILE, "--as-of", "2024-01-01"]

    def case(name: str, words: list[str], exit_code: int, *says: str) -> Case:
        return Case(f"names: {name}", prepare, [(run, Answer(0)), (words, Answer(exit_code, says))])

    for run_id in ("../../../outside/canary", "/etc/passwd", "..", "", "a\nb", "x" * 5000, "%2e%2e", "é"):
        yield case(f"a run to compare {shown(run_id)}", ["diff", FILE, run_id, run_id], 2)
        yield case(f"a run to replay {shown(run_id)}", ["run", FILE, "--replay", run_id], 2)
    for day in ("2024-02-30", "0000-00-00", "99999-01-01", "today", "", "2024-01-01; drop", "٢٠٢٤-٠١-٠١", "262143-12-31",
                "-2024-01-01", "0001-01-01", "9999-12-31"):
        yield case(f"a day {shown(day)}", ["run", FILE, f"--as-of={day}"], 2)
    for day in ("1900-01-01", "2200-12-31"):
        yield case(f"a day {shown(day)}", ["run", FILE, f"--as-of={day}"], 0)
    for limit in ("-1", "99999999999999999999", "x", "NaN"):
        yield case(f"a memory limit {limit}", ["run", FILE, "--as-of", "2024-01-02", f"--memory-limit={limit}"], 2)
    yield case("a memory limit 0", ["run", FILE, "--as-of", "2024-01-02", "--memory-limit=0"], 1, "Resources exhausted")
    yield case("a memory limit 1EiB", ["run", FILE, "--as-of", "2024-01-02", "--memory-limit=1EiB"], 0)
    for threads in ("0", "-1", "99999999999", "x"):
        yield case(f"threads {threads}", ["run", FILE, "--as-of", "2024-01-02", f"--threads={threads}"], 2)
    for retain in ("-1", "99999999999999999999", "x"):
        yield case(f"runs to keep {retain}", ["gc", FILE, f"--retain={retain}"], 2)
    yield case("runs to keep 0", ["gc", FILE, "--retain=0"], 0, "kept 1")
    for sql in (
        "select",
        "drop table orders_seen",
        "copy orders_seen to '../outside/x.csv'",
        "select * from '../outside/canary'",
        "",
        ";",
        "(" * 10_000,
        "create external table x stored as csv location '/etc/passwd'",
        "insert into orders_seen values (3, 'c')",
        "set datafusion.x = 1",
        "select * from read_csv('/etc/passwd')",
        "select * from information_schema.tables",
    ):
        yield case(f"a query {shown(sql)}", ["query", FILE, sql], 2)


def cases() -> Iterator[Case]:
    yield from declared()
    yield from folders()
    yield from columns()
    yield from files()
    yield from arguments()
