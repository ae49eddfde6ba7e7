"""Files of a project that are no YAML, or too much of it."""

from collections.abc import Iterator

from hostile_project import CONTRACT, MIB, PIPELINE, SOURCE, Answer, Box, Case

FILE = "pipelines/shop.yml"
CONTRACT_FILE = "sql/marts/orders_seen.yml"
VERBS = (["validate", FILE], ["run", FILE, "--as-of", "2024-01-01"])


def case(name: str, path: str, text: str | bytes, exit_code: int, *says: str, verbs=VERBS[:1]) -> Case:
    """A case that changes one file; the commands give one answer."""

    def prepare(box: Box):
        box.write("raw/a.csv", "id,note\n1,a\n")
        box.write(path, text)

    return Case(f"yaml: {name}", prepare, [(verb, Answer(exit_code, says)) for verb in verbs])


def pipeline(name: str, text: str | bytes, exit_code: int, *says: str, **more) -> Case:
    return case(name, FILE, text, exit_code, *says, **more)


def laughs(levels: int, width: int) -> str:
    """A billion laughs: each level names the one before so many times."""
    lines = ["l0: &l0 [lol]"]
    for level in range(1, levels):
        lines.append(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * width)}]")
    return "\n".join(lines) + "\n"


def syntax() -> Iterator[Case]:
    yield pipeline("10,000 brackets", PIPELINE + "x: " + "[" * 10_000 + "]" * 10_000, 2, f"{FILE}:12: ", verbs=VERBS)
    yield pipeline("1,000,000 brackets that do not end", "[" * 1_000_000, 2, f"{FILE}:1: ")
    yield pipeline("10,000 braces", PIPELINE + "x: " + "{a: " * 10_000 + "1" + "}" * 10_000, 2, f"{FILE}:12: ")
    blocks = "".join(" " * level + "a:\n" for level in range(2_000))
    yield pipeline("2,000 levels of blocks", PIPELINE + blocks, 2, FILE + ":")
    dashes = "- " * 10_000 + "a\n"
    yield pipeline("10,000 dashes in a line", dashes, 2, f"{FILE}:1: ")
    yield pipeline("a billion laughs", PIPELINE + laughs(10, 10), 2, FILE + ":", verbs=VERBS)
    yield pipeline("quadratic laughs", PIPELINE + "a: &a " + "x" * 20_000 + "\nb: [" + "*a," * 20_000 + "]\n", 2, FILE + ":")
    yield pipeline("an alias of itself", PIPELINE + "x: &x [*x]\n", 2, f"{FILE}:12: ")
    yield pipeline("an alias of nothing", PIPELINE + "x: *nobody\n", 2, f"{FILE}:12: ")
    anchored = PIPELINE.replace("description: A shop.", "description: &d A shop.").replace("currency: GBP", "currency: &c GBP")
    yield pipeline("an anchor", anchored, 0)
    merged = PIPELINE.replace('lake: { url: "file:lake" }', "lake: { <<: *raw }").replace("raw: { url", "raw: &raw { url")
    yield pipeline("a merge key", merged, 0)
    yield pipeline("a key twice", PIPELINE + "pipeline: shop\n", 2, f"{FILE}:12: `pipeline` is there twice", "keep one", verbs=VERBS)
    yield pipeline("a key twice, once quoted", PIPELINE + '"pipeline": shop\n', 2, f"{FILE}:12: `pipeline` is there twice")
    yield pipeline("tabs", PIPELINE.replace("  raw:", "\traw:"), 2, f"{FILE}:5: ")
    yield pipeline("a NUL", PIPELINE.replace("A shop.", "A \0 shop."), 2, f"{FILE}:2: ")
    yield pipeline("an escaped NUL in a description", PIPELINE.replace("A shop.", '"A \\0 shop."'), 0)
    yield pipeline("an escaped NUL in a name", PIPELINE.replace("pipeline: shop", 'pipeline: "sh\\0op"'), 2, f"{FILE}:1: ")
    yield pipeline("control characters", PIPELINE.replace("A shop.", "A \x07 shop."), 2, f"{FILE}:2: ")
    yield pipeline("not UTF-8", PIPELINE.encode().replace(b"A shop.", b"A sh\xffp."), 2, "shop.yml", "UTF-8", verbs=VERBS)
    yield pipeline("UTF-16", PIPELINE.encode("utf-16"), 2, "shop.yml", "UTF-8")
    yield pipeline("a byte-order mark", "\ufeff" + PIPELINE, 0)
    yield pipeline("line ends of another system", PIPELINE.replace("\n", "\r\n"), 0)
    yield pipeline("an unknown tag", PIPELINE.replace("A shop.", "!shop A shop."), 0)
    yield pipeline(
        "a tag of another language",
        PIPELINE.replace("A shop.", "!!python/object/apply:os.system [touch ../outside/owned]"),
        2,
        f"{FILE}:2: ",
    )
    yield pipeline("binary that is none", PIPELINE.replace("A shop.", "!!binary ???"), 2, f"{FILE}:2: ")
    yield pipeline("two documents", PIPELINE + "---\n" + PIPELINE, 2, FILE + ":")
    yield pipeline("an end of the document", PIPELINE + "...\n", 0)
    yield pipeline("an empty file", "", 2, FILE)
    yield pipeline("nothing but a comment", "# nothing\n", 2, FILE)
    yield pipeline("a scalar", "shop\n", 2, f"{FILE}:1: ")
    yield pipeline("a list", "- shop\n", 2, f"{FILE}:1: ")
    yield pipeline("an unclosed quote", PIPELINE + 'x: "y\n', 2, FILE + ":")
    yield pipeline("a file of 50 MiB, one text", PIPELINE.replace("A shop.", "x" * 50 * MIB), 2, "shop.yml", "more than 16 MiB")
    yield pipeline("a file of 50 MiB, a comment", PIPELINE + "#" * 50 * MIB, 2, "shop.yml", "more than 16 MiB")
    yield pipeline(
        "a file of 50 MiB, many keys",
        PIPELINE + "".join(f"k{number}: 1\n" for number in range(4_000_000)),
        2,
        "shop.yml",
        "more than 16 MiB",
    )
    yield pipeline("a file of 10 MiB, one text", PIPELINE.replace("A shop.", "x" * 10 * MIB), 0)
    yield pipeline("a file of 10 MiB, many keys", PIPELINE + "".join(f"k{number}: 1\n" for number in range(900_000)), 2, FILE + ":")


