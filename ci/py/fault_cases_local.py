"""Faults of the machine and of the data: a full disk, too little memory, damaged objects, files that change under a run."""

import gzip
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow.parquet as pq
from fault_bench import Bench, Case, Outcome
from fault_proxy import Hold, Rule

MACHINE, DATA, TRANSIENT = 1, 3, 5
NO_SPACE = "No space left on device"
# Checks, of which each has five rows to show.
BROKEN = 9


def disk_full(leave: int) -> Callable[[Bench], Callable[[], None]]:
    """Fills the disk but for so many bytes."""
    def inject(bench: Bench) -> Callable[[], None]:
        ballast = bench.disk / "ballast"
        room = shutil.disk_usage(bench.disk).free
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room - leave)
        return ballast.unlink
    return inject


def run_with(*arguments: Callable[[Bench], str]) -> Callable[[Bench, Case, str], Outcome]:
    return lambda bench, case, day: bench.run(case.pipeline, case.where, day, *[argument(bench) for argument in arguments])


def on_disk(bench: Bench) -> str:
    return f"--work-folder={bench.disk}"


def elsewhere(bench: Bench) -> str:
    return f"--work-folder={bench.work}"


def nothing_left(bench: Bench, outcome: Outcome) -> Iterable[str]:
    """Neither half-written files in the target nor a work folder."""
    tables = bench.target("tables", "local")
    runs = {where["run"] for commit in tables.commits() for where in commit["tables"].values()}
    files = [path for path in tables.target.rglob("*") if path.is_file() and "_cvm" not in path.parts]
    strange = [path.name for path in files if path.suffix != ".parquet" or ("run=" in str(path) and path.parent.name[4:] not in runs)]
    folders = [path.name for path in (*bench.disk.glob("cvm-*"), *bench.work.glob("cvm-*"))]
    return [f"it left {what}" for what in (*strange, *folders)]


def work_folder_named(bench: Bench, outcome: Outcome) -> Iterable[str]:
    """And what to do about it."""
    said = (f"work folder `{bench.disk}`", "--work-folder")
    return [*nothing_left(bench, outcome), *(f"the message does not say `{words}`" for words in said if words not in outcome.said)]


def spoiled(file: str, spoil: Callable[[bytes], bytes]) -> Callable[[Bench], Callable[[], None]]:
    """A raw file with other bytes, for one run."""
    def inject(bench: Bench) -> Callable[[], None]:
        path = bench.raw / file
        whole = path.read_bytes()
        other = spoil(whole)
        if other == whole:
            raise SystemExit(f"{file} was not spoiled")
        path.write_bytes(other)
        return lambda: path.write_bytes(whole) and None
    return inject


def flipped(whole: bytes, at: int, count: int = 1) -> bytes:
    return whole[:at] + bytes(byte ^ 0xFF for byte in whole[at:at + count]) + whole[at + count:]


def in_a_page(count: int) -> Callable[[Bench], Callable[[], None]]:
    """Bytes in the middle of the last column's pages in the second row group."""
    def inject(bench: Bench) -> Callable[[], None]:
        column = pq.ParquetFile(bench.raw / "customers/all.parquet").metadata.row_group(1).column(1)
        middle = column.data_page_offset + column.total_compressed_size // 2
        return spoiled("customers/all.parquet", lambda whole: flipped(whole, middle, count))(bench)
    return inject


def checks_declared(bench: Bench) -> Callable[[], None]:
    """More checks that every row breaks than a person is shown."""
    path = bench.project / "sql/staging/office/stg_office__customers.yml"
    whole = path.read_text()
    checks = [f"  c{number}: {{ description: Nobody., condition: customer_id is null, help: look }}\n" for number in range(BROKEN)]
    path.write_text(f"{whole}checks:\n{''.join(checks)}")
    return lambda: path.write_text(whole) and None


def in_the_footer(bench: Bench) -> Callable[[], None]:
    def spoil(whole: bytes) -> bytes:
        length = int.from_bytes(whole[-8:-4], "little")
        return flipped(whole, len(whole) - 8 - length, 16)
    return spoiled("customers/all.parquet", spoil)(bench)


def replaced_while_it_waits(replace: Callable[[Path], None]) -> Callable[[Bench, Case, str], Outcome]:
    """The orders have been listed when the customers are; they change while that listing is held."""
    def run(bench: Bench, case: Case, day: str) -> Outcome:
        hold = bench.proxy.rules[0]
        process = bench.start(case.pipeline, case.where, day)
        if hold.has_fired.wait(bench.patience):
            replace(bench.raw / "orders/2022.csv.gz")
        hold.action.go.set()
        return bench.finish(process)
    return run


