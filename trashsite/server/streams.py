"""Streamed answers, sent by the event loop at the pace of their readers; a few threads make them, piece by piece."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trashsite.server.visitors import Held, first_to_give_way

logger = logging.getLogger(__name__)

#: Open at once in one process.
MOST_STREAMS = 64
#: Threads that make pieces, one after another of whoever waits; a stream has none while it waits for its reader.
THREADS = 1
#: A piece is sent when it has so many bytes, or after so long: the first rows show while the others are read.
PIECE_BYTES = 32 * 1024
PIECE_S = 0.25
#: Within this a reader must make room for the next piece: 2 KiB/s.
PATIENCE_S = 15.0
#: Where there is no room for another stream, one whose reader keeps it waiting for longer than this is ended.
SLOW_S = 1.0


class Streams:
    """The streamed answers of one process. Used by the thread of its event loop alone."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "stream")
        #: Those whose readers keep them waiting, and since when.
        self._waiting: dict[asyncio.Task[Any], Held] = {}
        self._open = 0

    def has_room(self) -> bool:
        """Tell whether one more may begin; for that, end one whose reader is slow where there is no room."""
        if self._open < MOST_STREAMS:
            return True
        since = time.monotonic() - SLOW_S
        slow = {held: task for task, held in self._waiting.items() if held.since_s < since and not task.cancelling()}
        for held in first_to_give_way(slow)[:1]:
            slow[held].cancel()
            return True
        return False

    async def send(
        self,
        send: Callable[[dict[str, Any]], Awaitable[Any]],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        pieces: Iterator[bytes],
        visitor: str,
    ) -> bool:
        """
        Send what an iterator yields, as the body of an answer; False: broken off, by the reader, or by an error here.

        The caller then has to break the connection: what was sent would otherwise look like all of it.
        """
        loop = asyncio.get_running_loop()
        self._open += 1
        gone = asyncio.ensure_future(_disconnect(receive))
        task = asyncio.current_task()
        assert task is not None
        try:
            while (piece := await loop.run_in_executor(self._threads, next_piece, pieces)) is not None:
                if gone.done():
                    return False
                if not piece:
                    continue
                self._waiting[task] = Held(visitor, time.monotonic())
                async with asyncio.timeout(PATIENCE_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                del self._waiting[task]
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            # It had to make room for another.
            return False
        except Exception:
            logger.exception("An answer broke off in the middle")
            return False
        finally:
            self._waiting.pop(task, None)
            self._open -= 1
            gone.cancel()
        return True

    async def close(self, result: Any) -> None:
        """Let the maker of an answer clean up, in a thread that may have worked on it."""
        if hasattr(result, "close"):
            await asyncio.get_running_loop().run_in_executor(self._threads, result.close)


async def _disconnect(receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def next_piece(pieces: Iterator[bytes]) -> bytes | None:
    """
    Return what comes next, some of it together; None where nothing comes any more.

    Empty where nothing came for a while: then it is the turn of the other streams.
    """
    taken: list[bytes] = []
    size, until = 0, time.monotonic() + PIECE_S
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES or time.monotonic() > until:
            return b"".join(taken)
    return b"".join(taken) or None
