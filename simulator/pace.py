"""When to send: the simulated clock, which may run fast and never passes the wall clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from simulator.sending import Sending

#: At most this many reports are handed over at once, so that progress shows and little is sent twice.
CHUNK = 500
#: Waiting is done in steps: no shorter ones, so that fast rates travel in batches, and none so long that
#: a laptop's sleep or a corrected clock goes unnoticed.
SHORTEST_S = 0.1
LONGEST_S = 30.0


class Clock(Protocol):
    """What time it is, and waiting."""

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
    Simulated time as it passes: from `since`, at the wall's `started`, `speedup` times as fast.

    speedup None: all that is past may go at once.
    """

    since: datetime
    started: datetime
    speedup: float | None = None

    def simulated(self, now: datetime) -> datetime:
        """Return the simulated instant at this instant of the wall clock, never a later one."""
        if self.speedup is None:
            return now
        passed_s = (now - self.started).total_seconds() * self.speedup
        # Compared as numbers first: a huge speedup has no timedelta.
        if passed_s >= (now - self.since).total_seconds():
            return now
        return self.since + timedelta(seconds=passed_s)

    def wait_s(self, due_at: datetime, now: datetime) -> float:
        """Return how long to wait before looking again whether what is due then may go."""
        wait_s = (due_at - self.simulated(now)).total_seconds()
        if self.speedup is not None and self.simulated(now) < now:
            wait_s /= self.speedup
        return min(max(wait_s, SHORTEST_S), LONGEST_S)


def due(sendings: Iterable[Sending], pace: Pace, clock: Clock) -> Iterator[list[Sending]]:
    """
    Yield the reports in their order, waiting for each until its time; those due together come together.

    What was ready is yielded before an error of `sendings` is raised.
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
