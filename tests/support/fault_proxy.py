"""
A proxy before a stand-in for AWS, which breaks what passes in the ways in which networks and services break.

    with FaultProxy(server.url) as proxy:
        proxy.inject(reset, "ReceiveMessage", times=3)       # the next three only
        proxy.inject(error("ThrottlingException"), "BatchWriteItem")
        ...                                                  # clients talk to proxy.url
        proxy.heal()

A fault is a function: it is given the Call, may let the real server work it off with `call.forward()`, and returns
the Reply that the client gets, or raises Cut where the client gets none. What no fault is meant for passes unchanged.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/x-amz-json-1.0"

    @property
    def json(self) -> dict[str, Any]:
        """The body, where it is an object."""
        return dict(json.loads(self.body))


class Cut(Exception):
    """Instead of an answer the client gets these bytes, at once or singly, and then an end: in order, or by a reset."""

    def __init__(self, sent: bytes = b"", *, by_reset: bool = False, a_byte_each_s: float = 0.0) -> None:
        super().__init__()
        self.sent = sent
        self.by_reset = by_reset
        self.a_byte_each_s = a_byte_each_s


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way: AWS's name of the operation, what it asks, and the way to the real server."""

    operation: str
    body: bytes
    headers: Mapping[str, str]
    pass_on: Callable[[bytes], Reply]
    #: Set when the proxy heals or closes: a fault that waits, waits for this at most.
    over: threading.Event

    @property
    def request(self) -> dict[str, Any]:
        """The request's JSON."""
        return dict(json.loads(self.body))

    def forward(self, request: Mapping[str, Any] | None = None) -> Reply:
        """Let the real server work it off, or `request` in its place, and return its answer."""
        return self.pass_on(self.body if request is None else json.dumps(request).encode())


Fault = Callable[[Call], Reply]


# -- faults ----------------------------------------------------------------------------------------------


def reset(call: Call) -> Reply:
    """The connection is reset before the server sees the request."""
    raise Cut(by_reset=True)


def hang_up(call: Call) -> Reply:
    """The connection is closed in order, without an answer and before the server sees the request."""
    raise Cut


def lose_answer(call: Call) -> Reply:
    """The server does its work; the connection is reset before the answer gets back."""
    call.forward()
    raise Cut(by_reset=True)


def swallow_answer(call: Call) -> Reply:
    """The server does its work, and the answer never comes."""
    call.forward()
    return never(call)


def never(call: Call) -> Reply:
    """Nothing answers, nothing closes."""
    call.over.wait()
    raise Cut(by_reset=True)


def cut_short(call: Call) -> Reply:
    """The server does its work; half of the answer arrives, then the connection ends."""
    reply = call.forward()
    head = f"HTTP/1.1 {reply.status} OK\r\nContent-Length: {len(reply.body) + 2}\r\n\r\n"
    raise Cut(head.encode() + reply.body[: len(reply.body) // 2])


def answer(status: int, body: str | bytes, content_type: str = "application/x-amz-json-1.0") -> Fault:
    """Return a fault that answers so, whatever was asked; the server sees nothing."""
    reply = Reply(status, body.encode() if isinstance(body, str) else body, content_type)
    return lambda call: reply


def error(code: str, status: int = 400, message: str = "by the fault proxy") -> Fault:
    """Return a fault that answers with an error as AWS JSON 1.0 writes it."""
    return answer(status, json.dumps({"__type": f"com.amazon.coral.service#{code}", "message": message}))


html = answer(200, "<html><body>Please log in to the hotel's network.</body></html>", "text/html")
expired_token = error("ExpiredTokenException", 403)
throttled = error("ThrottlingException")
unavailable = answer(503, "")


def slow(seconds: float) -> Fault:
    """Return a fault that lets everything pass, late."""

    def late(call: Call) -> Reply:
        call.over.wait(seconds)
        return call.forward()

    return late


def edit(change: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any] | None]) -> Fault:
    """
    Return a fault that changes the server's answer: change(request, answer) alters it, or returns another.

    The server has done all of the work then; to let it do a part only, see tests/support/partial_answers.py.
    """

    def edited(call: Call) -> Reply:
        reply = call.forward()
        changed = reply.json
        other = change(call.request, changed)
        return replace(reply, body=json.dumps(changed if other is None else other).encode())

    return edited


