"""Runs cvm with secrets that nothing else contains, well and badly, and looks for them in everything that it wrote.

usage: canaries.py CVM WORK

What is searched: standard output and standard error of every command, the report of `run --report`, lineage and metrics, the
documentation, what a killed run left in its work folder, and every object of the store. The forms searched for are those in which a
secret travels: as it is, percent-encoded, in JSON, and in base64 at any offset.

The module is not called `secrets`: that would stand in for Python's own wherever a script of this folder runs.
"""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pyarrow
import pyarrow.parquet
from s3 import Server
from stores import BUCKET

# With what needs encoding in URLs, JSON and base64 alike.
SECRET, TOKEN, PASSWORD = "sEcReT/kEy+Of=cAnArY+1q7", "tOkEn/sEsSiOn+Of=cAnArY+2w8", "pAsSwOrDofCaNaRy3e9"
# Looked for as a word alone: base64 of so little may stand anywhere.
SHORT = "kQ7zX9"
# So long that what is told of it is cut; searched for is how it begins.
LONG_START = "lOnGtOkEnSt4RtScAnArY"
LONG = LONG_START + "0aZ" * 400
# Written into the pipeline file.
LITERAL = "lItErAlKeYcAnArY5u2"
# What stands in files that cvm is only told the paths of.
HELD = {
    "web identity": "wEbIdEnTiTy.cAnArY+6v3/x",
    "container token": "cOnTaInEr.cAnArY+7w4/x",
    "federated token": "fEdErAtEd.cAnArY+8x5/x",
    "private key": "pRiVaTeKeYcAnArY+9y6/x",
    "refresh token": "1//rEfReShcAnArY-0z7",
    "client secret": "GOCSPX-cAnArY-1a8",
    "text for JSON": "nOtJsOnButAtExTcAnArY2b9",
}
# What a server hands out for a file of that kind.
HANDED = {"handed key": "hAnDeDkEyCaNaRy+3c1/x", "handed token": "hAnDeDtOkEnCaNaRy+4d2/x"}
CANARIES = {
    "secret": SECRET, "token": TOKEN, "password": PASSWORD, "short secret": SHORT, "long token": LONG_START, "literal": LITERAL,
} | HELD | HANDED

ORDERS = """number,customer,placed,total
1001,anna,2024-01-05 10:12:00,19.90
1002,ben,2024-01-19 18:40:00,45.00
1003,anna,2024-02-11 09:05:00,32.50
1004,cleo,2024-02-28 21:30:00,12.00
"""
SOURCE = """system: webshop
description: Orders of the web shop.
store: raw
tables:
  orders:
    description: One row an order.
    path: orders/*.csv
    format: { csv: {} }
    columns:
      number: { type: varchar, required: true }
      customer: { type: varchar }
      placed: { type: timestamp, required: true, format: "%Y-%m-%d %H:%M:%S", timezone: Europe/Berlin }
      total: { type: "decimal(18,4)", required: true }
"""
STAGING = """with orders as (
    select * from webshop.orders
),

final as (
    select
        number as order_id,
        customer as customer_id,
        placed as ordered_at,
        total as order_amount
    from orders
)

select * from final
"""
CONTRACT = """table: stg_webshop__orders
description: Orders of the web shop.
grain: one row an order
key: [order_id]
columns:
  order_id: { type: varchar, required: true, description: Number of the order. }
  customer_id: { type: varchar, description: Who bought. }
  ordered_at: { type: timestamp, required: true, description: When. }
  order_amount: { type: "decimal(18,4)", required: true, description: Paid in euros. }
"""
BROKEN_CHECK = """checks:
  many: { description: A full load., row_count: { minimum: 1000 } }
"""
RUN = "run pipelines/webshop.yml --as-of 2024-07-01 --no-cache"
OPTIONS = 'secret_access_key: "${LAKE_SECRET}", access_key_id: key, region: us-east-1, max_retries: "0", endpoint: "${ENDPOINT}"'
PIPELINE = """pipeline: webshop
description: What the customers of the web shop are worth.
timezone: Europe/Berlin
value: {{ currency: EUR, measure: revenue, horizon_days: 365, annual_discount_rate: 0.10 }}
stores:
  raw: {{ url: "${{RAW}}", options: {{ {options} }} }}
  lake: {{ url: "${{LAKE}}", options: {{ {options} }} }}
sources: [sources/webshop.yml]
entities:
  orders: [stg_webshop__orders]
outputs:
  store: lake
  path: marts/webshop
  tables: [customers, kpis, sales_coverage]
"""


