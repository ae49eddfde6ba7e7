"""What every object store must do, whichever it is: a pipeline from the store to the store publishes what it publishes locally, tells the
checksums of what it read, and can be replayed as long as that is there.

Each of s3.py, azure.py and gcs.py brings a `Server` and calls `main` with it. Their usage is the same:

    s3.py CVM PIPELINE AS_OF RAW REFERENCE WORK

RAW is a folder that is put into the store under its own name, REFERENCE the target that the same pipeline published to locally.
"""

import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import store_faults
from published import Published, differences

BUCKET = "lake"
CONCURRENT_RUN = 4
DATA_QUALITY = 3


class Server:
    """A store on the loopback interface for as long as the `with` lasts."""

    name: str
    scheme: str
    environment: dict[str, str]
    bucket = BUCKET

    def __init__(self, work: Path):
        self.log, self.process = work / f"{self.name}.log", None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def create_bucket(self) -> bool:
        """Makes the bucket; false while the server does not answer."""
        raise NotImplementedError

    def put(self, key: str, content: bytes, once: bool = False) -> int:
        """Writes an object, with `once` only where there is none, and gives the status of the response."""
        raise NotImplementedError

    def list(self, prefix: str) -> list[str]:
        raise NotImplementedError

    def get(self, key: str) -> bytes:
        raise NotImplementedError

    def __enter__(self) -> "Server":
        self.process = subprocess.Popen(self.command(), stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        for _ in range(300):
            if self.create_bucket():
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.__exit__()
        raise SystemExit(f"the {self.name} server did not start:\n{self.log.read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def put_folder(self, folder: Path) -> int:
        files = [path for path in folder.rglob("*") if path.is_file()]
        with ThreadPoolExecutor(4) as pool:
            codes = list(pool.map(lambda path: self.put(str(path.relative_to(folder.parent)), path.read_bytes()), files))
        if any(code >= 300 for code in codes):
            raise SystemExit(f"the {self.name} server did not take every raw object: {sorted(set(codes))}")
        return len(files)

    def get_folder(self, prefix: str, into: Path):
        """Every object below a prefix, as files."""
        for key in self.list(prefix):
            path = into / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.get(key))

    def refuses_a_second_creation(self, status: int) -> bool:
        """Whether the server honours create-if-absent, without which the rest would prove nothing."""
        codes = self.put("once", b"1", once=True), self.put("once", b"2", once=True)
        return codes[0] < 300 and codes[1] == status and self.get("once") == b"1"


def checksum_faults(server: Server, sources: list[dict]) -> list[str]:
    """Objects whose SHA-256 a manifest does not tell as it is of the bytes that lie in the store. Every raw object is text."""
    objects = [entry for source in sources for entry in source["objects"]]
    wrong = [entry["path"] for entry in objects if entry.get("sha256") != hashlib.sha256(server.get(entry["path"])).hexdigest()]
    return wrong if objects else ["no object is named"]


def with_another_digit(content: bytes) -> bytes:
    """As many bytes and lines, and one figure in the middle is another."""
    at = re.compile(rb"[0-9]").search(content, len(content) // 2).start()
    digit = b"%d" % ((content[at] - ord("0") + 1) % 10)
    return content[:at] + digit + content[at + 1:]


def main(server_of: type[Server], refusal: int = 412) -> int:
    """`refusal` is the status with which the store refuses to create what is there."""
    cvm, pipeline, as_of, raw, reference, work = sys.argv[1:]
    faults = 0

    def expect(condition: bool, what: str):
        nonlocal faults
        faults += not condition
        print(f"{'pass' if condition else 'MISS'}  {what}", flush=True)

    with server_of(Path(work)) as server:
        expect(server.refuses_a_second_creation(refusal), "the server creates an object only once")
        objects = server.put_folder(Path(raw))
        print(f"      {objects} raw objects in the store", flush=True)
        url = f"{server.scheme}://{BUCKET}"
        environment = os.environ | server.environment | {"CVM_RAW": url, "CVM_LAKE": url}

        def start(*options: str) -> subprocess.Popen:
            command = [cvm, "run", pipeline, *(options or ("--as-of", as_of, "--no-cache"))]
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def finish(process: subprocess.Popen) -> int:
            _, errors = process.communicate()
            if process.returncode not in (0, CONCURRENT_RUN):
                print(errors)
            return process.returncode

        def told(*options: str) -> tuple[int, str]:
            """The exit code of a run, and what it told."""
            process = start(*options)
            _, errors = process.communicate()
            return process.returncode, errors

        def published(name: str) -> Published:
            server.get_folder(f"marts/{Path(reference).name}/", Path(work) / name)
            return Published(Path(work) / name)

        expect(finish(start()) == 0, "a run from the store to the store")
        first = published("first")
        if not first.commits():
            raise SystemExit(f"{server.name}: nothing was published")
        found = differences(Published(reference), first)
        expect(not found, f"published bytes equal those of file: {'; '.join(found)}")
        processes = [start(), start()]
        codes = sorted(finish(process) for process in processes)
        expect(codes == [0, CONCURRENT_RUN], f"of two runs at once one publishes: exit codes {codes}")
        after = published("second")
        expect(len(after.commits()) == 2, f"{len(after.commits())} commits after two that published")
        found = differences(Published(reference), after)
        expect(not found, f"still the same bytes {'; '.join(found)}")

        read = first.commits()[-1]["run_id"]
        sources = first.manifest(read)["sources"]
        wrong = checksum_faults(server, sources)
        expect(not wrong, f"the manifest tells the SHA-256 of each raw object: {len(wrong)} wrong, {wrong[:3]}")
        cache = ["--cache", str(Path(work) / "cache"), "--cache-size", "1GiB"]
        codes = [told("--as-of", str(date.fromisoformat(as_of) + timedelta(days=1)), *cache)[0]]
        code, events = told("--as-of", as_of, "--log", "json", *cache)
        expect([*codes, code] == [0, 0] and '"kind":"read"' in events and '"event":"reused"' in events, "a run that reads no object anew")
        recalled = published("recalled")
        same = recalled.manifest(recalled.commits()[-1]["run_id"])["sources"] == sources
        expect(same, "its manifest tells the same of the objects")

        path = sources[0]["objects"][len(sources[0]["objects"]) // 2]["path"]
        content = server.get(path)
        server.put(path, with_another_digit(content))
        code, errors = told("--replay", read, "--no-cache")
        refused = code == DATA_QUALITY and f"{path} is another: its checksum differs" in errors
        expect(refused, f"a replay refuses {path} with another digit: exit code {code}")
        if not refused:
            print(errors[-2000:])
        expect(len(published("refused").commits()) == len(recalled.commits()), "and publishes nothing")
        # Its tag and time are others now; the content is what it was.
        server.put(path, content)
        code, errors = told("--replay", read, "--no-cache")
        expect(code == 0, f"a replay with the object put back: exit code {code}")
        if code:
            print(errors[-2000:])
        found = differences(Published(reference), published("replayed"))
        expect(not found, f"it publishes the same bytes {'; '.join(found)}")
        store_faults.play(server, cvm, pipeline, as_of, Path(work), expect)
    print(f"{server.name}: {faults} faults")
    return 1 if faults else 0
