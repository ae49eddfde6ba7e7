"""A small project with raw data, made for faults to be injected into.

Orders lie as `.csv.gz`, customers as Parquet in a store of their own, which is listed after that of the orders; notes are long texts
that nothing compresses. `tables` publishes a few marts, `notes` one table of more than one part of an upload.
"""

import base64
import gzip
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FEW_TABLES = ("customers", "sales_coverage")
SEED = 7
# Attempts of a request are the first and these.
MAX_RETRIES = 3
RETRY_SECONDS = 20
# A request that is not answered for this long has failed.
TIMEOUT_SECONDS = 1
OPTIONS = f'{{ max_retries: "{MAX_RETRIES}", retry_timeout_seconds: "{RETRY_SECONDS}", timeout: "{TIMEOUT_SECONDS} second" }}'

COUNTER = """system: counter
description: Orders and notes.
store: raw
tables:
  orders:
    description: One row an order.
    path: orders/*.csv.gz
    format: { csv: {} }
    columns:
      number: { type: varchar, required: true }
      customer: { type: varchar, required: true }
      placed: { type: timestamp, required: true, format: "%Y-%m-%d %H:%M:%S" }
      total: { type: "decimal(18,4)", required: true }
"""
NOTES = """system: remarks
description: Notes.
store: raw
tables:
  notes:
    description: One row a note.
    path: notes/*.csv
    format: { csv: {} }
    columns:
      number: { type: varchar, required: true }
      text: { type: varchar, required: true }
"""
OFFICE = """system: office
description: Customers.
store: office
tables:
  customers:
    description: One row a customer.
    path: customers/*.parquet
    format: parquet
    columns:
      customer: { type: varchar, required: true }
      name: { type: varchar, required: true }
"""
STAGING = {
    "counter/stg_counter__orders": (
        "select number as order_id, customer as customer_id, placed as ordered_at, total as order_amount from counter.orders",
        {"order_id": "varchar", "customer_id": "varchar", "ordered_at": "timestamp", "order_amount": '"decimal(18,4)"'},
    ),
    "office/stg_office__customers": (
        "select customer as customer_id, name as customer_name from office.customers",
        {"customer_id": "varchar", "customer_name": "varchar"},
    ),
    "remarks/stg_remarks__notes": ("select number as note_id, text as note from remarks.notes", {"note_id": "varchar", "note": "varchar"}),
}


def contract(table: str, columns: dict[str, str]) -> str:
    key = next(iter(columns))
    told = [f"  {name}: {{ type: {of}, required: true, description: {name}. }}" for name, of in columns.items()]
    return "\n".join([f"table: {table}", f"description: Made for {table}.", "grain: one row each", f"key: [{key}]", "columns:", *told, ""])


def store(variable: str, is_remote: bool) -> str:
    options = f", options: {OPTIONS}" if is_remote else ""
    return f'{{ url: "${{{variable}}}"{options} }}'


def pipeline(name: str, remote: set[str]) -> str:
    """Either pipeline, with the options of a remote store where one is named in `remote`."""
    stores = [f"  {of}: {store('FAULTS_' + of.upper(), of in remote)}" for of in ("raw", "office", "lake")]
    if name == "tables":
        sources, tables = "counter.yml, sources/office.yml", FEW_TABLES
        entities = ["entities:", "  customers: [stg_office__customers]", "  orders: [stg_counter__orders]"]
    else:
        sources, tables, entities = "remarks.yml", ("stg_remarks__notes",), []
    return "\n".join([
        f"pipeline: {name}", "description: Made for faults.",
        "value: { currency: EUR, measure: revenue, horizon_days: 365, annual_discount_rate: 0.10 }",
        "stores:", *stores, f"sources: [sources/{sources}]", *entities,
        "outputs:", "  store: lake", f"  path: marts/{name}", f"  tables: [{', '.join(tables)}]", "",
    ])


def write_project(folder: Path):
    for name, text in (("counter", COUNTER), ("office", OFFICE), ("remarks", NOTES)):
        write(folder / "pipelines/sources" / f"{name}.yml", text)
    for path, (query, columns) in STAGING.items():
        write(folder / "sql/staging" / f"{path}.sql", f"with final as (\n    {query}\n)\n\nselect * from final\n")
        write(folder / "sql/staging" / f"{path}.yml", contract(Path(path).name, columns))
    for name in ("tables", "notes"):
        # The same in every word but the options of its stores, so that what is published must be too.
        for where, remote in (("local", set()), ("remote", {"raw", "office", "lake"}), ("patient", set()), ("mixed", {"office"})):
            write(folder / "pipelines" / f"{name}_{where}.yml", pipeline(name, remote))


def write_data(folder: Path, customers: int, notes: int):
    draw = random.Random(SEED)
    names = [f"C{number:05}" for number in range(customers)]
    for year in (2021, 2022, 2023):
        rows = ["number,customer,placed,total"]
        rows += [f"{year}-{number:05},{draw.choice(names)},{year}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02} 12:00:00,"
                 f"{draw.randint(100, 9999) / 100}" for number in range(customers * 3)]
        path = folder / f"orders/{year}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("\n".join(rows).encode() + b"\n", mtime=0))
    (folder / "customers").mkdir()
    texts = [base64.b64encode(draw.randbytes(60)).decode() for _ in names]
    # Several row groups, no dictionaries and a checksum a page: what is flipped in a page can be noticed.
    pq.write_table(pa.table({"customer": names, "name": texts}), folder / "customers/all.parquet", row_group_size=customers // 3,
                   use_dictionary=False, compression="zstd", write_page_checksum=True)
    lines = [f"{number},{base64.b64encode(draw.randbytes(300)).decode()}" for number in range(notes)]
    write(folder / "notes/all.csv", "\n".join(["number,text", *lines, ""]))


def write(path: Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
