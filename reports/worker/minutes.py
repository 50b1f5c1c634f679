"""What this process does in each minute, for the last hour on the pipeline page: one write a minute at most."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from datetime import datetime

from reports import store
from reports.store import Minute, StoreUnavailable
from trashsite.outcomes import OUTCOMES

logger = logging.getLogger(__name__)

COUNTS = ("received", "older", "emptied", *OUTCOMES)
#: Minutes that wait for an outage of the store to end.
MOST_WAITING = 60


class MinuteBook:
    """
    Turns counts that only grow into those of each minute.

    name: of this process's heartbeat. now: the time at which counting begins. Every write is one row, whose key is the
    minute and the process: the same again changes nothing.
    """

    def __init__(self, name: str, now: datetime) -> None:
        self.name = name
        self._begins_at = _minute_of(now)
        self._before: Mapping[str, int] = {}
        self._levels: dict[str, int] = {}
        #: Messages by the last look: the age of the oldest says nothing where none came since.
        self._seen: int | None = None
        self._waiting: deque[Minute] = deque(maxlen=MOST_WAITING)

    def note(self, counters: Mapping[str, int], levels: Mapping[str, int], now: datetime) -> Minute:
        """
        Note what was counted up to now, and return the present minute so far.

        What was counted since the last look before a minute's end counts in that minute. levels: what this process
        found out for all; of these, and of the age of the oldest message, the greatest number of a minute counts.
        """
        if (begins_at := _minute_of(now)) > self._begins_at:
            ended = self._present(counters)
            if ended.counts:
                self._waiting.append(ended)
            self._begins_at, self._before, self._levels = begins_at, counters, {}
        lag = {"lag_ms": counters["lag_ms"]} if counters.get("messages") != self._seen and "lag_ms" in counters else {}
        self._seen = counters.get("messages")
        for name, level in {**levels, **lag}.items():
            self._levels[name] = max(level, self._levels.get(name, 0))
        return self._present(counters)

    def write(self) -> None:
        """Write the minutes that have ended, at most one of them now. Raises StoreUnavailable."""
        if self._waiting:
            store.put_minute(self._waiting[0])
            self._waiting.popleft()

    def end(self, counters: Mapping[str, int]) -> None:
        """Write the present minute as it is: this process stops."""
        self._waiting.append(self._present(counters))
        try:
            while self._waiting:
                self.write()
        except StoreUnavailable as error:
            logger.warning("what was done in the last minutes is shown nowhere: %s", error)

    def _present(self, counters: Mapping[str, int]) -> Minute:
        grown = {name: counters.get(name, 0) - self._before.get(name, 0) for name in COUNTS}
        counts = {name: count for name, count in grown.items() if count} | self._levels
        return Minute(self._begins_at, self.name, counts)


def _minute_of(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
