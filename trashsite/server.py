"""
gunicorn's threads, and no client that can hold one up.

gunicorn's own gthread worker gives a thread to each connection: 8 clients that never end their request stop it, and
so do those that never hang up after an answer (gunicorn 27.0.1; tests/trashsite/test_slow_clients.py has the ways).
Here the poller collects a request, and a thread gets it whole.
"""

from __future__ import annotations

import re
import resource
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

#: From its first byte to its last; from the end of an answer to the client's hanging up; and an answer in all.
REQUEST_S = 30.0
PARTING_S = 2.0
ANSWER_S = 300.0
#: Above all that the site takes: a form of reports, each byte of it escaped.
MOST_HEAD_BYTES = 32 * 1024
MOST_BODY_BYTES = 4 * 1024 * 1024
#: All requests that are on their way here, in memory.
MOST_HELD_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
#: Open files that are not connections: the database's, AWS's, the log.
OTHER_FILES = 128

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_REFUSALS = {
    411: ("Length Required", "Say in Content-Length how long the body is."),
    413: ("Content Too Large", f"A request may hold {MOST_BODY_BYTES:,} bytes at most."),
    431: ("Request Header Fields Too Large", f"The headers may hold {MOST_HEAD_BYTES:,} bytes at most."),
    503: ("Service Unavailable", "Too many requests are on their way. Try again in a moment."),
}


class Arriving:
    """A request on its way: what is here of it, and how much it will be once its head is here."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.length: int | None = None
        #: The client sends the body when it was told to go on.
        self.expects = False
        self.deadline = time.monotonic() + REQUEST_S

    def add(self, more: bytes) -> int | None:
        """Take what came. Returns the HTTP status with which to refuse it, None for none."""
        seen = len(self.text)
        self.text += more
        if self.length is None:
            end = self.text.find(b"\r\n\r\n", max(0, seen - 3))
            if max(end, 0) > MOST_HEAD_BYTES or (end < 0 and len(self.text) > MOST_HEAD_BYTES):
                return 431
            if end >= 0:
                head = bytes(self.text[: end + 4])
                if _CHUNKED.search(head):
                    return 411
                found = _LENGTH.search(head)
                body = int(found[1]) if found else 0
                if body > MOST_BODY_BYTES:
                    return 413
                self.length = len(head) + body
                self.expects = bool(_EXPECTS.search(head))
        return None

    @property
    def whole(self) -> bool:
        return self.length is not None and len(self.text) >= self.length


class Worker(ThreadWorker):
    """
    gunicorn's gthread worker; `pending_conns` are requests on their way, and partings.

    Where connections run out, the one that has waited longest makes room. TLS ends at the load balancer: with a
    certificate of its own this is gunicorn's worker, and as slow clients like it.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Fewer than those at which gunicorn stops to accept.
        self.most_connections = max(self.cfg.threads * 2, min(self.worker_connections - 1, files - OTHER_FILES))
        self.held_bytes = 0
        self.answering: dict[Any, float] = {}

    def accept(self, listener: socket.socket) -> None:
        while self.nr_conns >= self.most_connections and (self.pending_conns or self.keepalived_conns):
            self._drop((self.pending_conns or self.keepalived_conns)[0])
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to a thread once its request is here, whole; until then, to the poller."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
            return
        conn.init()
        conn.sock.setblocking(False)
        request = conn.arriving = Arriving()
        # Most often all of it is here by now, and the poller need not know.
        if self._take(conn, conn.parser.unreader.take_buffered()) and self._more(conn, conn.sock):
            self._await(conn, request.deadline, self._more)

    def _more(self, conn: Any, client: socket.socket) -> bool:
        """Take what has come, and return whether more must."""
        try:
            data = client.recv(CHUNK_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if data:
            return self._take(conn, data)
        self._drop(conn)
        return False

    def _take(self, conn: Any, data: bytes) -> bool:
        request = conn.arriving
        self.held_bytes += len(data)
        refused = request.add(data) or (503 if self.held_bytes > MOST_HELD_BYTES else None)
        if not refused and not request.whole:
            if request.expects:
                request.expects = False
                with suppress(OSError):
                    conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            return True
        self._forget(conn)
        if refused:
            self._refuse(conn, refused)
        else:
            conn.parser.unreader.unread(bytes(request.text))
            conn.data_ready = True
            self.answering[conn] = time.monotonic()
            super().enqueue_req(conn)
        return False

    def _refuse(self, conn: Any, status: int) -> None:
        title, detail = _REFUSALS[status]
        body = f'{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}'.encode()
        head = (
            f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with suppress(OSError):
            conn.sock.send(head.encode() + body)
        self._part(conn)

    def finish_request(self, conn: Any, future: Any) -> None:
        """Keep the connection for its next request, or part."""
        self.answering.pop(conn, None)
        stays = not future.cancelled() and not future.exception() and future.result() is True
        if stays and not conn.parser.unreader.buf.getvalue() and not self.cfg.is_ssl:
            # As gunicorn does it, which also knows what to do while it stops.
            super().finish_request(conn, future)
        elif stays:
            self.enqueue_req(conn)
        else:
            self._part(conn)

    def _part(self, conn: Any) -> None:
        """Hang up as RFC 9112, section 9.6, asks, so that the answer arrives; gunicorn waits for the client here."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.nr_conns -= 1
            conn.close()
        else:
            self._await(conn, time.monotonic() + PARTING_S, self._until_gone)

    def _until_gone(self, conn: Any, client: socket.socket) -> None:
        try:
            gone = not client.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self._drop(conn)

    def _await(self, conn: Any, deadline: float, then: Any) -> None:
        conn.timeout = deadline
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(then, conn))

    def _forget(self, conn: Any) -> None:
        """Take a connection out of what waits."""
        if request := getattr(conn, "arriving", None):
            self.held_bytes -= len(request.text)
            conn.arriving = None
        for waiting in (self.pending_conns, self.keepalived_conns):
            if conn in waiting:
                waiting.remove(conn)
                self.poller.unregister(conn.sock)

    def _drop(self, conn: Any) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Drop whoever is too slow; called at least once a second."""
        now = time.monotonic()
        for conn in list(self.pending_conns):
            request = conn.arriving
            # A browser opens connections in advance: who stops need not wait for them.
            if conn.timeout < now or (not self.alive and request and not request.text):
                self._drop(conn)
        for conn, began in list(self.answering.items()):
            if now - began > ANSWER_S:
                # Its thread gets an error from the next byte that it sends.
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)
