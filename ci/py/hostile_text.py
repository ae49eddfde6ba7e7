"""CSV and NDJSON that nobody meant, plain and compressed."""

import gzip
import json
import struct
import zlib
from collections.abc import Iterator

from hostile_project import CSV, MIB, Answer, Box, Case

RUN = ["run", "pipelines/shop.yml", "--as-of", "2024-01-01"]
# `aside` of most cases: nothing.
NONE: list[tuple] = []


def run(exit_code: int, *says: str, **more) -> list[tuple[list[str], Answer]]:
    return [(RUN, Answer(exit_code, says, **more))]


def kept(rows: dict, aside: list[tuple] = NONE, *says: str) -> list[tuple[list[str], Answer]]:
    return run(0, *says, kept=rows, aside=aside)


def of(file: str, content: bytes | str):
    """A raw table of one object."""
    return lambda box: box.write(f"raw/{file}", content)


def big(file: str, *parts: tuple[bytes, int]):
    """A raw table of one object: each part so many times."""

    def prepare(box: Box):
        with (box.raw / file).open("wb") as out:
            for part, times in parts:
                for _ in range(times):
                    out.write(part)

    return prepare


def tolerant(policy: str, prepare):
    def both(box: Box):
        box.source("max_bad_share: 0.5", f"max_bad_share: 0.5\nschema_drift: {policy}")
        prepare(box)

    return both


def csv(name: str, prepare, answers) -> Case:
    return Case(f"csv: {name}", prepare, answers)


def wide_rows(wide: str):
    def prepare(box: Box):
        box.source("max_bad_share: 0.5", "max_bad_share: 1")
        box.write("raw/a.csv", f"id,note,{wide}\n" + "1,a\n" * 300)

    return prepare


