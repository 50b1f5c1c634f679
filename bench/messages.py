"""
The messages of a run: a fleet of 500 cans that report in turn, each report newer than the one before.

Not simulator.fleet, which takes longer to make 100,000 reports than a worker to store them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

from simulator import uplinks

CANS = 500
STREAMS = ("paper", "glass", "plastic", "mixed", "bio")
#: How long before the run each can reported, about the simulator's interval. So most reports, as in a real fleet,
#: change the hour and the percent by which the levels table is indexed.
SILENT = timedelta(hours=2.5)


@dataclass(frozen=True, slots=True)
class Messages:
    """`count` messages, the first measured at `start`: one a report, as the simulator's devices send them."""

    start: datetime
    count: int
    #: Between two reports of a backlog: so 100,000 of them span less than the half hour in which no day's summary
    #: exists that would have to be marked.
    STEP: ClassVar[timedelta] = timedelta(milliseconds=10)
    #: Whether the cans report in another order each time.
    IS_SHUFFLED: ClassVar[bool] = True

    @classmethod
    def until_now(cls, count: int) -> Self:
        """Return messages that were measured over the past minutes, or hours where the steps are long."""
        start = datetime.now(UTC) - cls.STEP * count - timedelta(minutes=1)
        return cls(start.replace(microsecond=0), count)

    def before(self) -> Self:
        """Return one older report of each can: what the tables hold when the run begins."""
        return replace(self, start=self.start - SILENT, count=CANS)

    def bodies(self) -> Iterator[str]:
        """Yield each message's text."""
        for can_id, level, measured_at in self._reports():
            number = int(can_id)
            yield json.dumps(
                {
                    "can_id": can_id,
                    "level": level,
                    "measured_at": measured_at,
                    "stream": STREAMS[number % len(STREAMS)],
                    "location": {"lat": 50 + number / 10_000, "lon": 14 + number / 10_000},
                },
                separators=(",", ":"),
            )

    def newest(self) -> dict[str, str]:
        """Return when each can was measured last, as its order key begins."""
        return {can_id: measured_at.rstrip("Z") for can_id, _, measured_at in self._reports()}

    def _reports(self) -> Iterator[tuple[str, str, str]]:
        chance = random.Random(str(self.start))
        turn: list[int] = []
        levels = [chance.uniform(0, 100) for _ in range(CANS + 1)]
        for at in range(self.count):
            if not turn:
                turn = list(range(1, CANS + 1))
                if self.IS_SHUFFLED:
                    chance.shuffle(turn)
            measured_at = (self.start + self.STEP * at).isoformat(timespec="microseconds")
            number = turn.pop()
            # Some percent more each time, emptied when full.
            levels[number] = (levels[number] + chance.uniform(0, 6)) % 100
            yield str(number), f"{levels[number]:.14f}", measured_at.replace("+00:00", "Z")


class Apart(Messages):
    """The same, but that each can reports every 1,000 s, as a sensor does."""

    #: Whole, as some servers' times are.
    STEP: ClassVar[timedelta] = timedelta(seconds=2)
    #: Else some would measure twice within seconds, and two of these at one distance are one frame sent twice.
    IS_SHUFFLED: ClassVar[bool] = False


class Uplinks(Apart):
    """The same of bought sensors, one in each can: five models, each through its network server."""

    def bodies(self) -> Iterator[str]:
        """Yield each message's text."""
        for can_id, level, measured_at in self._reports():
            yield uplinks.uplink(int(can_id), level, datetime.fromisoformat(measured_at))
