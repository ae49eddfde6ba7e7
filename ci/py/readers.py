"""Reads every table of published targets with three engines and compares what they saw.

usage: readers.py TARGET …

Compared for each column: the type, the number of values that are not null, and a sum. What is summed: numbers; the days of
dates since 1970; the microseconds of timestamps, as least and greatest; the characters of text; the trues.
"""

import datetime
import math
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from published import Published
from tableauhyperapi import Connection, HyperProcess, Telemetry

EPOCH = datetime.date(1970, 1, 1)
# The declared type without its precision, and what each engine calls it.
TYPES = {
    "varchar": ("VARCHAR", ("string", "large_string"), "TEXT"),
    "bigint": ("BIGINT", ("int64",), "BIG_INT"),
    "double": ("DOUBLE", ("double",), "DOUBLE"),
    "boolean": ("BOOLEAN", ("bool",), "BOOL"),
    "date": ("DATE", ("date32[day]",), "DATE"),
    "timestamp": ("TIMESTAMP WITH TIME ZONE", ("timestamp[us, tz=UTC]",), "TIMESTAMP_TZ"),
}


def expected_types(declared: str) -> tuple[str, tuple[str, ...], str]:
    if declared.startswith("decimal"):
        precision, scale = declared.removeprefix("decimal(").removesuffix(")").split(",")
        return f"DECIMAL({precision},{scale})", (f"decimal128({precision}, {scale})",), f"NUMERIC({precision}, {scale})"
    return TYPES[declared]


def aggregate(column: str, declared: str) -> str:
    """SQL that both DuckDB and Hyper understand: a sum of the column, or its ends."""
    name = f'"{column}"'
    kind = declared.split("(")[0]
    return {
        "varchar": f"sum(length({name}))",
        "boolean": f"sum(case when {name} then 1 else 0 end)",
        "date": f"sum({name} - date '1970-01-01')",
        "timestamp": f"min({name}), max({name})",
    }.get(kind, f"sum({name})")


def query(columns: list[dict], table: str) -> str:
    parts = [f'count("{c["name"]}"), {aggregate(c["name"], c["type"])}' for c in columns]
    return f"select count(*), {', '.join(parts)} from {table}"


def with_duckdb(file: Path, columns: list[dict]):
    db = duckdb.connect()
    # A local zone would turn instants into local times.
    db.execute("set timezone = 'UTC'")
    table = f"read_parquet('{file}')"
    types = [row[1] for row in db.execute(f"describe select * from {table}").fetchall()]
    # Timestamps as text: converting zoned ones to Python needs another package.
    sql = query(columns, table)
    for column in columns:
        if column["type"] == "timestamp":
            name = f'"{column["name"]}"'
            sql = sql.replace(f"min({name}), max({name})", f"epoch_us(min({name})), epoch_us(max({name}))")
    return types, list(db.execute(sql).fetchone())


def with_hyper(connection: Connection, file: Path, columns: list[dict]):
    table = f"external('{file}', format => 'parquet')"
    with connection.execute_query(f"select * from {table} limit 1") as result:
        types = [str(column.type) for column in result.schema.columns]
    row = connection.execute_list_query(query(columns, table))[0]
    return types, [microseconds(value) if hasattr(value, "to_datetime") else value for value in row]


def microseconds(timestamp) -> int:
    moment = timestamp.to_datetime().replace(tzinfo=None)
    return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


def with_pyarrow(file: Path, columns: list[dict]):
    table = pq.read_table(file)
    values = [table.num_rows]
    for declared in columns:
        column = table[declared["name"]]
        values += [len(column) - column.null_count, *arrow_sum(column, declared["type"].split("(")[0])]
    return [str(field.type) for field in table.schema], values


def arrow_sum(column: pa.ChunkedArray, kind: str) -> list:
    if kind == "timestamp":
        ends = pc.min_max(column.cast(pa.int64()))
        return [ends["min"].as_py(), ends["max"].as_py()]
    if kind == "varchar":
        column = pc.utf8_length(column)
    elif kind == "date":
        column = column.cast(pa.int32()).cast(pa.int64())
    elif kind == "boolean":
        return [pc.sum(column.cast(pa.int64())).as_py() or (0 if len(column) else None)]
    return [pc.sum(column).as_py()]


def alike(one, other) -> bool:
    """Equal; of doubles, whose sums depend on the order, to twelve digits."""
    if isinstance(one, float) or isinstance(other, float):
        return one is not None and other is not None and math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-9)
    if one is None or other is None:
        return one is other
    return Decimal(str(one)) == Decimal(str(other))


def compare(connection: Connection, target: Path) -> int:
    faults = 0
    published = Published(target)
    for name, manifest in sorted(published.current().items()):
        file, columns = published.stable(name), manifest["columns"]
        duck_types, duck = with_duckdb(file, columns)
        arrow_types, arrow = with_pyarrow(file, columns)
        hyper_types, hyper = with_hyper(connection, file, columns)
        wrong = [] if duck[0] == manifest["rows"] else [f"{duck[0]} rows, the manifest says {manifest['rows']}"]
        for column, *seen in zip(columns, duck_types, arrow_types, hyper_types):
            expected = expected_types(column["type"].replace(" ", ""))
            if seen[0] != expected[0] or seen[1] not in expected[1] or seen[2] != expected[2]:
                wrong.append(f"{column['name']} is declared {column['type']} and read as {', '.join(seen)}")
        wrong += [f"DuckDB {d}, pyarrow {a}, Hyper {h}" for d, a, h in zip(duck, arrow, hyper) if not (alike(d, a) and alike(d, h))]
        if not len(duck) == len(arrow) == len(hyper):
            wrong.append("the engines saw different columns")
        print(f"{target.name + '.' + name:<44} {duck[0]:>10,} rows {len(columns):>3} columns  {'alike' if not wrong else 'DIFFERENT'}")
        for line in wrong:
            print(f"    {line}")
        faults += bool(wrong)
    return faults


def main() -> int:
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        # Hyper writes its log into the working folder unless told otherwise.
        with HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters={"log_dir": folder}) as hyper:
            with Connection(hyper.endpoint) as connection:
                for target in sys.argv[1:]:
                    faults += compare(connection, Path(target))
    print(f"readers: {faults} tables differ")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