# -- the proxy -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Rule:
    fault: Fault
    operations: frozenset[str]
    left: int | None
    over: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """
    Listens on a port of 127.0.0.1 and forwards to `upstream`, an http URL.

    seen: how often each operation came, faults or not. spoilt: how often a fault met it.
    Everything may be called from any thread.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        self.seen: Counter[str] = Counter()
        self.spoilt: Counter[str] = Counter()
        self._listen()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def inject(self, fault: Fault, *operations: str, times: int | None = None) -> None:
        """Let `fault` meet these operations (none named: all), that many times, or until `heal`."""
        with self._lock:
            self._rules.append(_Rule(fault, frozenset(operations), times))

    def heal(self) -> None:
        """Let everything pass again, and end what still waits in a fault."""
        with self._lock:
            rules, self._rules = self._rules, []
            for rule in rules:
                rule.over.set()
        if self._listener is None:
            self._listen()

    @contextmanager
    def broken(self, fault: Fault, *operations: str, times: int | None = None) -> Iterator[FaultProxy]:
        """Inject a fault for as long as the block lasts; the end heals everything."""
        self.inject(fault, *operations, times=times)
        try:
            yield self
        finally:
            self.heal()

    def refuse(self) -> None:
        """Refuse connections, and drop those that are open, until `heal`: the server is gone."""
        listener, self._listener = self._listener, None
        if listener:
            _end(listener)
            # Bound and not listened to: nobody else is given the port meanwhile.
            self._place = _bound(self.port)
        self._drop_all()

    def close(self) -> None:
        """End everything."""
        with self._lock:
            for rule in self._rules:
                rule.over.set()
        self.refuse()
        self._place.close()

    # -- connections -------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._place.listen(128)
        self._listener = self._place
        threading.Thread(target=self._accept_on, args=(self._listener,), daemon=True).start()

    def _accept_on(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with suppress(OSError, ValueError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Connection(connection, address, self)  # type: ignore[arg-type]
        with self._lock:
            self._open.discard(connection)
        with suppress(OSError):
            connection.close()

    def _drop_all(self) -> None:
        with self._lock:
            dropped, self._open = list(self._open), set()
        for each in dropped:
            _end(each, close=False)

    # -- one request -------------------------------------------------------------------------------------

    def handle(
        self, operation: str, body: bytes, headers: Mapping[str, str], pass_on: Callable[[bytes], Reply]
    ) -> Reply:
        """Answer one request, as the connection that it came on asks."""
        rule = self._rule(operation)
        if rule is None:
            return pass_on(body)
        return rule.fault(Call(operation, body, headers, pass_on, rule.over))

    def _rule(self, operation: str) -> _Rule | None:
        with self._lock:
            self.seen[operation] += 1
            for rule in self._rules:
                if rule.left != 0 and (not rule.operations or operation in rule.operations):
                    if rule.left:
                        rule.left -= 1
                    self.spoilt[operation] += 1
                    return rule
        return None

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the real server."""
        return http.client.HTTPConnection(self._upstream, timeout=60)


class _Connection(BaseHTTPRequestHandler):
    """One client's connection: its constructor serves it until it ends."""

    protocol_version = "HTTP/1.1"
    server: FaultProxy  # type: ignore[assignment]
    upstream: http.client.HTTPConnection | None = None

    def do_POST(self) -> None:
        """Take one request of AWS JSON."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            reply = self.server.handle(operation, body, dict(self.headers.items()), self._forward)
        except Cut as cut:
            self._cut(cut)
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST

    def finish(self) -> None:
        """Close the connection to the real server as well."""
        if self.upstream:
            self.upstream.close()
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests look at `seen`."""

    def _forward(self, body: bytes) -> Reply:
        # A fault may have changed the body: its length is told anew.
        left_out = {"connection", "content-length"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
        for fresh in (False, True):
            if self.upstream is None or fresh:
                self.upstream = self.server.connect()
            try:
                self.upstream.request(self.command, self.path, body or None, headers)
                answered = self.upstream.getresponse()
                return Reply(answered.status, answered.read(), answered.headers.get("Content-Type", "text/plain"))
            except (http.client.HTTPException, ConnectionError) as problem:
                # The real server ended an idle connection, or it is gone.
                self.upstream.close()
                self.upstream = None
                if fresh:
                    raise Cut(by_reset=True) from problem
        raise Cut(by_reset=True)

    def _cut(self, cut: Cut) -> None:
        self.close_connection = True
        with suppress(OSError):
            if cut.a_byte_each_s:
                for byte in cut.sent:
                    self.wfile.write(bytes([byte]))
                    time.sleep(cut.a_byte_each_s)
            elif cut.sent:
                self.wfile.write(cut.sent)
                time.sleep(0.01)
            if cut.by_reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _end(ended: socket.socket, *, close: bool = True) -> None:
    # A close alone does not wake the thread that waits in accept or recv.
    with suppress(OSError):
        ended.shutdown(socket.SHUT_RDWR)
    if close:
        ended.close()
