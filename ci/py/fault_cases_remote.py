"""Faults of a store, injected by the proxy in front of it."""

from collections import Counter
from collections.abc import Callable, Iterable

from fault_bench import Bench, Case, Outcome
from fault_project import MAX_RETRIES, RETRY_SECONDS, TIMEOUT_SECONDS
from fault_proxy import Action, Hold, Rule, answers, balancer_page, before, cut_in_body, loses_answer
from s3 import BUCKET

ORDERS = "/lake/raw/orders/2022.csv.gz"
CUSTOMERS = "/lake/raw/customers/all.parquet"
# A table's file, a stable path, the commit, the run's manifest and its marker.
DATA = r"/marts/\w+/customers/run(=|%3D).*\.parquet"
STABLE = r"/marts/\w+/customers\.parquet"
COMMIT, MANIFEST, MARKER = "/_cvm/commits/", "/_cvm/runs/", "/_cvm/running/"
LISTING = r"list-type=2&.*prefix="
BEGIN, PART, END = r"\?uploads", r"\?.*uploadId=.*partNumber=|\?partNumber=", r"\?uploadId=[^&]*$"
TRANSIENT, CONFIGURATION = 5, 2


def always(method: str, path: str, action: Action, first: int = 1) -> Callable[[Bench], list[Rule]]:
    return lambda bench: [Rule(method, path, action, first)]


def some(method: str, path: str, action: Action, times: int) -> Callable[[Bench], list[Rule]]:
    return lambda bench: [Rule(method, path, action, times=times)]


def attempts(method: str, path: str, most: int) -> Callable[[Bench, Outcome], Iterable[str]]:
    """No path was asked for more often than that."""
    def more(bench: Bench, outcome: Outcome) -> Iterable[str]:
        asked = Counter(bench.proxy.asked(method, path))
        return [f"{method} {of} was tried {times} times, not {most} at most" for of, times in asked.items() if times > most]
    return more


def retried(method: str, path: str) -> Callable[[Bench, Outcome], Iterable[str]]:
    """As often as the store's options say, with pauses that differ and grow from a tenth of a second."""
    def more(bench: Bench, outcome: Outcome) -> Iterable[str]:
        times = bench.proxy.times(method, path)
        if len(times) != MAX_RETRIES + 1:
            yield f"{len(times)} tries instead of {MAX_RETRIES + 1}"
        pauses = [round(later - earlier, 2) for earlier, later in zip(times, times[1:])]
        if not all(0.09 < pause < RETRY_SECONDS for pause in pauses) or len(set(pauses)) == 1:
            yield f"the pauses were {pauses}"
    return more


def aborted(bench: Bench, outcome: Outcome) -> Iterable[str]:
    if not bench.proxy.asked("POST", BEGIN):
        yield "no multipart upload was begun"
    if not bench.proxy.asked("DELETE", r"\?uploadId="):
        yield "the upload was not aborted"


def in_time(seconds: float) -> Callable[[Bench, Outcome], Iterable[str]]:
    return lambda bench, outcome: [] if outcome.seconds < seconds else [f"it took {outcome.seconds:.1f} s instead of {seconds} at most"]


def changes(key: str) -> Action:
    """The object gets another content of the same size before it is read."""
    def change(bench: Bench):
        body = bench.server.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        bench.server.client.put_object(Bucket=BUCKET, Key=key, Body=body[:-1] + bytes([body[-1] ^ 1]))
    return change


def changed(path: str, first: int) -> dict:
    """At the `first` read of an object its content becomes another, once; afterwards it is what it was."""
    key = path.removeprefix(f"/{BUCKET}/")

    def rules(bench: Bench) -> list[Rule]:
        return [Rule("GET", path, before(lambda: changes(key)(bench)), first=first, times=1)]

    def inject(bench: Bench) -> Callable[[], None]:
        file = bench.raw / key.removeprefix("raw/")
        return lambda: bench.server.client.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())

    return {"rules": rules, "inject": inject}


def deleted(path: str) -> dict:
    """Gone between listing and reading."""
    key = path.removeprefix(f"/{BUCKET}/")
    case = changed(path, 1)
    case["rules"] = lambda bench: [Rule("GET", path, before(lambda: bench.server.client.delete_object(Bucket=BUCKET, Key=key)), times=1)]
    return case


def vanishes(method: str, path: str, first: int = 1) -> dict:
    """The store refuses every connection from the first such request on."""
    return {
        "rules": lambda bench: [Rule(method, path, before(bench.proxy.vanish), first=first, times=1)],
        "inject": lambda bench: bench.proxy.come,
    }


