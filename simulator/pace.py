"""When to send: the simulated clock, which may run faster than the wall clock and is never ahead of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from simulator.sending import Sending

#: At most this many reports are sent at once, so that progress is visible and little is sent twice.
CHUNK = 500
#: Waiting is done in steps: none shorter, so that fast rates are sent in batches, and none longer, so that a laptop's
#: sleep or a corrected clock is noticed.
SHORTEST_S = 0.1
LONGEST_S = 30.0


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after this long."""


class WallClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after this long."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Simulated time: `since` at the wall clock's `started`, then `speedup` times as fast as the wall clock.

    speedup None: simulated time is the wall clock's, so everything past is due at once.
    """

    since: datetime
    started: datetime
    speedup: float | None = None

    def simulated(self, now: datetime) -> datetime:
        """Return the simulated instant at this instant of the wall clock, never a later one."""
        if self.speedup is None:
            return now
        passed_s = (now - self.started).total_seconds() * self.speedup
        # Compared as numbers first: the timedelta of a huge speedup would overflow.
        if passed_s >= (now - self.since).total_seconds():
            return now
        return self.since + timedelta(seconds=passed_s)

    def wait_s(self, due_at: datetime, now: datetime) -> float:
        """Return how long to wait before checking again whether simulated time has reached `due_at`."""
        wait_s = (due_at - self.simulated(now)).total_seconds()
        if self.speedup is not None and self.simulated(now) < now:
            wait_s /= self.speedup
        return min(max(wait_s, SHORTEST_S), LONGEST_S)


def due(sendings: Iterable[Sending], pace: Pace, clock: Clock) -> Iterator[list[Sending]]:
    """
    Yield the reports in their order when they are due; those due together in one list.

    Reports that are due are yielded before an error of `sendings` is raised.
    """
    chunk: list[Sending] = []
    simulated = pace.simulated(clock.now())
    rest = iter(sendings)
    while True:
        try:
            sending = next(rest, None)
        except Exception:
            if chunk:
                yield chunk
            raise
        if sending is None:
            break
        while sending.due_at > simulated:
            simulated = pace.simulated(now := clock.now())
            if sending.due_at > simulated:
                if chunk:
                    yield chunk
                    chunk = []
                clock.sleep(pace.wait_s(sending.due_at, now))
        chunk.append(sending)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
