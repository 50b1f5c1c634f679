"""From a request to its answer: where its body comes from, which thread runs Django, and who sends what Django says."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from io import BytesIO
from typing import IO, Any, Protocol

from trashsite import telemetry
from trashsite.request_counts import method
from trashsite.server.bodies import Bodies, RefusedError
from trashsite.server.connections import Connections
from trashsite.server.environ import environ_of
from trashsite.server.handler import Handler, Headers, headers_of
from trashsite.server.places import Places
from trashsite.server.streams import PIECE_BYTES, Streams
from trashsite.server.threads import Pool
from trashsite.server.visitors import visitor_of

logger = logging.getLogger(__name__)

#: The places of a process that are kept for what must be answered whatever else goes on; the others have all the rest.
KEPT = {"live": 4, "health": 4, "sign-in": 4}
#: Files of the whole fleet that are begun at once: each reads hundreds of rows at a time, whoever will read them.
MOST_EXPORTS = 4
#: Threads for requests whose body the loop has collected. Each keeps connections to the stores.
THREADS = {"live": 1, "health": 1, "sign-in": 4, "export": 1, "other": 16}
#: Requests that may wait for one of these places: some seconds of work. More are told to come again.
WAITING = 1000
#: An answer of more is sent at its reader's pace; of less, all of it fits into what the kernel holds for its reader.
WHOLE_BYTES = 64 * 1024
#: From the answer to a body that is not taken until its connection is ended.
HANG_UP_AFTER_S = 1.0
#: How long an answer that broke off waits until its connection is ended, which is done at once as a rule.
BROKEN_WITHIN_S = 5.0
_SIGN_IN = ("/login/", "/admin/login/")


def kind_of(environ: Mapping[str, str]) -> str:
    """Return which places a request takes."""
    path = environ["PATH_INFO"]
    if path == "/health/live":
        # It asks nobody; the others ask AWS, which may keep them waiting.
        return "live"
    if path.startswith("/health/"):
        return "health"
    if path in _SIGN_IN:
        return "sign-in"
    return "export" if "csv" in environ["QUERY_STRING"] or "csv" in environ.get("HTTP_ACCEPT", "") else "other"


class HTTPProtocol(Protocol):
    """granian's end of one request: what ASGI calls `receive` and `send`, which any thread may call."""

    def receive(self) -> Any: ...

    def send(self, message: dict[str, Any], /) -> Any: ...


def path_of(file: IO[bytes]) -> str | None:
    """Return where all of a file that Django wants to be sent can be read from; None where only this object can."""
    with suppress(AttributeError, OSError, ValueError):
        name = file.name
        if isinstance(name, str) and not file.tell() and type(file).__module__ == "_io":
            opened, found = os.fstat(file.fileno()), os.stat(name)
            if stat.S_ISREG(found.st_mode) and os.path.samestat(opened, found):
                return os.path.abspath(name)
    return None


class Exchanges:
    """All requests of one process."""

    def __init__(
        self, django: Handler, loop: asyncio.AbstractEventLoop, connections: Connections, threads: int
    ) -> None:
        self.django = django
        self.loop = loop
        self.connections = connections
        self.bodies = Bodies()
        self.streams = Streams()
        places = {**KEPT, "export": MOST_EXPORTS, "other": threads - sum(KEPT.values()) - MOST_EXPORTS}
        self.places = {kind: Places(count, waiting=WAITING) for kind, count in places.items()}
        self.threads = {kind: Pool(count, kind) for kind, count in THREADS.items()}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, scope: dict[str, Any], proto: HTTPProtocol) -> None:
        """Answer a request: now, in this thread, or later in another one. Raises nothing."""
        environ = environ_of(scope)
        exchange = Exchange(self, environ, proto, scope["client"])
        self.connections.begin(exchange.client)
        length = environ.get("CONTENT_LENGTH", "")
        if length.isdecimal() and int(length):
            self.in_loop(exchange.with_body, int(length))
        else:
            self.in_place(exchange)

    def in_place(self, exchange: Exchange) -> None:
        """Have an exchange run in this thread, or in one that has a place for it."""
        if not self.places[exchange.kind].run(exchange.visitor, exchange.run):
            exchange.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests wait.")

    def in_thread(self, exchange: Exchange) -> None:
        """Have an exchange run in another thread than this."""
        self.threads[exchange.kind].submit(self.in_place, exchange)

    def in_loop(self, coroutine: Any, *arguments: Any) -> None:
        """Have a coroutine run by the event loop."""

        def start() -> None:
            task = self.loop.create_task(coroutine(*arguments))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        with suppress(RuntimeError):  # The process stops.
            self.loop.call_soon_threadsafe(start)


