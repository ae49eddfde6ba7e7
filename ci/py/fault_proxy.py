"""An HTTP proxy in front of a store that injects faults by rule, and counts how often each one fired. Standard library only.

The Host header goes through as the client sent it: signatures cover it.
"""

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Of one connection, not of a message.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
SLOW_DOWN = ("SlowDown", "Please reduce your request rate.")
CODES = {403: ("AccessDenied", "Access Denied"), 401: ("Unauthorized", "Unauthorized"), 404: ("NoSuchKey", "The key does not exist."),
         429: SLOW_DOWN, 500: ("InternalError", "We encountered an internal error. Please try again."), 503: SLOW_DOWN}
# What a load balancer says for the store behind it: no XML, and many lines.
BALANCER_PAGE = "\r\n".join(["<html>", "<head><title>502 Bad Gateway</title></head>", "<body>", "<center><h1>502 Bad Gateway</h1></center>",
                             "<p>The server returned an invalid or incomplete response.</p>", "<ul>", "<li>Try again</li>", "<li>Ask us</li>",
                             "</ul>", "<hr><center>balancer</center>", "</body>", "</html>", ""])


class Gone(Exception):
    """The client is to get no (further) answer: its connection closes."""


@dataclass
class Request:
    """One request, and how to have it answered by the store."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    handler: "Handler"

    def forward(self) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.handler.server.upstream_port)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers:
                connection.putheader(name, value)
            connection.endheaders(self.body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except OSError as error:
            raise Gone from error
        finally:
            connection.close()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut_at: int | None = None):
        """Sends an answer; with `cut_at` it promises the whole body and breaks off there."""
        handler = self.handler
        handler.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length" and self.method == "HEAD":
                length = value
            elif name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", length)
        handler.end_headers()
        if self.method != "HEAD":
            handler.wfile.write(body[:cut_at])
        handler.wfile.flush()
        if cut_at is not None:
            raise Gone


Action = Callable[[Request], None]


def forwarded(request: Request):
    request.answer(*request.forward())


def answers(status: int) -> Action:
    """The store's own refusal."""
    code, message = CODES[status]
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return lambda request: request.answer(status, [("Content-Type", "application/xml")], text.encode())


def balancer_page(request: Request):
    request.answer(502, [("Content-Type", "text/html")], BALANCER_PAGE.encode())


def cut_in_body(request: Request):
    """Half of the body, then the connection breaks."""
    status, headers, body = request.forward()
    request.answer(status, headers, body, cut_at=len(body) // 2)


def loses_answer(request: Request):
    """The store does it, but its answer is lost."""
    request.forward()
    raise Gone


def before(do: Callable[[], None]) -> Action:
    """Does something, then lets the request through."""
    def act(request: Request):
        do()
        forwarded(request)
    return act


class Hold:
    """Answers nothing until let go, and then as the store does where it `forwards`. Else the request never comes to the store."""

    def __init__(self, forwards: bool = False):
        self.go, self.forwards = threading.Event(), forwards

    def __call__(self, request: Request):
        self.go.wait()
        if not self.forwards:
            raise Gone
        forwarded(request)


class Cut:
    """Reaches a request, which the store has answered by then where it `forwards`, and waits: the client is to be killed there."""

    def __init__(self, forwards: bool):
        self.forwards, self.reached, self.killed = forwards, threading.Event(), threading.Event()

    def __call__(self, request: Request):
        if self.forwards:
            request.forward()
        self.reached.set()
        self.killed.wait()
        raise Gone


@dataclass
class Rule:
    """From the `first` matching request on, `times` of them (all where none is given) are acted on. Paths are patterns, searched
    for in the path with its query."""

    method: str
    path: str
    action: Action
    first: int = 1
    times: int | None = None
    seen: int = 0
    fired: int = 0
    has_fired: threading.Event = field(default_factory=threading.Event)

    def takes(self, method: str, path: str) -> bool:
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.seen += 1
        if self.seen < self.first or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer goes out at once and in one piece, or each would wait for the client's acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            # Its sender died over it: no store takes half an object.
            self.close_connection = True
            return
        request = Request(self.command, self.path, self.headers.items(), body, self)
        try:
            self.server.proxy.action_for(request)(request)
        except (Gone, OSError):
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def log_message(self, *_):
        pass


class Listener(ThreadingHTTPServer):
    """Remembers its connections, so that it can break them all."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, proxy: "FaultProxy"):
        self.proxy, self.upstream_port, self.connections = proxy, proxy.upstream_port, set()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        """A client that went away is what is being tested."""


class FaultProxy:
    """The proxy, for as long as the `with` lasts."""

    def __init__(self, upstream_port: int):
        self.upstream_port = upstream_port
        self.lock, self.rules, self.log = threading.Lock(), [], []
        self.port, self.listener = 0, None

    def __enter__(self) -> "FaultProxy":
        self.come()
        return self

    def __exit__(self, *_):
        self.inject()
        self.vanish()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def come(self):
        """Listens, where it did before."""
        if self.listener is not None:
            return
        self.listener = Listener(self.port, self)
        self.port = self.listener.server_address[1]
        threading.Thread(target=self.listener.serve_forever, args=(0.02,), daemon=True).start()

    def vanish(self):
        """Breaks every connection and refuses new ones, as a store that is gone."""
        listener, self.listener = self.listener, None
        if listener is None:
            return
        listener.shutdown()
        listener.server_close()
        for connection in list(listener.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def inject(self, *rules: Rule):
        """From now on these rules and no others; forgets what was asked for until now and lets go of what is held."""
        with self.lock:
            gone, self.rules, self.log = self.rules, list(rules), []
        for rule in gone:
            if isinstance(rule.action, Hold):
                rule.action.go.set()

    def is_quiet(self) -> bool:
        """Whether nothing that a client sent is still on its way to the store: every connection has ended."""
        return self.listener is None or not self.listener.connections

    def action_for(self, request: Request) -> Action:
        """The first rule that takes the request decides."""
        with self.lock:
            self.log.append((time.monotonic(), request.method, request.path))
            rule = next((rule for rule in self.rules if rule.takes(request.method, request.path)), None)
        if rule is None:
            return forwarded
        rule.has_fired.set()
        return rule.action

    def asked(self, method: str, path: str) -> list[str]:
        """The paths of the requests since the last `inject` that match."""
        with self.lock:
            return [of for _, how, of in self.log if re.fullmatch(method, how) and re.search(path, of)]

    def times(self, method: str, path: str) -> list[float]:
        """When they came."""
        with self.lock:
            return [at for at, how, of in self.log if re.fullmatch(method, how) and re.search(path, of)]