def cases() -> list[Case]:
    hang = (MAX_RETRIES + 1) * TIMEOUT_SECONDS
    return [
        # What passes by itself.
        Case("503 at reading passes", 0, rules=some("GET", ORDERS, answers(503), 3)),
        Case("500 at writing passes", 0, rules=some("PUT", DATA, answers(500), 2)),
        Case("429 at listing passes", 0, rules=some("GET", LISTING, answers(429), 2)),
        Case("a connection that breaks in a body passes", 0, rules=some("GET", ORDERS, cut_in_body, 2)),
        Case("a connection that breaks in a Parquet file passes", 0, rules=some("GET", CUSTOMERS, cut_in_body, 2)),
        Case("a lost answer to a write passes", 0, rules=some("PUT", DATA, loses_answer, 1)),
        Case("503 at the commit passes", 0, rules=some("PUT", COMMIT, answers(503), 2)),
        Case("a lost answer to the commit is found out", 0, rules=some("PUT", COMMIT, loses_answer, 1)),
        Case("503 at a stable path passes", 0, rules=some("PUT", STABLE, answers(503), 2)),
        Case("503 at withdrawing the marker passes", 0, rules=some("POST", r"\?delete", answers(503), 2)),
        Case("500 at a part passes", 0, rules=some("PUT", PART, answers(500), 2), pipeline="notes"),
        # What stays.
        Case("503 at reading stays", TRANSIENT, ("counter.orders", "2022.csv.gz", "503"), always("GET", ORDERS, answers(503)),
             more=retried("GET", ORDERS)),
        Case("429 at reading stays", TRANSIENT, ("2022.csv.gz", "429"), always("GET", ORDERS, answers(429)), more=retried("GET", ORDERS)),
        Case("500 at a Parquet file stays", TRANSIENT, ("office.customers", "all.parquet", "500"), always("GET", CUSTOMERS, answers(500))),
        Case("500 at writing stays", TRANSIENT, ("marts/tables/customers/run=", "500"), always("PUT", DATA, answers(500)),
             more=retried("PUT", DATA)),
        Case("a balancer's page at listing stays", TRANSIENT, ("marts/tables", "502"), always("GET", LISTING, balancer_page)),
        Case("a balancer's page at reading stays", TRANSIENT, ("2022.csv.gz", "502"), always("GET", ORDERS, balancer_page)),
        Case("a connection that always breaks in a body", TRANSIENT, ("counter.orders", "2022.csv.gz"), always("GET", ORDERS, cut_in_body)),
        Case("503 at the commit stays", TRANSIENT, ("did not say whether commit", "503"), always("PUT", COMMIT, answers(503)), cleans=False),
        Case("503 at a stable path stays", TRANSIENT, ("is published, but not every stable path", "customers", "503"),
             always("PUT", STABLE, answers(503)), commits=True),
        # Authorisation.
        Case("403 at reading", CONFIGURATION, ("counter.orders", "2022.csv.gz", "403"), always("GET", ORDERS, answers(403)),
             more=attempts("GET", ORDERS, 1)),
        Case("401 at a Parquet file", CONFIGURATION, ("office.customers", "all.parquet", "401"), always("GET", CUSTOMERS, answers(401)),
             more=attempts("GET", CUSTOMERS, 1)),
        Case("403 at listing raw objects", CONFIGURATION, ("counter.orders", "403"), always("GET", f"{LISTING}raw", answers(403)),
             more=attempts("GET", f"{LISTING}raw", 1)),
        Case("403 at listing the target", CONFIGURATION, ("marts/tables", "403"), always("GET", f"{LISTING}lake", answers(403)),
             more=attempts("GET", f"{LISTING}lake", 1)),
        Case("403 at writing", CONFIGURATION, ("marts/tables/customers/run=", "403"), always("PUT", DATA, answers(403)),
             more=attempts("PUT", DATA, 1)),
        Case("403 at the marker", CONFIGURATION, ("_cvm/running", "403"), always("PUT", MARKER, answers(403)), more=attempts("PUT", MARKER, 1)),
        Case("403 at the commit", CONFIGURATION, ("_cvm/commits", "403"), always("PUT", COMMIT, answers(403)), more=attempts("PUT", COMMIT, 1)),
        Case("403 at beginning an upload", CONFIGURATION, ("stg_remarks__notes", "403"), always("POST", BEGIN, answers(403)),
             pipeline="notes", more=attempts("POST", BEGIN, 1)),
        Case("403 while raw data is made", CONFIGURATION, ("the raw data could not be made", "403"),
             always("PUT", f"/{BUCKET}/generated/", answers(403)),
             run=lambda bench, case, day: bench.generate(case.where, f"s3://{BUCKET}/generated")),
        # Time limits: of a request, times its tries, and the pauses between them.
        Case("a store that hangs at reading", TRANSIENT, ("counter.orders", "2022.csv.gz"), lambda bench: [Rule("GET", ORDERS, Hold())],
             more=in_time(hang + 6)),
        Case("a store that hangs at writing", TRANSIENT, ("marts/tables/customers/run=",), lambda bench: [Rule("PUT", DATA, Hold())],
             more=in_time(hang + 6)),
        Case("a store that hangs once", 0, rules=lambda bench: [Rule("GET", ORDERS, Hold(), times=1)], more=in_time(hang + 6)),
        # Uploads in parts.
        Case("500 at a part stays", TRANSIENT, ("stg_remarks__notes", "500"), always("PUT", PART, answers(500)), pipeline="notes",
             more=aborted),
        Case("403 at the second part", CONFIGURATION, ("stg_remarks__notes", "403"), always("PUT", PART, answers(403), first=2),
             pipeline="notes", more=aborted),
        Case("500 at the end of an upload stays", TRANSIENT, ("stg_remarks__notes", "500"), always("POST", END, answers(500)),
             pipeline="notes", more=aborted),
        # Objects that are not what they were.
        Case("an object changed after it was listed", TRANSIENT, ("counter.orders", "2022.csv.gz", "changed while"), **changed(ORDERS, 1)),
        Case("a Parquet file changed after its footer was read", TRANSIENT, ("office.customers", "all.parquet", "changed while"),
             **changed(CUSTOMERS, 2)),
        Case("an object gone after it was listed", TRANSIENT, ("counter.orders", "2022.csv.gz"), **deleted(ORDERS)),
        # A store that is gone.
        Case("the store is gone while reading", TRANSIENT, ("counter.orders",), cleans=False, **vanishes("GET", ORDERS)),
        Case("the store is gone after the first table", TRANSIENT, ("marts/tables",), cleans=False, **vanishes("PUT", DATA)),
        Case("the store is gone from the start", TRANSIENT, ("marts/tables",), rules=lambda bench: [], inject=gone),
    ]


def gone(bench: Bench) -> Callable[[], None]:
    bench.proxy.vanish()
    return bench.proxy.come
