"""Parquet that is cut, lies or is another's."""

import random
import struct
from collections.abc import Iterator
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
from hostile_project import MIB, Answer, Box, Case

RUN = ["run", "pipelines/shop.yml", "--as-of", "2024-01-01"]
DAMAGED = "shop.orders: a.parquet is damaged"
# Each is a run of 20 ms; which bytes are changed is drawn, the same in every run.
MUTATIONS = 100


def parquet(columns: dict | pa.Table, **options) -> bytes:
    out = BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), out, **options)
    return out.getvalue()


def good(rows: int = 2) -> bytes:
    notes = pa.array([chr(97 + row % 26) for row in range(rows)], pa.string())
    return parquet({"id": pa.array(range(1, rows + 1), pa.int64()), "note": notes})


def prepared(content: bytes):
    def prepare(box: Box):
        box.source("format: { csv: {} }", "format: parquet")
        box.write("raw/a.parquet", content)

    return prepare


def case(name: str, content: bytes, exit_code: int, *says: str, **more) -> Case:
    return Case(f"parquet: {name}", prepared(content), [(RUN, Answer(exit_code, says, **more))])


def footer_of(content: bytes, length: int) -> bytes:
    """The file with another length of its footer."""
    return content[:-8] + struct.pack("<I", length) + b"PAR1"


def cut_and_lying() -> Iterator[Case]:
    whole = good(1000)
    yield case("two rows", good(), 0, kept={1: "a", 2: "b"}, aside=[])
    for at in (0, 1, 4, 7, 11, 12, len(whole) // 2, len(whole) - 9, len(whole) - 8, len(whole) - 1):
        yield case(f"cut after {at} bytes", whole[:at], 3, DAMAGED)
    yield case("its footer alone", whole[-2000:], 3, DAMAGED)
    for length in (0, 1, 2**31 - 1, 2**32 - 1, len(whole), len(whole) - 12, len(whole) - 11):
        yield case(f"a footer of {length} bytes, it says", footer_of(whole, length), 3, DAMAGED)
    yield case("magic alone", b"PAR1PAR1", 3, DAMAGED)
    yield case("an encrypted footer, it says", whole[:-4] + b"PARE", 3, DAMAGED)
    yield case("CSV", b"id,note\n1,a\n" * 100, 3, DAMAGED)
    yield case("a footer of zeros", whole[:-2000] + bytes(1992) + whole[-8:], 3, DAMAGED)
    yield case("its pages zeroed", whole[:4] + bytes(200) + whole[204:], 3, DAMAGED)
    yield case("its first page missing", whole[:4] + whole[100:], 3, DAMAGED)


def schemas() -> Iterator[Case]:
    yield case("zero rows", good(0), 0, kept={}, aside=[])
    yield case("no columns", parquet(pa.table({})), 3, "`id` is missing")
    yield case("another schema", parquet({"number": [1], "text": ["a"]}), 3, "shop.orders: the columns of a.parquet", "`id` is missing")
    yield case("a text for a number", parquet({"id": ["1"], "note": ["a"]}), 3, "`id` is", "bigint")
    yield case("a list for a text", parquet({"id": [1], "note": [["a"]]}), 3, "`note` is", "varchar")
    deep = pa.array([1], pa.int64())
    for _ in range(100):
        deep = pa.StructArray.from_arrays([deep], ["x"])
    yield case("structs 100 deep for a text", parquet({"id": [1], "note": deep}), 3, DAMAGED)
    yield case("structs 100 deep that nobody declared", parquet({"id": [1], "note": ["a"], "x": deep}), 3, DAMAGED)
    yield case("a number without a sign", parquet({"id": pa.array([2**64 - 1, 1], pa.uint64()), "note": ["a", "b"]}), 0, kept={1: "b"})
    yield case(
        "numbers beyond all bounds",
        parquet({"id": pa.array([float("nan"), float("inf"), 1e300, 1.5, 1], pa.float64()), "note": list("abcde")}),
        3,
    )
    yield case("nulls where none may be", parquet({"id": pa.array([1, None], pa.int64()), "note": ["a", "b"]}), 0, kept={1: "a"})
    yield case("a column twice", duplicated(), 3)
    binary = pa.array([b"a", b"\xff\xfe"], pa.binary())
    yield case("bytes for a text", parquet({"id": [1, 2], "note": binary}), 0, kept={1: "a"})
    invalid = parquet({"id": [1, 2], "note": ["a", "QQQQ"]}, use_dictionary=False, compression="none").replace(b"QQQQ", b"\xff\xfe\xfd\xfc")
    yield case("texts that are not UTF-8", invalid, 3, DAMAGED)
    wide = {"id": [1], "note": ["a"], **{f"c{number}": [1] for number in range(5_000)}}
    yield case("5,000 columns that nobody declared", parquet(wide), 3, "`c0`")


def duplicated() -> bytes:
    arrays = [pa.array([1], pa.int64()), pa.array(["a"]), pa.array([2], pa.int64())]
    return parquet(pa.Table.from_arrays(arrays, ["id", "note", "id"]))


def bombs() -> Iterator[Case]:
    """Much out of little."""
    rows = 5_000_000
    repeated = pa.table({"id": pa.repeat(pa.scalar(1, pa.int64()), rows), "note": pa.repeat("a", rows)})
    small = parquet(repeated, compression="zstd", row_group_size=rows)
    yield case(f"{rows:,} equal rows in {len(small) // 1024} KiB", small, 3, "the key (id) is not unique")
    # A page cannot be read in part, so that a cell is held whole, with what the engine copies of it.
    for size, exit_code, says in ((16, 0, ()), (64, 1, ("Resources exhausted",))):
        cell = parquet({"id": [1], "note": ["x" * (size * MIB)]}, compression="zstd", use_dictionary=False)
        yield case(f"a cell of {size} MiB in {len(cell) // 1024} KiB", cell, exit_code, *says)


def mutations() -> Iterator[Case]:
    """Any byte of a file changed: it is read as it stands, or it is damaged."""
    whole = parquet({"id": pa.array(range(1, 41), pa.int64()), "note": [chr(97 + row % 26) for row in range(40)]}, compression="none")
    draw = random.Random(12)

    def mutated(content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(draw.choice((1, 1, 2, 8))):
            # Mostly in the footer and in page headers, where lengths and offsets stand.
            at = draw.choice((draw.randrange(len(changed)), draw.randrange(len(changed) * 3 // 4, len(changed))))
            changed[at] = draw.choice((0, 255, 127, 128, draw.randrange(256)))
        return bytes(changed)

    for number in range(MUTATIONS):
        content = mutated(whole)
        yield Case(f"parquet: mutation {number}", prepared(content), [(RUN, Answer((0, 3)))])


def cases() -> Iterator[Case]:
    yield from cut_and_lying()
    yield from schemas()
    yield from bombs()
    yield from mutations()