def forms(canary: str) -> set[bytes]:
    """What to search for. Of base64 only what does not hang on the neighbours of the secret: three offsets, without the edges."""
    found = {canary, quote(canary), quote(canary, safe=""), quote(canary, safe="").replace("%2F", "%2f"), json.dumps(canary)[1:-1]}
    for offset in range(3 if len(canary) > len(SHORT) else 0):
        text = base64.b64encode(b"\0" * offset + canary.encode()).decode().rstrip("=")
        inner = text[(offset * 8 + 5) // 6:-1]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form.encode() for form in found}


def leaks(files: list[Path]) -> list[str]:
    """Where a canary stands, by file."""
    searched = {name: forms(canary) for name, canary in CANARIES.items()}
    return [
        f"the {name} in {file.name}: …{context(content, form)}…"
        for file in files
        for content in [readable(file)]
        for name, every in searched.items()
        for form in [next((form for form in every if form in content), None)]
        if form
    ]


def readable(file: Path) -> bytes:
    """The bytes of a file, and behind them what a table says, whose pages are compressed."""
    content = file.read_bytes()
    if content.startswith(b"PAR1"):
        table = pyarrow.parquet.read_table(file)
    elif content.startswith(b"ARROW1"):
        # What a killed run left may lack its end.
        try:
            table = pyarrow.ipc.open_file(file).read_all()
        except (pyarrow.ArrowInvalid, OSError):
            return content
    else:
        return content
    return content + str(table.to_pydict()).encode()


def context(content: bytes, form: bytes) -> str:
    at = content.index(form)
    return content[max(0, at - 100):at + len(form)].decode(errors="replace").replace("\n", " ")


class Refusal(BaseHTTPRequestHandler):
    """Refuses everything and, as S3 does where a signature is wrong, says what it got: query, headers and body, tokens among them."""

    knows: tuple[str, ...] = ()

    def refuse(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
        headers = [f"{name}:{value}" for name, value in self.headers.items()]
        heard = "\n".join([self.path, *headers, *self.knows, body]).replace("&", "&amp;")
        body = f"<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>{heard}</CanonicalRequest></Error>".encode()
        self.send_response(403)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = refuse

    def log_message(self, *_):
        """It is told to cvm, not to us."""


class Knowing(Refusal):
    """Says also what only its tokens are made of, which no request holds."""

    knows = tuple(secret for name, secret in HELD.items() if name != "text for JSON")


class Handing(Refusal):
    """Hands out credentials, as the agent of a container does, and refuses them, quoting both."""

    knows = tuple(HANDED.values())
    given = 0

    def give(self):
        if self.path != "/credentials":
            self.refuse()
            return
        Handing.given += 1
        key, token = HANDED.values()
        given = {"AccessKeyId": "id", "SecretAccessKey": key, "Token": token, "Expiration": "2099-01-01T00:00:00Z"}
        body = json.dumps(given).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = give


@dataclass
class Case:
    """A command, what is different for it, and the exit code that it must have: a case that fails otherwise checks something else."""

    name: str
    code: int
    command: str = RUN
    environment: dict[str, str] = field(default_factory=dict)
    options: str = OPTIONS
    files: dict[str, str] = field(default_factory=dict)


class Project:
    def __init__(self, cvm: str, work: Path, environment: dict[str, str]):
        self.cvm, self.folder, self.told = str(Path(cvm).resolve()), work / "shop", work / "told"
        self.told.mkdir()
        self.work_folder = work / "spill"
        self.work_folder.mkdir()
        self.environment = os.environ | environment | {"CVM_WORK_FOLDER": str(self.work_folder), "RUST_LOG": "trace", "RUST_BACKTRACE": "full"}
        subprocess.run([self.cvm, "init", str(self.folder)], check=True, capture_output=True)
        (self.folder / "sql/staging/webshop").mkdir()
        self.files = {
            "pipelines/sources/webshop.yml": SOURCE,
            "sql/staging/webshop/stg_webshop__orders.sql": STAGING,
            "sql/staging/webshop/stg_webshop__orders.yml": CONTRACT,
        }

    def prepare(self, case: Case) -> dict:
        files = self.files | {"pipelines/webshop.yml": PIPELINE.format(options=case.options)} | case.files
        for path, text in files.items():
            (self.folder / path).write_text(text)
        return {"cwd": self.folder, "env": self.environment | case.environment}

    def run(self, case: Case) -> tuple[int, list[Path]]:
        """The exit code, and the files of what was told."""
        out, err = self.told / f"{case.name}.out", self.told / f"{case.name}.err"
        command = [self.cvm, *case.command.split()]
        prepared = self.prepare(case)
        others = {f"CVM_{what}": str(self.told / f"{case.name}.{what.lower()}") for what in ("REPORT", "LINEAGE", "METRICS")}
        prepared["env"] = others | prepared["env"]
        with out.open("wb") as stdout, err.open("wb") as stderr:
            code = subprocess.run(command, stdout=stdout, stderr=stderr, **prepared, check=False).returncode
        return code, [out, err, *(path for path in map(Path, others.values()) if path.exists())]

    def kill(self, case: Case) -> list[Path]:
        """SIGKILL once the first stage is done; gives what lies in the work folder then, aside, for the next run removes it."""
        process = subprocess.Popen([self.cvm, *case.command.split()], stderr=subprocess.PIPE, **self.prepare(case))
        for line in process.stderr:
            if b'"stage_finished"' in line:
                break
        process.send_signal(signal.SIGKILL)
        process.stderr.close()
        process.wait()
        aside = self.work_folder.rename(self.work_folder.with_name("left"))
        self.work_folder.mkdir()
        return files_below(aside)


def held_by_files(folder: Path, refusing: str) -> dict[str, str]:
    """Writes the files that object_store reads by itself, and gives their paths by what is secret in each."""
    account = {
        "type": "service_account", "private_key_id": "id", "client_email": "cvm@example.com",
        "disable_oauth": True, "gcs_base_url": refusing,
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{HELD['private key']}\nAbCd\n-----END PRIVATE KEY-----\n",
    }
    user = {"type": "authorized_user", "client_id": "id", "client_secret": HELD["client secret"], "refresh_token": HELD["refresh token"]}
    texts = {
        "web identity": HELD["web identity"] + "\n", "container token": HELD["container token"], "federated token": HELD["federated token"],
        "private key": json.dumps(account), "client secret": json.dumps(user), "text for JSON": json.dumps(HELD["text for JSON"]),
    }
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: str(folder / name) for name in texts}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def good(report: Path) -> list[Case]:
    return [
        Case("validate", 0, "validate pipelines/webshop.yml"),
        *(Case(f"plan-{form}", 0, f"plan pipelines/webshop.yml --format {form}") for form in ("tree", "json", "mermaid")),
        Case("run-json", 0, f"{RUN} --log json"),
        Case("run-human", 0, f"{RUN} --log human"),
        Case("run-report", 0, RUN, {"CVM_REPORT": str(report)}),
        Case("runs", 0, "runs pipelines/webshop.yml"),
        Case("query", 0, "query pipelines/webshop.yml select(1)"),
        Case("docs", 0, "docs pipelines/webshop.yml --to documentation"),
        Case("gc", 0, "gc pipelines/webshop.yml --dry-run"),
    ]


def bad(refusing: str) -> list[Case]:
    unreachable = f"http://127.0.0.1:{closed_port()}"
    azure = 'account_name: account, max_retries: "0"'
    cases = [
        Case("secret-refused", 2, environment={"ENDPOINT": refusing}),
        Case("unreachable", 5, environment={"ENDPOINT": unreachable}),
        Case("sql", 2, files={"sql/staging/webshop/stg_webshop__orders.sql": STAGING.replace("total as", "totl as")}),
        Case("check", 3, files={"sql/staging/webshop/stg_webshop__orders.yml": CONTRACT + BROKEN_CHECK}),
        Case("unknown-option", 2, options='secret_acces_key: "${LAKE_SECRET}"'),
        Case("yaml-beside", 2, options='secret_access_key: "${LAKE_SECRET}", region: [a'),
        Case("type-beside", 2, options='secret_access_key: "${LAKE_SECRET}", region: [a]'),
        Case("not-set-beside", 2, options='secret_access_key: "${LAKE_SECRET}${NOT_SET}"'),
        Case("number", 2, options='max_retries: "${LAKE_SECRET}"'),
        Case("boolean", 2, options='allow_http: "${LAKE_SECRET}"'),
        Case("google-no-json", 2, environment={"LAKE": "gs://lake", "RAW": "gs://lake"}, options='service_account_key: "${LAKE_SECRET}"'),
        Case("google-text", 2, environment={"LAKE": "gs://lake", "RAW": "gs://lake", "KEY": json.dumps(SECRET)}, options='service_account_key: "${KEY}"'),
        Case("azure-no-key", 2, environment={"LAKE": "az://lake", "RAW": "az://lake"}, options=f'{azure}, account_key: "*${{LAKE_SECRET}}"'),
        Case("azure-no-sas", 2, environment={"LAKE": "az://lake", "RAW": "az://lake"}, options=f'{azure}, sas_key: "${{LAKE_PASSWORD}}"'),
        Case("proxy", 5, options=OPTIONS + f', proxy_url: "http://user:${{LAKE_PASSWORD}}@127.0.0.1:{closed_port()}"', environment={"ENDPOINT": "http://example.com"}),
    ]
    for name, endpoint, code in (("refused", refusing, 2), ("unreachable", unreachable, 5)):
        signed = f'{azure}, endpoint: "{endpoint}", sas_key: "sv=1&sig=${{SIGNATURE}}"'
        environment = {"LAKE": "az://lake", "RAW": "az://lake", "SIGNATURE": quote(SECRET, safe="")}
        cases.append(Case(f"azure-sas-{name}", code, environment=environment, options=signed))
    urls = {
        "password": f"s3://key:{PASSWORD}@bucket/raw", "query": f"https://host/raw?sig={PASSWORD}", "no-host": f"s3://key:{PASSWORD}@",
        "no-store": f"ftp://key:{PASSWORD}@host/raw", "port": f"s3://key:{PASSWORD}@bucket:x/raw", "slash": f"s3:/key:{PASSWORD}@bucket",
        "no-scheme": f"key:{PASSWORD}@bucket", "file": f"file://key:{PASSWORD}@host/raw", "azure": f"abfss://lake:{PASSWORD}@account/raw",
    }
    cases += [Case(f"url-{name}", 2, environment={"LAKE": url, "RAW": url}, options="") for name, url in urls.items()]
    return cases


def by_files(paths: dict[str, str], refusing: str, knowing: str, handing: str) -> list[Case]:
    """Secrets in files that cvm is given the paths of, told back by a server, or by whoever cannot read the file."""
    keyless = 'region: us-east-1, max_retries: "0", endpoint: "${ENDPOINT}", allow_http: true'
    federated = 'account_name: account, client_id: id, authority_id: tenant, max_retries: "0", allow_http: true, endpoint: "${ENDPOINT}"'
    tokens = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": paths["web identity"], "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": paths["container token"],
        "AZURE_FEDERATED_TOKEN_FILE": paths["federated token"],
    }
    accounts = {"GOOGLE_SERVICE_ACCOUNT": paths["private key"], "GOOGLE_APPLICATION_CREDENTIALS": paths["client secret"]}
    google = {"LAKE": "gs://lake", "RAW": "gs://lake"}
    azure = {"LAKE": "az://lake", "RAW": "az://lake"}
    return [
        Case("all-files-told", 2, environment={"ENDPOINT": knowing} | tokens | accounts),
        Case("container-token", 2, options=keyless, environment={
            "ENDPOINT": refusing, "AWS_CONTAINER_CREDENTIALS_FULL_URI": refusing,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": paths["container token"],
        }),
        Case("handed-credentials", 2, options=keyless, environment={
            "ENDPOINT": handing, "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{handing}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": paths["container token"],
        }),
        Case("federated-token", 2, options=federated + ', authority_host: "${ENDPOINT}"', environment=azure | {
            "ENDPOINT": refusing, "AZURE_FEDERATED_TOKEN_FILE": paths["federated token"],
        }),
        Case("google-account", 2, options='max_retries: "0"', environment=google | tokens | accounts),
        Case("google-account-by-option", 2, environment=google | tokens | {"ACCOUNT": paths["private key"], "USER": paths["client secret"]},
             options='max_retries: "0", service_account_path: "${ACCOUNT}", application_credentials: "${USER}"'),
        Case("google-file-of-text", 2, options='max_retries: "0"', environment=google | {"SERVICE_ACCOUNT": paths["text for JSON"]}),
        Case("no-file", 2, environment={"AWS_WEB_IDENTITY_TOKEN_FILE": paths["web identity"] + "/none", "ENDPOINT": refusing}),
    ]