def values() -> Iterator[Case]:
    for value in (".nan", ".inf", "-1", "1e400", "99999999999999999999", "0x10", "~", "[]", "{}", "'0.1'", "yes"):
        yield pipeline(
            f"a rate of {value}", PIPELINE.replace("annual_discount_rate: 0.1", f"annual_discount_rate: {value}"), 2, f"{FILE}:3: "
        )
    for value in ("9223372036854775808", "-9223372036854775808", "1.5", "365.0", "0x1ffff"):
        yield pipeline(f"a horizon of {value}", PIPELINE.replace("horizon_days: 365", f"horizon_days: {value}"), 2, f"{FILE}:3: ")
    for value in ("0o17", "!!int '3'", "1_000", "+3"):
        yield pipeline(f"a horizon of {value}", PIPELINE.replace("horizon_days: 365", f"horizon_days: {value}"), 0)
    for key in ("1: 2", "null: 2", "[a]: 2", "{a: 1}: 2", "? [a, b]\n: 2", "true: 2", '"": 2', "1.5: 2"):
        yield pipeline(f"a key that is {key!r}", PIPELINE + key + "\n", 2, f"{FILE}:12: ")
    yield pipeline(
        "20,000 unknown keys", PIPELINE + "".join(f"k{number}: 1\n" for number in range(20_000)), 2, f"{FILE}:12: unknown key `k0`"
    )
    yield pipeline("a key of 1 MiB", PIPELINE + "k" * MIB + ": 1\n", 2, FILE + ":12: ")
    yield pipeline("a value of 1 MiB where a number is to be", PIPELINE.replace("365", "x" * MIB), 2, FILE + ":3: ")
    reference = PIPELINE.replace("file:raw", "file:${NOWHERE:-raw}")
    yield pipeline("a default of a variable", reference, 0)
    yield pipeline("a variable in a variable", PIPELINE.replace("file:raw", "file:${A:-${B}}"), 0)
    yield pipeline("20,000 variables", PIPELINE.replace("A shop.", '"' + "${NOBODY}" * 20_000 + '"'), 2, FILE + ":2: ")
    source, wide = "pipelines/sources/shop.yml", "".join(f"      c{number}: {{ type: bigint }}\n" for number in range(2_000))
    yield case("2,000 declared columns", source, SOURCE + wide, 0)
    for column in (
        "decimal(0,0)",
        "decimal(39,2)",
        "decimal(18,-2)",
        "decimal(18,99999999999)",
        "decimal(18,2",
        "bigint[]",
        "varchar(99999999999)",
    ):
        yield case(f"a column of {column}", source, SOURCE.replace("type: bigint", f'type: "{column}"'), 2, source + ":11: ")
    for share in ("1.5", "-0.1", ".nan", ".inf"):
        yield case(f"a share of {share}", source, SOURCE.replace("0.5", share), 2, source)
    for written in ("'\\r'", '"\\n"', "ab", "é", '""', '"\\0"'):
        wrong = 0 if written == '"\\0"' else 2
        yield case(f"a delimiter of {written}", source, SOURCE.replace("csv: {}", f"csv: {{ delimiter: {written} }}"), wrong)
    for pattern in (
        "a" * 100_000,
        "{" * 5_000,
        "{a,b}" * 2_000,
        "**/" * 2_000 + "*",
        "[" + "a" * 50_000,
        "a/../b",
        "/etc/*",
        "\\\\..\\\\x",
        "a\\0b",
        "\\n",
    ):
        wrong = 0 if pattern in ("a" * 100_000, "{a,b}" * 2_000, "**/" * 2_000 + "*", "a\\0b", "\\n", "\\\\..\\\\x") else 2
        yield case(f"a path of {pattern[:12]} ({len(pattern)})", source, SOURCE.replace('"*"', f'"{pattern}"'), wrong)
    for form in ("%", "%Q", "%9999f", "%" * 10_000, "é%Y", "%Y" * 5_000):
        yield case(
            f"a format of {form[:8]} ({len(form)})", source, SOURCE.replace("{ type: varchar }", f'{{ type: date, format: "{form}" }}'), 2
        )
    yield case("a contract of 10,000 brackets", CONTRACT_FILE, "[" * 10_000, 2, f"{CONTRACT_FILE}:1: ")
    yield case("a contract that is not UTF-8", CONTRACT_FILE, b"table: \xff\n", 2, "orders_seen.yml", "UTF-8")
    bounds = CONTRACT.format(table="orders_seen").replace(
        "required: true", "required: true, minimum: 9223372036854775807, maximum: -9223372036854775808"
    )
    yield case("bounds that exclude all", CONTRACT_FILE, bounds, 2, f"{CONTRACT_FILE}:6: ")


