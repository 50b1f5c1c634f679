"""What a process found out, and trusts for some seconds, however many ask for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Held(Generic[Found]):
    """
    What was found out last, found out anew by one thread at a time once it is older than `held_s`.

    Who asks meanwhile gets the last; where that is older than twice `held_s`, or there is none, they wait.
    """

    def __init__(self, find_out: Callable[[], Found], held_s: float) -> None:
        self._find_out = find_out
        self.held_s = held_s
        self._asking = threading.Lock()
        #: What was found out, and the monotonic second of it.
        self._last: tuple[Found, float] | None = None

    def get(self) -> Found:
        """Return it. Raises what finding out raises; then nothing is held."""
        last = self._last
        if last and time.monotonic() - last[1] < self.held_s:
            return last[0]
        waits = last is None or time.monotonic() - last[1] >= 2 * self.held_s
        if not self._asking.acquire(blocking=waits):
            assert last is not None
            return last[0]
        try:
            # Another thread may have found it out while this one waited.
            if self._last is None or time.monotonic() - self._last[1] >= self.held_s:
                self._last = self._find_out(), time.monotonic()
            return self._last[0]
        finally:
            self._asking.release()

    def forget(self) -> None:
        """Find it out anew when next asked."""
        self._last = None