def by_size(refusing: str) -> list[Case]:
    """A secret too short to be looked for anywhere, and one of which what is told holds a part."""
    return [
        Case("short-refused", 2, environment={"ENDPOINT": refusing, "AWS_SESSION_TOKEN": SHORT}),
        Case("short-refused-json", 2, f"{RUN} --log json", environment={"ENDPOINT": refusing, "AWS_SESSION_TOKEN": SHORT}),
        Case("long-refused", 2, environment={"ENDPOINT": refusing, "AWS_SESSION_TOKEN": LONG}),
    ]


def written_down() -> list[Case]:
    """A key in the pipeline file, on a line that is shown for a fault."""
    options = {
        "beside": f'secret_access_key: "{LITERAL}", region: [a',
        "type": f"secret_access_key: [{LITERAL}]",
        "colon": f"secret_access_key: {LITERAL}: x",
        "space": f"secret_access_key:{LITERAL}",
        "anchor": f"secret_access_key: *{LITERAL}",
        "default": f'secret_access_key: "${{NOT_SET:-{LITERAL}}}", region: [a',
        "misspelt": f"secret_acces_key: {LITERAL}",
    }
    cases = [Case(f"literal-{name}", 2, options=text) for name, text in options.items()]
    url = PIPELINE.format(options=OPTIONS).replace('"${LAKE}"', f'["s3://key:{LITERAL}@lake/raw?sig={LITERAL}"]')
    return [*cases, Case("literal-url", 2, files={"pipelines/webshop.yml": url})]


