"""A receiver of webhooks: keeps what it got, and answers, fails or hangs as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stack.servers import LOOPBACK


class Receiver:
    """What came, headers and body, and with which status it is answered: 0 hangs until `released` is set."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.location = ""
        self.released = threading.Event()
        self.url = ""

    @property
    def told(self) -> list[dict[str, Any]]:
        """The data of each message that was answered with a success."""
        return [json.loads(body)["data"] for _, body in self.got]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver on a port of its own."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.status
            if not status:
                kept.released.wait(30)
                return
            if 200 <= status < 300:
                kept.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    kept.url = f"http://{LOOPBACK}:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        kept.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
