"""
A kombu transport over AWS SQS, and how its threads wake the loop that delivers.

They write to a pipe, since a hub without a reader sleeps 0.1 s, and what one of its timers queues waits for the next
poll (kombu 5.7.0, measured). A green pool has no hub; it waits in drain_events instead.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from kombu.transport import virtual

from trashsite import aws
from trashsite.sqs.channel import STALLED_S, Channel, Stall


class Transport(virtual.Transport):
    """AWS SQS for Celery: plain device messages in batches, and calls of one public task."""

    Channel = Channel
    channels: Any
    driver_type = "sqs"
    driver_name = "trashsite"
    connection_errors = (*virtual.Transport.connection_errors, aws.AwsUnavailable)
    implements = virtual.Transport.implements.extend(asynchronous=True, exchange_type=frozenset(["direct"]))

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._loop: Any = None
        self._pipe: tuple[int, int] | None = None
        self._woken = threading.Event()
        self._timer: Any = None
        self._due: float | None = None
        self._woken_at = 0.0
        _live.add(self)

    def wake(self) -> None:
        """Make the loop look for work. Safe from any thread, and cheap while an earlier call waits for the loop."""
        if self._woken.is_set():
            return
        self._woken_at = time.monotonic()
        self._woken.set()
        if self._pipe:
            with suppress(OSError):
                os.write(self._pipe[1], b"!")

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Read the pipe in Celery's hub; a green pool has no hub and calls drain_events instead."""
        self._loop = loop
        if self._pipe is None:
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
        loop.add_reader(self._pipe[0], self._on_readable)
        if self._woken.is_set():
            os.write(self._pipe[1], b"!")

    def _on_readable(self) -> None:
        assert self._pipe
        with suppress(BlockingIOError):
            os.read(self._pipe[0], 4096)
        self._pump()

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Wait for work and deliver it. Raises TimeoutError where none came in time."""
        wait_s = timeout if self._due is None else min(timeout or 60.0, self._due - time.monotonic())
        if not self._woken.wait(wait_s) and self._due is None:
            raise TimeoutError
        self._pump()

    def _pump(self) -> None:
        self._woken.clear()
        due = [at for channel in list(self.channels) if (at := channel.pump()) is not None]
        self._due = min(due, default=None)
        if self._loop is not None and self._due is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(max(0.001, self._due - time.monotonic()), self._pump)

    def stalls(self) -> list[Stall]:
        """Return what should happen and has not for too long; and wake the loop, to see whether it answers."""
        channels = [channel for channel in list(self.channels) if channel.consumes]
        stalls = [stall for channel in channels for stall in channel.stalls()]
        slept_s = time.monotonic() - self._woken_at
        if channels and self._woken.is_set() and slept_s > STALLED_S:
            stalls.append(Stall(f"the consumer's loop has not run for {slept_s:.0f} s", hangs=True))
        if channels:
            self.wake()
        return stalls

    def close_connection(self, connection: Any) -> None:
        """Close the channels, then the pipe."""
        super().close_connection(connection)
        if self._timer is not None:
            self._timer.cancel()
        pipe, self._pipe = self._pipe, None
        if pipe:
            with suppress(Exception):
                self._loop.remove_reader(pipe[0])
            for end in pipe:
                os.close(end)


_live: WeakSet[Transport] = WeakSet()


def stalls() -> list[Stall]:
    """Return what this process should do and has not done for too long."""
    return [stall for transport in list(_live) for stall in transport.stalls()]