def main() -> int:
    cvm, work = sys.argv[1], Path(sys.argv[2])
    faults = 0

    def expect(condition: bool, what: str):
        nonlocal faults
        faults += not condition
        print(f"{'pass' if condition else 'MISS'}  {what}", flush=True)

    for form in forms(SECRET):
        (work / "planted").write_bytes(b"before" + form + b"after")
        expect(len(leaks([work / "planted"])) == 1, f"the search finds {form.decode()}")
    planted = base64.b64encode(json.dumps({"a": 1, "k": SECRET}).encode())
    (work / "planted").write_bytes(planted)
    expect(len(leaks([work / "planted"])) == 1, "the search finds the secret in a base64 text of more")
    pyarrow.parquet.write_table(pyarrow.table({"a": [f"{n} {SECRET}" for n in range(2)] * 99}), work / "planted", compression="zstd")
    expect(len(leaks([work / "planted"])) == 1, "the search finds the secret in a compressed table")

    refusals = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (Refusal, Knowing, Handing)]
    for refusal in refusals:
        threading.Thread(target=refusal.serve_forever, daemon=True).start()
    refusing, knowing, handing = (f"http://127.0.0.1:{refusal.server_port}" for refusal in refusals)
    with Server(work) as server:
        server.put("orders/2024.csv", ORDERS.encode())
        environment = {
            "RAW": f"s3://{BUCKET}", "LAKE": f"s3://{BUCKET}", "ENDPOINT": server.url, "LAKE_SECRET": SECRET, "LAKE_PASSWORD": PASSWORD,
            "AWS_SESSION_TOKEN": TOKEN, "PATH": os.environ["PATH"],
        }
        project = Project(cvm, work, environment)
        report = work / "report.json"

        def hold(case: Case):
            code, told = project.run(case)
            found = leaks(told)
            why = f" and not {case.code}:\n{told[1].read_text(errors='replace')[-1500:]}" if code != case.code else ""
            expect(code == case.code, f"{case.name} ends with {code}{why}")
            expect(not found, f"{case.name} tells no secret {'; '.join(found)}")

        for case in good(report):
            hold(case)
        # Ids of runs are in the order of time.
        runs = sorted(Path(key).stem for key in server.list("marts/webshop/_cvm/runs/"))
        expect(len(runs) == 3, f"three runs published: {len(runs)}")
        if len(runs) > 1:
            hold(Case("diff", 0, f"diff pipelines/webshop.yml {runs[0]} {runs[1]}"))
        by_file = OPTIONS.replace("${LAKE_SECRET}", f"${{file:{work / 'secret'}}}")
        (work / "secret").write_text(f"{SECRET}\n")
        hold(Case("by-file", 0, options=by_file))
        hold(Case("by-file-refused", 2, options=by_file, environment={"ENDPOINT": refusing}))
        cache = {"CVM_CACHE": str(work / "cache"), "CVM_CACHE_SIZE": "1GiB"}
        hold(Case("kept", 0, "run pipelines/webshop.yml --as-of 2024-06-30", cache))
        kept = files_below(work / "cache" / "kept")
        expect(bool(kept), f"a run kept {len(kept)} files for later ones")
        left = project.kill(Case("killed", 0))
        expect(bool(left), f"a killed run left {len(left)} files in its work folder")
        paths = held_by_files(work / "held", knowing)
        for case in [*bad(refusing), *by_size(refusing), *by_files(paths, refusing, knowing, handing), *written_down()]:
            hold(case)
        # The files of the project are searched as well, and the user's own is not to be found there.
        project.prepare(Case("clean", 0))
        server.get_folder("", work / "lake")
    for refusal in refusals:
        refusal.shutdown()
    expect(Handing.given > 0, f"credentials were handed out {Handing.given} times")
    written = files_below(work / "lake") + files_below(project.folder) + left + kept + [path for path in [report] if path.exists()]
    expect(len(files_below(work / "lake")) > 10 and report.exists(), f"{len(written)} files were written")
    found = leaks(written)
    expect(not found, f"no file holds a secret {'; '.join(found)}")
    print(f"secrets: {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
