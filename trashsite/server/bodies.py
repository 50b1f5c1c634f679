"""Bodies of requests, collected by the event loop: whole ones only, at a least pace, in a bounded amount of memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from trashsite.server.visitors import Held, first_to_give_way

#: More than any form, import or array of reports of ours has; what each may have is Django's to say.
BODY_BYTES = 4 * 1024 * 1024
#: A body may take so long, and a second more for each so many bytes that have come: 4 MiB in 17 minutes.
GRACE_S = 10.0
LEAST_BYTES_PER_S = 4 * 1024
#: On their way at once in one process.
MOST_BODIES = 1024
MOST_BYTES = 64 * 1024 * 1024

Receive = Callable[[], Awaitable[dict[str, Any]]]


class RefusedError(Exception):
    """A request that gets no further than here; its status and why, for the client."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(slots=True, eq=False)
class _Body(Held):
    size_bytes: int = 0


class Bodies:
    """The bodies that are on their way to this process. Used by the thread of its event loop alone."""

    def __init__(self) -> None:
        self._on_their_way: dict[_Body, asyncio.Task[bytes]] = {}
        self._bytes = 0

    async def collect(self, receive: Receive, size: int, visitor: str) -> bytes:
        """
        Return a body of this announced size. Raises RefusedError where it is too large, too slow, or broken off.

        Where too many are on their way, or too much of them has come, the oldest of the visitor with most is given up.
        """
        if size > BODY_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
        body = _Body(visitor, time.monotonic())
        task = asyncio.ensure_future(self._read(receive, size, body))
        self._on_their_way[body] = task
        try:
            self._make_room()
            return await task
        except asyncio.CancelledError:
            raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly.") from None
        finally:
            del self._on_their_way[body]
            self._bytes -= body.size_bytes

    async def _read(self, receive: Receive, size: int, body: _Body) -> bytes:
        parts: list[bytes] = []
        while True:
            patience_s = body.since_s + GRACE_S + body.size_bytes / LEAST_BYTES_PER_S - time.monotonic()
            try:
                message = await asyncio.wait_for(_awaited(receive), patience_s)
            except TimeoutError:
                raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly.") from None
            if message["type"] == "http.disconnect":
                raise RefusedError(HTTPStatus.BAD_REQUEST, "The request broke off.")
            part = message["body"]
            parts.append(part)
            body.size_bytes += len(part)
            self._bytes += len(part)
            self._make_room()
            if not message["more_body"] or body.size_bytes >= size:
                break
        if body.size_bytes < size:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "The request broke off.")
        return b"".join(parts)

    def _make_room(self) -> None:
        if len(self._on_their_way) > MOST_BODIES or self._bytes > MOST_BYTES:
            waiting = (body for body, task in self._on_their_way.items() if not task.done())
            for body in first_to_give_way(waiting)[:1]:
                self._on_their_way[body].cancel()


async def _awaited(receive: Receive) -> dict[str, Any]:
    return await receive()