def csv_cases() -> Iterator[Case]:
    megabyte = b"x" * MIB
    yield csv(
        "a cell of 200 MiB",
        big("a.csv", (b"id,note\n1,", 1), (megabyte, 200), (b"\n", 1)),
        run(3, "shop.orders: a.csv is damaged: the record that starts in line 2 is longer than 16 MiB"),
    )
    yield csv("a cell of 12 MiB is a cell", big("a.csv", (b"id,note\n1,", 1), (megabyte, 12), (b"\n2,b\n", 1)), run(0, aside=NONE))
    long = "x,n" + "y" * (64 * 1024 - 3) + " …[cut]"
    yield csv(
        "a bad row of 12 MiB is cut",
        big("a.csv", (b"id,note\n1,a\nx,n", 1), (b"y" * MIB, 12), (b"\n", 1)),
        kept({1: "a"}, [("a.csv", 3, "id", "`x` is not a bigint", long)]),
    )
    yield csv(
        "a quoted cell of 20,000 lines",
        of("a.csv", 'id,note\n1,"' + "\n" * 20_000 + '"\nx,b\n'),
        kept({1: "\n" * 20_000}, [("a.csv", 20_003, "id", "`x` is not a bigint", "x,b")]),
    )
    yield csv("20,000,000 line ends", big("a.csv", (b"id,note\n1,a\n", 1), (b"\n" * MIB, 20)), kept({1: "a"}))
    yield csv("NUL in a text", of("a.csv", b"id,note\n1,a\0b\n"), kept({1: "a\0b"}))
    yield csv(
        "NUL in a number", of("a.csv", b"id,note\n1,a\n2\0,b\n"), kept({1: "a"}, [("a.csv", 3, "id", "`2\0` is not a bigint", "2\0,b")])
    )
    yield csv("NUL in the header", of("a.csv", b"id\0,note\n1,a\n"), run(3, "shop.orders: the columns of a.csv", "`id` is missing"))
    yield csv("nothing but NULs", of("a.csv", b"\0" * 10_000), run(3, "shop.orders: the columns of a.csv", "`id` is missing"))
    yield csv(
        "invalid UTF-8 in the header",
        of("a.csv", b"id,n\xffote\n1,a\n"),
        run(3, "shop.orders: the columns of a.csv", "`note` is missing (is it `n\ufffdote` now?)"),
    )
    yield csv(
        "invalid UTF-8 in a cell",
        of("a.csv", b"id,note\n1,a\n2,\xff\xfe\n"),
        kept({1: "a"}, [("a.csv", 3, "note", "not valid UTF-8", "2,\ufffd\ufffd")]),
    )
    yield csv(
        "invalid UTF-8 in a number",
        of("a.csv", b"id,note\n1,a\n\xc3,b\n"),
        kept({1: "a"}, [("a.csv", 3, "id", "not valid UTF-8", "\ufffd,b")]),
    )
    yield csv(
        "invalid UTF-8 in a column that nobody declared", tolerant("ignore_new", of("a.csv", b"id,x,note\n1,\xff,a\n")), kept({1: "a"})
    )
    yield csv(
        "overlong UTF-8 and a surrogate in UTF-8",
        of("a.csv", b"id,note\n1,a\n2,\xc0\xaf\n3,\xed\xa0\x80\n4,d\n"),
        kept(
            {1: "a", 4: "d"},
            [("a.csv", 3, "note", "not valid UTF-8", "2,\ufffd\ufffd"), ("a.csv", 4, "note", "not valid UTF-8", "3,\ufffd\ufffd\ufffd")],
        ),
    )
    yield csv("UTF-16", of("a.csv", CSV.encode("utf-16")), run(3, "shop.orders: the columns of a.csv", "`id` is missing"))
    yield csv(
        "an unclosed quote",
        of("a.csv", 'id,note\n1,a\n2,"b\n3,c\n'),
        run(3, "shop.orders: a.csv is damaged: a quote that opens in line 3 is never closed"),
    )
    yield csv(
        "an unclosed quote in the header",
        of("a.csv", '"id,note\n1,a\n'),
        run(3, "shop.orders: a.csv is damaged: a quote that opens in line 1 is never closed"),
    )
    yield csv(
        "an unclosed quote before 200 MiB",
        big("a.csv", (b'id,note\n1,"', 1), (b"2,b\n" * (MIB // 4), 200)),
        run(3, "shop.orders: a.csv is damaged: the record that starts in line 2 is longer than 16 MiB; is a quote never closed?"),
    )
    yield csv("nothing but quotes", of("a.csv", b'id,note\n1,a\n2,"' + b'""' * 100_000 + b'"\n'), kept({1: "a", 2: '"' * 100_000}))
    yield csv(
        "text behind a closing quote",
        of("a.csv", 'id,note\n1,a\n2,"b"c\n'),
        kept({1: "a"}, [("a.csv", 3, "note", "text behind a closing quote", '2,"b"c')]),
    )
    yield csv("a byte-order mark", of("a.csv", "\ufeff" + CSV), kept({1: "a", 2: "b"}))
    yield csv("two byte-order marks", of("a.csv", "\ufeff\ufeff" + CSV), run(3, "shop.orders: the columns of a.csv", "`id` is missing"))
    yield csv("nothing but a byte-order mark", of("a.csv", "\ufeff"), kept({}, NONE, "shop.orders: a.csv is empty"))
    yield csv("mixed line ends", of("a.csv", "id,note\r\n1,a\n2,b\r\n\r\n\n3,c"), kept({1: "a", 2: "b", 3: "c"}))
    yield csv(
        "a lone carriage return",
        of("a.csv", "id,note\n1,a\n2,b\r3,c\n"),
        kept({1: "a"}, [("a.csv", 3, None, "2 cells expected, 3 found", "2,b\r3,c")]),
    )
    yield csv(
        "carriage returns for line ends", of("a.csv", "id,note\r1,a\r2,b\r"), run(3, "shop.orders: the columns of a.csv", "is missing")
    )
    wide = ",".join(f"c{number}" for number in range(100_000))
    yield csv(
        "100,000 columns that nobody declared",
        of("a.csv", f"id,note,{wide}\n1,a,{wide}\n"),
        run(3, "shop.orders: the columns of a.csv are not those that are declared", "`c0`, `c1`, ", "`c9` and at least 99990 more are new"),
    )
    yield csv(
        "100,000 columns that are ignored",
        tolerant("ignore_new", of("a.csv", f"{wide},id,note\n{wide},1,a\n1,a\n")),
        kept({1: "a"}, [("a.csv", 3, None, "100002 cells expected, 2 found", "1,a")]),
    )
    reason = ", ".join(f"`c{number}`" for number in range(10)) + " and at least 99990 more are new"
    aside = [("a.csv", line, None, reason, "1,a") for line in range(2, 302)]
    yield csv("100,000 columns for each of 300 rows set aside", tolerant("set_aside", wide_rows(wide)), kept({}, aside))
    yield csv("100,000 cells in a row", of("a.csv", f"id,note\n1,a\n2,{wide}\n"), run(0, kept={1: "a"}))
    yield csv(
        "a declared column twice", of("a.csv", "id,note,id\n1,a,2\n"), run(3, "shop.orders: a.csv has the column `id` more than once")
    )
    yield csv("another column twice", tolerant("ignore_new", of("a.csv", "x,id,x,note\n0,1,0,a\n")), kept({1: "a"}))
    yield csv("columns in capitals", of("a.csv", "ID,note\n1,a\n"), run(3, "`id` is missing (is it `ID` now?)"))
    yield csv("an empty file", of("a.csv", ""), kept({}, NONE, "shop.orders: a.csv is empty"))
    yield csv("nothing but line ends", of("a.csv", "\n\r\n\n"), kept({}, NONE, "shop.orders: a.csv is empty"))
    yield csv("a header and no row", of("a.csv", "id,note\n"), kept({}))
    yield csv(
        "rows of more and of fewer cells",
        of("a.csv", "id,note\n1,a\n2\n3,c,d\n4,d\n"),
        kept(
            {1: "a", 4: "d"},
            [("a.csv", 3, None, "2 cells expected, 1 found", "2"), ("a.csv", 4, None, "2 cells expected, 3 found", "3,c,d")],
        ),
    )
    yield csv(
        "more bad rows than may be",
        of("a.csv", "id,note\n1,a\nx,b\ny,c\n"),
        run(
            3,
            "shop.orders: 2 of 3 rows were set aside (66.67 %), more than max_bad_share allows (50.00 %)",
            "a.csv:3 id: `x` is not a bigint",
        ),
    )
    yield csv(
        "a column of which no value fits",
        of("a.csv", "id,note\n" + "".join(f"n{number},a\n" for number in range(10))),
        run(
            3,
            "shop.orders: the columns of a.csv are not those that are declared: none of the 10 values of `id` is a bigint "
            "(line 2: `n0` is not a bigint). Mend the file or the declared type or format",
            silent=("ignore_new",),
        ),
    )
    yield csv(
        "a column of which one value fits",
        of("a.csv", "id,note\n" + "".join(f"{number},a\n" for number in range(1, 12)) + "".join(f"n{number},a\n" for number in range(11))),
        run(0, kept={number: "a" for number in range(1, 12)}),
    )
    yield csv(
        "numbers beyond all bounds",
        of("a.csv", f"id,note\n1,a\n9223372036854775808,b\n{'9' * 5000},c\n-9223372036854775808,d\n2,e\n"),
        run(0, kept={1: "a", -(2**63): "d", 2: "e"}),
    )
    yield csv(
        "formulas and SQL are texts",
        of("a.csv", "id,note\n1,=cmd|'/c calc'!A1\n2,'); drop table orders_seen; --\n"),
        kept({1: "=cmd|'/c calc'!A1", 2: "'); drop table orders_seen; --"}),
    )
    yield csv(
        "an executable",
        lambda box: box.write("raw/a.csv", open(box.launcher.cvm, "rb").read(4 * MIB)),
        run(3, "shop.orders: the columns of a.csv"),
    )


def ndjson(name: str, lines: str | bytes, answers) -> Case:
    def prepare(box: Box):
        box.source("csv: {}", "ndjson: {}")
        box.write("raw/a.ndjson", lines)

    return Case(f"ndjson: {name}", prepare, answers)


def first(*lines: str) -> str:
    """A good line, then these."""
    return "\n".join(('{"id": 1, "note": "a"}', *lines)) + "\n"


def long_keys(box: Box):
    """Objects whose keys are data."""
    box.source("csv: {}", "ndjson: {}")
    with (box.raw / "a.ndjson").open("w") as out:
        for number in range(500):
            out.write(f'{{"id": {number}, "k{number}{"x" * MIB}": 1}}\n')


def ndjson_cases() -> Iterator[Case]:
    deep = "[" * 100_000 + "]" * 100_000
    line = f'{{"id": 2, "note": {deep}}}'
    reason = f"`{deep[:80]}…` is an array, not text"
    yield ndjson(
        "100,000 levels are no text",
        first(line),
        kept({1: "a"}, [("a.ndjson", 2, "note", reason, line[: 64 * 1024] + " …[cut]")]),
    )
    for value, what in (('{"b": 1}', "an object"), ("[]", "an array"), ("true", "a boolean"), ("false", "a boolean")):
        line = f'{{"id": 2, "note": {value}}}'
        aside = [("a.ndjson", 2, "note", f"`{value}` is {what}, not text", line)]
        yield ndjson(f"{value} is no text", first(line), kept({1: "a"}, aside))
    yield ndjson("a number is a text", first('{"id": 2, "note": 1.50}'), kept({1: "a", 2: "1.50"}))
    yield ndjson(
        "a key of which no value fits",
        '{"id": 1, "note": true}\n' * 10,
        run(3, "none of the 10 values of `note` is text (line 1: `true` is a boolean, not text)"),
    )
    yield ndjson("an exact number with an exponent", first('{"id": 2e2}', '{"id": 1.5e1}'), kept({1: "a", 200: None, 15: None}))
    yield ndjson("100,000 levels are no number", first(f'{{"id": {deep}}}'), run(0, kept={1: "a"}))
    deeper = '{"a":' * 100_000 + "1" + "}" * 100_000
    yield ndjson(
        "100,000 levels that nobody declared are new",
        first(f'{{"id": 2, "x": {deeper}}}'),
        run(3, "shop.orders: the columns of a.ndjson", "`x` is new"),
    )
    yield ndjson("100,000 levels that do not end", first('{"id": 2, "note": ' + "[" * 100_000), run(0, kept={1: "a"}))
    huge = "1" + "0" * 100_000
    yield ndjson("a number of 100,000 digits", first(f'{{"id": {huge}}}', '{"id": 2}'), run(0, kept={1: "a", 2: None}))
    yield ndjson(
        "1e400",
        first('{"id": 1e400}', '{"id": 2, "note": 1e400}'),
        kept({1: "a", 2: "1e400"}, [("a.ndjson", 2, "id", "`1e400` is not a bigint", '{"id": 1e400}')]),
    )
    yield ndjson("NaN is no JSON", first('{"id": NaN}'), run(0, kept={1: "a"}))
    yield ndjson(
        "a key twice",
        first('{"id": 2, "id": 3}'),
        kept({1: "a"}, [("a.ndjson", 2, "id", "the key stands twice in the object", '{"id": 2, "id": 3}')]),
    )
    yield ndjson(
        "a key twice, once with an escape",
        first('{"id": 2, "i\\u0064": 3}'),
        kept({1: "a"}, [("a.ndjson", 2, "id", "the key stands twice in the object", '{"id": 2, "i\\u0064": 3}')]),
    )
    lone = '{"id": 2, "note": "b\\ud800"}'
    yield ndjson(
        "a lone surrogate is no text", first(lone), kept({1: "a"}, [("a.ndjson", 2, "note", "an escape that is no character", lone)])
    )
    lone = '{"id": 2, "\\udc00": "b"}'
    yield ndjson(
        "a lone surrogate is no key", first(lone), kept({1: "a"}, [("a.ndjson", 2, None, "a key has an escape that is no character", lone)])
    )
    yield ndjson("a pair of surrogates is a character", first('{"id": 2, "note": "\\ud83d\\ude00"}'), kept({1: "a", 2: "\U0001f600"}))
    yield ndjson("an escaped NUL", first('{"id": 2, "note": "\\u0000"}'), kept({1: "a", 2: "\0"}))
    yield ndjson("a NUL", b'{"id": 1, "note": "a"}\n{"id": 2, "note": "\0"}\n', run(0, kept={1: "a"}))
    yield ndjson(
        "invalid UTF-8",
        b'{"id": 1, "note": "a"}\n{"id": 2, "note": "\xff"}\n',
        kept({1: "a"}, [("a.ndjson", 2, None, "not valid UTF-8", '{"id": 2, "note": "\ufffd"}')]),
    )
    yield ndjson(
        "objects behind each other",
        first('{"id": 2}{"id": 3}'),
        kept({1: "a"}, [("a.ndjson", 2, None, "no JSON: trailing characters at column 10", '{"id": 2}{"id": 3}')]),
    )
    yield ndjson("an array in a line", first('[{"id": 2}]'), kept({1: "a"}, [("a.ndjson", 2, None, "no JSON object", '[{"id": 2}]')]))
    rows = [{"id": number, "note": "a"} for number in range(5)]
    yield ndjson(
        "one array of all objects", json.dumps(rows, indent=1), run(3, "shop.orders: 22 of 22 rows were set aside", "a.ndjson:1: no JSON")
    )
    yield ndjson("a byte-order mark", "\ufeff" + first(), kept({1: "a"}))
    yield ndjson("an empty file", "", kept({}, NONE, "shop.orders: a.ndjson is empty"))
    yield ndjson(
        "scalars", first("1", '"id"', "null", '{"id": 2}', '{"id": 3}', '{"id": 4}'), run(0, kept={1: "a", 2: None, 3: None, 4: None})
    )
    keys = ", ".join(f'"k{number}": 1' for number in range(100_000))
    yield ndjson(
        "100,000 keys that nobody declared", first(f'{{"id": 2, {keys}}}'), run(3, "shop.orders: the columns of a.ndjson", "`k0`, `k1`, ", "more are new")
    )
    yield Case("ndjson: 500 keys of 1 MiB that nobody declared", long_keys, run(3, "shop.orders: the columns of a.ndjson", "is new"))
    yield ndjson("an empty key", first('{"id": 2, "": 3}'), run(3, "shop.orders: the columns of a.ndjson", "`` is new"))
    fill = big("a.ndjson", (b'{"id": 1, "note": "', 1), (b"x" * MIB, 200), (b'"}\n', 1))

    def prepare(box: Box):
        box.source("csv: {}", "ndjson: {}")
        fill(box)

    yield Case(
        "ndjson: a line of 200 MiB",
        prepare,
        run(3, "shop.orders: a.ndjson is damaged: the record that starts in line 1 is longer than 16 MiB", silent=("quote",)),
    )


def member(plain: bytes) -> bytes:
    return gzip.compress(plain, mtime=0)


def zstd(plain: bytes) -> bytes:
    from pyarrow import Codec

    return Codec("zstd").compress(plain, asbytes=True)


def compressed_cases() -> Iterator[Case]:
    whole, damaged = CSV.encode() * 1, "shop.orders: a.csv.gz is damaged: "
    cut, undecodable = "it ends in the middle of compressed data", "its compressed data cannot be decoded"

    def case(name: str, content: bytes, answers, ending: str = "gz") -> Case:
        return Case(f"compressed: {name}", of(f"a.csv.{ending}", content), answers)

    yield case("gzip members behind each other", member(b"id,note\n1,") + member(b"") + member(b"a\n2,b\n"), kept({1: "a", 2: "b"}))
    yield case("gzip cut in its data", member(whole)[:-12], run(3, damaged + cut))
    yield case("gzip cut in its header", member(whole)[:5], run(3, damaged + cut))
    yield case("gzip without its checksum", member(whole)[:-8], run(3, damaged))
    yield case("gzip of another checksum", member(whole)[:-8] + b"\0" * 8, run(3, damaged + undecodable))
    yield case("the second gzip member cut", member(whole) + member(b"3,c\n")[:-3], run(3, damaged))
    yield case("gzip with garbage behind it", member(whole) + b"nothing but garbage", run(3, damaged + undecodable))
    yield case("a .gz that is none", whole, run(3, damaged + undecodable))
    yield case("a .gz of no bytes", b"", kept({}, NONE, "shop.orders: a.csv.gz is empty"))
    yield case("gzip of nothing", member(b""), kept({}, NONE, "shop.orders: a.csv.gz is empty"))
    yield case("gzip in gzip", member(member(whole)), run(3, "shop.orders: the columns of a.csv.gz"))
    named = member(whole)[:3] + b"\x08" + member(whole)[4:10] + b"../../../outside/canary\0" + member(whole)[10:]
    yield case("gzip that names a file elsewhere", named, kept({1: "a", 2: "b"}))
    yield case("a zip archive", b"PK\x03\x04" + bytes(26) + whole, run(3, damaged + undecodable))

    yield case("zstd frames behind each other", zstd(b"id,note\n1,") + zstd(b"a\n2,b\n"), kept({1: "a", 2: "b"}), "zst")
    damaged = "shop.orders: a.csv.zst is damaged: "
    yield case("zstd cut", zstd(whole)[:-4], run(3, damaged + cut), "zst")
    yield case("a .zst that is none", whole, run(3, damaged + undecodable), "zst")
    yield case("zstd with garbage behind it", zstd(whole) + b"garbage", run(3, damaged + undecodable), "zst")
    # A frame whose window is 2 GiB, which a decoder would have to hold: 100 bytes, repeated.
    window = bytes.fromhex("28b52ffd") + b"\x00\xa8" + struct.pack("<I", (100 << 3) | 3)[:3] + b"x"
    yield case("zstd of a window of 2 GiB", window, run(3, damaged + undecodable), "zst")
    # A frame that says that it holds 1 EiB and holds eight bytes.
    size = bytes.fromhex("28b52ffd") + b"\xc0\x58" + struct.pack("<Q", 2**60) + struct.pack("<I", (8 << 3) | 1)[:3] + b"id,note\n"
    yield case("zstd that says it holds 1 EiB", size, run(3, damaged), "zst")
    yield from bombs()


def deflated(part: bytes, times: int) -> bytes:
    """A gzip member that holds `part` so many times, made without ever holding it all: a flushed part can be repeated."""
    encoder = zlib.compressobj(9, wbits=-15)
    once = encoder.compress(part) + encoder.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(times):
        checksum = zlib.crc32(part, checksum)
    trailer = struct.pack("<II", checksum, len(part) * times & 0xFFFFFFFF)
    return bytes.fromhex("1f8b08000000000000ff") + once * times + b"\x03\x00" + trailer


def bombs() -> Iterator[Case]:
    """Gigabytes out of kilobytes or a few megabytes."""
    long = "is damaged: the record that starts in line 1 is longer than 16 MiB"
    zeros = bytes(32 * MIB)

    def bomb(name: str, file: str, content, answers) -> Case:
        def prepare(box: Box):
            box.write(f"raw/{file}", content())

        return Case(f"bomb: {name}", prepare, answers)

    yield bomb("4 GiB of zeros in gzip", "a.csv.gz", lambda: deflated(zeros, 128), run(3, f"a.csv.gz {long}"))
    yield bomb("4 GiB of zeros in zstd", "a.csv.zst", lambda: zstd(zeros) * 128, run(3, f"a.csv.zst {long}"))
    row = b"x," + b"y" * (MIB - 3) + b"\n"
    bad = "none of the 2048 values of `id` is a bigint (line 2: `x` is not a bigint)"
    yield bomb("2 GiB of bad rows in gzip", "a.csv.gz", lambda: member(b"id,note\n") + deflated(row, 2048), run(3, bad))
    yield bomb("2 GiB of bad rows in zstd", "a.csv.zst", lambda: zstd(b"id,note\n") + zstd(row) * 2048, run(3, bad))
    # Each one is an empty member: millions of headers, no text.
    yield bomb("1,000,000 empty gzip members", "a.csv.gz", lambda: member(CSV.encode()) + member(b"") * 1_000_000, kept({1: "a", 2: "b"}))
    yield bomb("200,000 empty zstd frames", "a.csv.zst", lambda: zstd(CSV.encode()) + zstd(b"") * 200_000, kept({1: "a", 2: "b"}))


def cases() -> Iterator[Case]:
    yield from csv_cases()
    yield from ndjson_cases()
    yield from compressed_cases()
