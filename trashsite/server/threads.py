"""
What threads held of the database, closed after their end.

granian ends a thread that had nothing to do for 30 s. Django then leaves its connection, with SQLite three open files,
to the garbage collector, which may not look at old objects for hours: 60 threads that ended left 180 files open, and
the next ones opened more (measured 2026-11-26).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from django.db.backends.signals import connection_created

EVERY_S = 5.0
_ended: deque[Any] = deque()


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
    """Close them every five seconds until the process ends; for a thread of its own."""
    while True:
        time.sleep(EVERY_S)
        close_ended()
