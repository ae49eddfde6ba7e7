"""A small project in a box, what is done to it, and what must be true of any answer.

The box holds the project, its published tables, a work folder and a canary. Whatever a command does, it may change the target's
and the work folder alone.
"""

import ctypes
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
# Only ends a test that hangs; no case comes near it.
SECONDS = 60
# What a run may hold: a binary of 180 MB, a few blocks of 16 MiB and the engine's own. Bombs open into gigabytes.
PEAK = 400 * MIB
# Ends a process that would take the machine down; what is mapped is far more than what is held.
MAPPED = 16 * 1024 * MIB
# What is said must not grow with what is wrong.
SAID = 128 * 1024
# Those of src/failure.rs but 6: nobody stops these runs.
EXIT_CODES = (0, 1, 2, 3, 4, 5)

LIBC = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2

ROWS = ("id,note", "1,a", "2,b")
CSV = "\n".join(ROWS) + "\n"
PIPELINE = """pipeline: shop
description: A shop.
value: { currency: GBP, measure: revenue, horizon_days: 365, annual_discount_rate: 0.1 }
stores:
  raw: { url: "file:raw" }
  lake: { url: "file:lake" }
sources: [sources/shop.yml]
outputs:
  store: lake
  path: marts/shop
  tables: [orders_seen]
"""
SOURCE = """system: shop
description: The shop's own database.
store: raw
max_bad_share: 0.5
tables:
  orders:
    description: Orders.
    path: "*"
    format: { csv: {} }
    columns:
      id: { type: bigint, required: true }
      note: { type: varchar }
"""
SQL = """with orders as (
    select * from {reads}
),

final as (
    select
        id,
        note
    from orders
)

select * from final
"""
CONTRACT = """table: {table}
description: Orders.
grain: one row an order
key: [id]
columns:
  id: {{ type: bigint, required: true, description: Number. }}
  note: {{ type: varchar, description: Note. }}
"""
TABLES = {
    "sql/staging/shop/stg_shop__orders": "shop.orders",
    "sql/intermediate/int_orders_noted": "stg_shop__orders",
    "sql/marts/orders_seen": "int_orders_noted",
}


@dataclass
class Answer:
    """What a command must answer."""

    # One code, or those of which any will do.
    exit: int | tuple[int, ...]
    # Texts that must be among what is said, in this order or any other.
    says: tuple[str, ...] = ()
    # The published rows, as `id` to `note`; not looked at where none.
    kept: dict | None = None
    # The rows set aside, as (file, line, column, reason, start of raw text); not looked at where none.
    aside: list[tuple] | None = None
    peak: int = PEAK
    silent: tuple[str, ...] = ()


@dataclass
class Done:
    """What a command did."""

    exit: int
    said: str
    printed: str
    seconds: float
    peak: int


@dataclass
class Case:
    """One hostile thing, and the answers to the commands that are given in its presence."""

    name: str
    prepare: Callable[["Box"], object]
    answers: list[tuple[list[str], Answer]]
    # What must be true at the end beside; gives the faults.
    after: Callable[["Box"], list[str]] = field(default=lambda box: [])


class Box:
    """A folder with a project in it."""

    def __init__(self, launcher: "Launcher", folder: Path):
        self.launcher, self.folder = launcher, folder
        self.project = folder / "project"
        self.raw, self.target, self.work = self.project / "raw", self.project / "lake/marts/shop", folder / "work"
        for each in (self.raw, self.work, folder / "outside"):
            each.mkdir(parents=True)
        self.canary = folder / "outside/canary"
        self.canary.write_text("alive")
        self.write("pipelines/shop.yml", PIPELINE)
        self.write("pipelines/sources/shop.yml", SOURCE)
        for path, reads in TABLES.items():
            self.write(f"{path}.sql", SQL.format(reads=reads))
            self.write(f"{path}.yml", CONTRACT.format(table=Path(path).name))

    def write(self, path: str, content: str | bytes) -> Path:
        """Writes a file of the project."""
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def replace(self, path: str, old: str, new: str):
        """Changes what stands once in a file of the project."""
        text = (self.project / path).read_text()
        assert text.count(old) == 1, f"{old} stands {text.count(old)} times in {path}"
        self.write(path, text.replace(old, new))

    def source(self, old: str, new: str):
        self.replace("pipelines/sources/shop.yml", old, new)

    def move(self, name: str):
        """Puts the project into a folder of this name."""
        (self.folder / name).mkdir()
        self.project = self.project.rename(self.folder / name / "project")
        self.raw, self.target = self.project / "raw", self.project / "lake/marts/shop"

    def run(self, *words: str) -> Done:
        """Runs cvm, with its standard error and output in files: what it says may be much."""
        said, printed = self.folder / "said", self.folder / "printed"
        code, seconds, peak = self.launcher.run([self.launcher.cvm, *words], self.project, self.work, said, printed)
        texts = [file.read_bytes()[: 8 * MIB].decode(errors="replace") for file in (said, printed)]
        said.unlink()
        printed.unlink()
        return Done(code, *texts, seconds, peak)

    def elsewhere(self) -> dict:
        """Everything in the box that no command may touch."""
        own = {str(self.target), str(self.work)}
        found = {}
        for folder, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in own]
            for name in files + folders:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                is_folder = stat.S_ISDIR(status.st_mode)
                # A folder above the target changes as the target comes to be.
                found[path] = (status.st_mode, 0 if is_folder else status.st_size, 0 if is_folder else status.st_mtime_ns)
        for folder in (self.project / "lake", self.project / "lake/marts"):
            found.pop(str(folder), None)
        return found

    def commits(self) -> list[str]:
        folder = self.target / "_cvm/commits"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def litter(self) -> list[str]:
        """What a command that has ended left in its work folder."""
        return sorted(os.listdir(self.work))

    def rows(self, sql: str) -> list[dict]:
        """Rows of the published tables."""
        done = self.run("query", "pipelines/shop.yml", sql, "--format", "json")
        if done.exit != 0:
            raise ValueError(f"the query exited {done.exit}: {done.said[:400]}")
        return [json.loads(line) for line in done.printed.splitlines()]