def put_in_place(path: Path):
    """As a tool that writes aside and renames."""
    text = gzip.decompress(path.read_bytes())
    aside = path.with_suffix(".new")
    aside.write_bytes(gzip.compress(text.replace(b",C00001,", b",C00002,"), mtime=0))
    aside.replace(path)


def appended(path: Path):
    with path.open("ab") as file:
        file.write(gzip.compress(b"2022-x,C00001,2022-01-01 12:00:00,1.00\n"))


def restored(bench: Bench) -> Callable[[], None]:
    path = bench.raw / "orders/2022.csv.gz"
    whole = path.read_bytes()
    return lambda: path.write_bytes(whole) and None


def held_listing(bench: Bench) -> list[Rule]:
    return [Rule("GET", r"list-type=2&.*prefix=raw", Hold(forwards=True), times=1)]


def changing(name: str, how: Callable[[Path], None]) -> Case:
    return Case(name, TRANSIENT, ("counter.orders", "2022.csv.gz", "changed while"), held_listing, where="mixed", inject=restored,
                run=replaced_while_it_waits(how))


def cases() -> list[Case]:
    local = {"where": "local"}
    return [
        Case("the disk is full at a table between stages", MACHINE, ("work folder", "stg_counter__orders", NO_SPACE),
             inject=disk_full(64 << 10), run=run_with(on_disk), more=work_folder_named, **local),
        Case("the disk is full when a sort spills", MACHINE, ("stg_remarks__notes", NO_SPACE), inject=disk_full(4 << 20), pipeline="notes",
             run=run_with(on_disk, lambda bench: "--memory-limit=20MiB", lambda bench: "--threads=1"), more=work_folder_named, **local),
        Case("the disk is full at the target", MACHINE, ("marts/tables/customers/run=", NO_SPACE), inject=disk_full(48 << 10),
             run=run_with(elsewhere), more=nothing_left, **local),
        Case("the disk is full at a large table of the target", MACHINE, ("stg_remarks__notes", NO_SPACE), inject=disk_full(10 << 20),
             pipeline="notes", run=run_with(elsewhere), more=nothing_left, **local),
        Case("the disk is full while raw data is made", MACHINE, ("the raw data could not be made", NO_SPACE), inject=disk_full(16 << 10),
             run=lambda bench, case, day: bench.generate(case.where, f"file:{bench.disk}/generated"), **local),
        Case("many checks are broken", DATA, (f"{BROKEN} checks are broken", "`stg_office__customers__c0`", "to do: look", " more, as `"),
             inject=checks_declared, **local),
        Case("the work folder is not there", MACHINE, ("work folder",),
             run=run_with(lambda bench: f"--work-folder={bench.work}/absent"), **local),
        Case("the memory pool is too small for a table", MACHINE, ("customers", "--memory-limit"),
             run=run_with(lambda bench: "--memory-limit=1MiB"), **local),
        Case("the memory pool is too small for a sort", MACHINE, ("stg_remarks__notes", "--memory-limit"), pipeline="notes",
             run=run_with(lambda bench: "--memory-limit=4MiB"), **local),
        Case("a flipped byte in a Parquet page", DATA, ("office.customers", "all.parquet", "damaged"), inject=in_a_page(1), **local),
        Case("many flipped bytes in a Parquet page", DATA, ("office.customers", "all.parquet", "damaged"), inject=in_a_page(64), **local),
        Case("flipped bytes in a Parquet footer", DATA, ("office.customers", "all.parquet", "damaged"), inject=in_the_footer, **local),
        Case("a Parquet file cut short", DATA, ("office.customers", "all.parquet", "damaged"),
             inject=spoiled("customers/all.parquet", lambda whole: whole[:-100]), **local),
        Case("an empty Parquet file", DATA, ("office.customers", "all.parquet", "damaged"),
             inject=spoiled("customers/all.parquet", lambda whole: b""), **local),
        Case("a gzip file cut in the middle", DATA, ("counter.orders", "2022.csv.gz", "damaged"),
             inject=spoiled("orders/2022.csv.gz", lambda whole: whole[:len(whole) // 2]), **local),
        Case("a gzip file without its last bytes", DATA, ("counter.orders", "2022.csv.gz", "damaged"),
             inject=spoiled("orders/2022.csv.gz", lambda whole: whole[:-3]), **local),
        Case("a flipped byte in a gzip file", DATA, ("counter.orders", "2022.csv.gz", "damaged"),
             inject=spoiled("orders/2022.csv.gz", lambda whole: flipped(whole, len(whole) // 2)), **local),
        changing("a file replaced after it was listed", put_in_place),
        changing("a file that grows after it was listed", appended),
        changing("a file removed after it was listed", Path.unlink),
    ]
