"""Runs a pipeline against an S3 server on the loopback interface and compares what it publishes with a local target.

usage: s3.py CVM PIPELINE AS_OF RAW REFERENCE WORK

RAW is a folder that is put into the bucket under its own name, REFERENCE the target that the same pipeline published to locally.
"""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError
from published import Published, differences

BUCKET = "lake"
CONCURRENT_RUN = 4


class Server:
    """moto's S3 in a process of its own, for as long as the `with` lasts."""

    def __init__(self, log: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{self.port}", log
        self.environment = {
            "AWS_ENDPOINT_URL": self.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        }

    def __enter__(self) -> "Server":
        # moto's server takes requests one thread each; two runs at once need that.
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        self.client = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret",
        )
        for _ in range(300):
            try:
                self.client.create_bucket(Bucket=BUCKET)
                return self
            except EndpointConnectionError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit(f"the S3 server did not start:\n{self.log.read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def put_folder(self, folder: Path) -> int:
        files = [path for path in folder.rglob("*") if path.is_file()]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda path: self.client.upload_file(str(path), BUCKET, str(path.relative_to(folder.parent))), files))
        return len(files)

    def get_folder(self, prefix: str, into: Path):
        """Every object below a prefix, as files."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
            for entry in page.get("Contents", []):
                path = into / entry["Key"].removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                self.client.download_file(BUCKET, entry["Key"], str(path))

    def refuses_a_second_creation(self) -> bool:
        """Whether the server honours `If-None-Match: *`, without which the rest would prove nothing."""
        self.client.put_object(Bucket=BUCKET, Key="once", Body=b"1", IfNoneMatch="*")
        try:
            self.client.put_object(Bucket=BUCKET, Key="once", Body=b"2", IfNoneMatch="*")
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"] == 412
        return False


def main() -> int:
    cvm, pipeline, as_of, raw, reference, work = sys.argv[1:]
    faults = 0

    def expect(condition: bool, what: str):
        nonlocal faults
        faults += not condition
        print(f"{'pass' if condition else 'MISS'}  {what}", flush=True)

    with Server(Path(work) / "s3.log") as server:
        expect(server.refuses_a_second_creation(), "the server creates an object only once")
        objects = server.put_folder(Path(raw))
        print(f"      {objects} raw objects in the bucket", flush=True)
        environment = os.environ | server.environment | {"CVM_RAW": f"s3://{BUCKET}", "CVM_LAKE": f"s3://{BUCKET}"}
        command = [cvm, "run", pipeline, "--as-of", as_of, "--no-cache"]

        def start() -> subprocess.Popen:
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def finish(process: subprocess.Popen) -> int:
            _, errors = process.communicate()
            if process.returncode not in (0, CONCURRENT_RUN):
                print(errors)
            return process.returncode

        prefix = f"marts/{Path(reference).name}/"
        expect(finish(start()) == 0, "a run from the bucket to the bucket")
        server.get_folder(prefix, Path(work) / "first")
        found = differences(Published(reference), Published(Path(work) / "first"))
        expect(not found, f"published bytes equal those of file: {'; '.join(found)}")
        processes = [start(), start()]
        codes = sorted(finish(process) for process in processes)
        expect(codes == [0, CONCURRENT_RUN], f"of two runs at once one publishes: exit codes {codes}")
        server.get_folder(prefix, Path(work) / "second")
        after = Published(Path(work) / "second")
        expect(len(after.commits()) == 2, f"{len(after.commits())} commits after two that published")
        found = differences(Published(reference), after)
        expect(not found, f"still the same bytes {'; '.join(found)}")
    print(f"s3: {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