def statements() -> Iterator[Case]:
    """SQL that is hostile, in the mart's file."""
    file = "sql/marts/orders_seen.sql"
    for name, text, wrong in (
        ("SQL of 100,000 brackets", "select " + "(" * 100_000 + "1" + ")" * 100_000, 2),
        ("SQL of 10,000 nested selects", "select * from " + "(select * from " * 10_000 + "int_orders_noted" + ")" * 10_000, 2),
        ("SQL of 20,000 terms", "select id" + " + 1" * 20_000 + " as id, note from int_orders_noted", 2),
        ("SQL of 100,000 nots", "select " + "not " * 100_000 + "true as id", 2),
        ("SQL with a NUL", "select id, note from int_orders_noted\0", 2),
        ("SQL that is not UTF-8", b"select '\xff' as note from int_orders_noted", 2),
        ("SQL with an unclosed comment", "select id, note from int_orders_noted /* ", 2),
        ("SQL that reads a file", "select * from '../../outside/canary'", 2),
        ("SQL that copies to a file", "copy int_orders_noted to '../../outside/copy.parquet'", 2),
        ("SQL that makes an external table", "create external table x stored as csv location '../../outside'", 2),
        ("SQL that reads a table of the machine", "select * from information_schema.tables", 2),
    ):
        yield case(name, file, text, wrong, verbs=VERBS)


def cases() -> Iterator[Case]:
    yield from syntax()
    yield from values()
    yield from statements()