class Launcher:
    """A process that is forked while it is small and starts cvm: what a child is said to have held counts what its parent held."""

    def __init__(self, cvm: str):
        self.cvm = cvm
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self.ours.close()
            serve(theirs)
        theirs.close()

    def run(self, command: list[str], folder: Path, work: Path, said: Path, printed: Path) -> tuple[int, float, int]:
        """The exit code, negative for a signal, the seconds, and the most bytes held."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(work),
            "CVM_CACHE_SIZE": "0",
            "TMPDIR": str(work),
            "CVM_WORK_FOLDER": str(work),
            "CVM_MEMORY_LIMIT": "256MiB",
        }
        self.ours.send(json.dumps([command, str(folder), environment, str(said), str(printed)]).encode())
        code, seconds, peak = json.loads(self.ours.recv(4096))
        return code, seconds, peak


def serve(theirs: socket.socket):
    """Starts what is asked for, one after the other, until nobody asks."""
    while request := theirs.recv(4 * MIB):
        command, folder, environment, said, printed = json.loads(request)
        began = time.monotonic()
        with open(said, "wb") as errors, open(printed, "wb") as output:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, preexec_fn=bounded
            )
            timer = threading.Timer(SECONDS, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        theirs.send(json.dumps([process.returncode, time.monotonic() - began, usage.ru_maxrss * 1024]).encode())
    os._exit(0)


def bounded():
    """What holds of the process that cvm becomes."""
    resource.setrlimit(resource.RLIMIT_AS, (MAPPED, MAPPED))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.geteuid() == 0:
        # Even root cannot read a file that nobody may read, without these two.
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "cannot drop a capability")


def plain(text: str) -> str:
    """A fault as one line, placed by file and line: faults of files are drawn over several, with a margin, or told with their column."""
    return re.sub(r"\b(\.(?:yml|sql):\d+):\d+: ", r"\1: ", re.sub(r"\s*\n[\s|:]*", " ", text))


def always(done: Done, answer: Answer) -> list[str]:
    """What is wrong whatever was asked."""
    faults = []
    if done.exit == -signal.SIGKILL and done.seconds >= SECONDS:
        faults.append(f"it hung for {SECONDS} s")
    elif done.exit < 0:
        faults.append(f"it died of {signal.Signals(-done.exit).name}")
    elif done.exit not in EXIT_CODES:
        faults.append(f"it exited {done.exit}")
    for word in ("panicked", "RUST_BACKTRACE", "stack overflow"):
        if word in done.said:
            faults.append(f"it says `{word}`")
    if done.peak > answer.peak:
        faults.append(f"it held {done.peak // MIB} MiB, more than {answer.peak // MIB}")
    if len(done.said) + len(done.printed) > SAID:
        faults.append(f"it says {len(done.said) + len(done.printed)} characters")
    return faults


def set_aside(box: Box) -> list[tuple]:
    columns = ("file", "line", "column_name", "reason", "raw_text")
    rows = box.rows(f"select {', '.join(columns)} from rows_set_aside order by file, line")
    return [tuple(row.get(column) for column in columns) for row in rows]


def differs(done: Done, answer: Answer, box: Box) -> list[str]:
    """How the answer to a command is not the one that is stated."""
    faults = []
    wanted = answer.exit if isinstance(answer.exit, tuple) else (answer.exit,)
    if done.exit not in wanted:
        faults.append(f"it exited {done.exit}, not {' or '.join(map(str, wanted))}")
    said = plain(done.said) + plain(done.printed)
    faults += [f"it does not say `{text}`" for text in answer.says if text not in said]
    faults += [f"it says `{text}`" for text in answer.silent if text in said]
    if faults:
        return faults
    if answer.kept is not None:
        kept = {row["id"]: row.get("note") for row in box.rows("select id, note from orders_seen")}
        if kept != answer.kept:
            faults.append(f"it kept {str(kept)[:300]}")
    if answer.aside is not None:
        aside = set_aside(box)
        if [tuple(row) for row in answer.aside] != aside:
            faults.append(f"it set aside {str(aside)[:600]}")
    return faults