class Exchange:
    """One request and its answer."""

    __slots__ = ("_headers", "_process", "_proto", "_status", "client", "environ", "kind", "visitor")

    def __init__(self, process: Exchanges, environ: dict[str, Any], proto: HTTPProtocol, client: tuple[str, str]):
        self._process = process
        self._proto = proto
        self._status = 0
        self._headers: Headers = []
        self.environ = environ
        self.client = client
        self.visitor = visitor_of(environ)
        self.kind = kind_of(environ)

    async def with_body(self, size: int) -> None:
        """Collect the body, then run in a thread."""
        try:
            body = await self._process.bodies.collect(self._proto.receive, size, self.visitor)
        except RefusedError as refused:
            self.refuse(refused.status, refused.detail)
            # granian waits for the rest of the body; the answer is on its way by then.
            self._process.loop.call_later(HANG_UP_AFTER_S, self._process.connections.hang_up, self.client)
            return
        self.environ["wsgi.input"] = BytesIO(body)
        self._process.in_thread(self)

    def run(self) -> None:
        """Ask Django, and answer. Raises nothing."""
        try:
            self._answer(self._process.django.respond(self.environ))
        except Exception:
            logger.exception("A request failed outside Django")
            self.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed.")

    def _answer(self, response: Any) -> None:
        """Send a response of Django's."""
        self._status, self._headers = response.status_code, headers_of(response)
        file = getattr(response, "file_to_stream", None)
        if file is not None and (path := path_of(file)):
            # Read and sent by granian, without Python.
            self._send_start()
            self._proto.send({"type": "http.response.pathsend", "path": path})
            self._end()
            response.close()
        elif response.streaming:
            self._process.in_loop(self._stream, response)
        else:
            body = response.content
            if len(body) > WHOLE_BYTES:
                self._process.in_loop(self._stream, _pieces(body))
            else:
                self._send_whole(body)
            response.close()

    async def _stream(self, result: Any) -> None:
        """Send what an iterable yields at the pace of its reader."""
        if self.environ["REQUEST_METHOD"] == "HEAD":
            self._send_whole(b"")
        elif self._process.streams.has_room():
            self._send_start()
            pieces = iter(result)
            whole = await self._process.streams.send(self._proto.send, self._proto.receive, pieces, self.visitor)
            if not whole:
                # granian ends the answer in order as soon as nothing holds its end of it: broken first.
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        asyncio.wrap_future(self._process.connections.abort(self.client)), BROKEN_WITHIN_S
                    )
            self._end()
        else:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many large answers are on their way.")
        await self._process.streams.close(result)

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer in Django's stead, and read no more of this connection."""
        telemetry.WEB_REQUESTS.add(1, method(self.environ["REQUEST_METHOD"]), "refused", str(int(status)))
        problem = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
        self._status = int(status)
        self._headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self._headers.append((b"retry-after", b"5"))
        try:
            self._send_whole(json.dumps(problem).encode())
        except RuntimeError:  # An answer has begun.
            self._end()

    def _send_whole(self, body: bytes) -> None:
        self._send_start()
        self._proto.send({"type": "http.response.body", "body": body, "more_body": False})
        self._end()

    def _send_start(self) -> None:
        self._proto.send({"type": "http.response.start", "status": self._status, "headers": self._headers})

    def _end(self) -> None:
        self._process.connections.end(self.client)


def _pieces(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), PIECE_BYTES):
        yield body[at : at + PIECE_BYTES]
