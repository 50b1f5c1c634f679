"""A number of places for jobs, divided fairly among visitors."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

Job = Callable[[], None]


class Places:
    """
    At most `count` jobs run at once, at most three quarters of them one visitor's; the others wait, up to `waiting`.

    No thread waits: a job that has no place yet is run later by a thread that has just ended another one. Visitors who
    wait take turns. A job must not raise.
    """

    def __init__(self, count: int, *, waiting: int) -> None:
        self._count = count
        self._share = max(1, count * 3 // 4)
        self._most_waiting = waiting
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._in_use = 0
        #: By visitor, whose turn is next first.
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._waiting_count = 0

    def run(self, visitor: str, job: Job) -> bool:
        """Run a job here and now, or have it run as soon as there is a place. False: too many wait; it never runs."""
        with self._lock:
            if not self._is_free(visitor):
                return self._wait(visitor, job)
            self._take(visitor)
        following: tuple[str, Job] | None = visitor, job
        while following:
            visitor, job = following
            try:
                job()
            finally:
                with self._lock:
                    self._give_back(visitor)
                    following = self._next()
        return True

    def _is_free(self, visitor: str) -> bool:
        return self._in_use < self._count and self._running[visitor] < self._share

    def _take(self, visitor: str) -> None:
        self._in_use += 1
        self._running[visitor] += 1

    def _give_back(self, visitor: str) -> None:
        self._in_use -= 1
        self._running[visitor] -= 1
        if not self._running[visitor]:
            del self._running[visitor]

    def _wait(self, visitor: str, job: Job) -> bool:
        if self._waiting_count >= self._most_waiting:
            return False
        self._waiting.setdefault(visitor, deque()).append(job)
        self._waiting_count += 1
        return True

    def _next(self) -> tuple[str, Job] | None:
        for visitor, jobs in self._waiting.items():
            if self._is_free(visitor):
                job = jobs.popleft()
                self._waiting_count -= 1
                self._waiting.move_to_end(visitor)
                if not jobs:
                    del self._waiting[visitor]
                self._take(visitor)
                return visitor, job
        return None
