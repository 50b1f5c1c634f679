"""
Threads that end where nobody needs them, and what they held of the database, closed after their end.

granian ends a thread that had nothing to do for 30 s. Django then leaves its connection, with SQLite three open files,
to the garbage collector, which may not look at old objects for hours: 60 threads that ended left 180 files open, and
the next ones opened more (measured 2026-11-26).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from weakref import WeakSet

from django.db.backends.signals import connection_created

EVERY_S = 5.0
#: As long as granian waits.
SPARE_S = 30.0
_ended: deque[Any] = deque()


class Pool:
    """Up to `most` threads, begun when they are needed; they end when fewer were needed at once for half a minute."""

    def __init__(self, most: int, name: str) -> None:
        self._new = partial(ThreadPoolExecutor, most, name)
        self._threads = self._new()
        self._changing = threading.Lock()
        #: Tasks that wait or run now, the most since `_since_s`, and the most since these threads are there.
        self._tasks = self._needed = self._begun = 0
        self._since_s = time.monotonic()
        _pools.add(self)

    def submit(self, run: Callable[..., Any], *arguments: Any) -> None:
        """Have one of the threads call a function."""
        with self._changing:
            self._tasks += 1
            self._needed, self._begun = max(self._needed, self._tasks), max(self._begun, self._tasks)
            self._threads.submit(self._run, run, *arguments)

    def _run(self, run: Callable[..., Any], *arguments: Any) -> None:
        try:
            run(*arguments)
        finally:
            with self._changing:
                self._tasks -= 1

    def end_spare(self) -> None:
        """Replace the threads where there are more than were needed of late; each ends after its task."""
        with self._changing:
            now_s = time.monotonic()
            if now_s - self._since_s < SPARE_S:
                return
            are_spare = self._begun > self._needed
            self._since_s, self._needed = now_s, self._tasks
            if not are_spare:
                return
            old, self._threads, self._begun = self._threads, self._new(), self._tasks
        old.shutdown(wait=False)


_pools: WeakSet[Pool] = WeakSet()


class _Opened:
    """The connections of one thread; gone with it."""

    def __init__(self) -> None:
        self.connections: list[Any] = []
        # At the interpreter's end this module is gone first.
        self._ended = _ended

    def __del__(self) -> None:
        # Closed elsewhere: the thread's state is half gone, and SQLite calls back into Python (CPython 3.11 crashed).
        self._ended.extend(self.connections)


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.opened = _Opened()


_of_thread = _OfThread()


def _note(connection: Any, **_: Any) -> None:
    if connection not in _of_thread.opened.connections:
        _of_thread.opened.connections.append(connection)


connection_created.connect(_note, dispatch_uid="trashsite.server.threads")


def close_ended() -> None:
    """Close the connections of threads that have ended."""
    while _ended:
        connection = _ended.popleft()
        # Its thread cannot close it any more.
        connection.inc_thread_sharing()
        connection.close()


def watch() -> None:
    """End and close them every five seconds until the process ends; for a thread of its own."""
    while True:
        time.sleep(EVERY_S)
        for pool in list(_pools):
            pool.end_spare()
        close_ended()
