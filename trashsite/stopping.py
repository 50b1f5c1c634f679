"""Whether this process stops, and for how long it has: the processes of a prefork pool are told with their parent."""

from __future__ import annotations

import struct
import threading
import time
from mmap import mmap


class Stopping:
    """
    What threading.Event is, for a process and all that are forked from it after this was made.

    Celery tells the main process alone that the worker stops. A process that was started anew, as a pool's on macOS,
    has one of its own.
    """

    def __init__(self) -> None:
        # It wakes the threads of this process alone.
        self._event = threading.Event()
        # Forked processes share it. On the monotonic clock, which is the same in each; 0 while nothing stops.
        self._since_s = mmap(-1, 8)

    def set(self) -> None:
        """Tell all."""
        struct.pack_into("d", self._since_s, 0, time.monotonic())
        self._event.set()

    def clear(self) -> None:
        """Take it back."""
        struct.pack_into("d", self._since_s, 0, 0.0)
        self._event.clear()

    def wait(self, timeout_s: float) -> bool:
        """Wait until this process is told; return whether it, or its parent, is. A forked process waits to the end."""
        return self._event.wait(timeout_s) or self.lasts_s() > 0

    def lasts_s(self) -> float:
        """Return for how many seconds it stops already; 0 where it does not."""
        (since_s,) = struct.unpack_from("d", self._since_s, 0)
        return max(time.monotonic() - since_s, 1e-9) if since_s else 0.0
