"""
Adds to the list of sensors that wait to be registered, within bounds that no flood of invented keys exceeds.

A list that is full, or a process that has added many in the last minute, takes no new key; those that are listed stay
and are updated. What is not taken is counted, never set aside: a message of a sensor that nobody knows is no fault.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reports import store
from reports.store import KeptMessage, Waiting

#: Sensors in the list, about: each process knows the list as it was up to BELIEVED_S ago.
MOST = 1_000
#: New ones that a process adds in a minute.
NEW_A_MINUTE = 60
#: Messages kept of one sensor: every 20 minutes for 14 days.
MOST_MESSAGES = 1_000
#: Characters of a message that is kept. The largest that was seen has 2,400.
MAX_MESSAGE = 64 * 1024
BELIEVED_S = 30.0
#: A row of the list is written again after so long, although more messages came: it only tells when the last one did.
WRITTEN_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    What one message told of a sensor that nobody has registered.

    message: None where no mounting would make a report of it. told: the sensor's state as text.
    """

    key: str
    message: KeptMessage | None
    told: str


class WaitingList:
    """The list as this process knows it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Waiting] = {}
        self._written_s: dict[str, float] = {}
        self._read_s: float | None = None
        self._added_s: deque[float] = deque()

    def add(self, sightings: Mapping[str, Sequence[Sighting]], now: datetime) -> int:
        """
        List sensors and keep their messages; return how many messages were not kept.

        sightings: by key, of one batch. Raises StoreUnavailable: then the batch comes again, to the same effect.
        """
        if self._read_s is None or time.monotonic() - self._read_s > BELIEVED_S:
            found = {each.key: each for each in store.waiting_sensors(now)}
            with self._lock:
                self._known, self._read_s = found, time.monotonic()
                self._written_s = {key: at for key, at in self._written_s.items() if key in found}
        messages: dict[str, list[KeptMessage]] = {}
        rows: list[Waiting] = []
        refused = 0
        with self._lock:
            for key, seen in sightings.items():
                known = self._known.get(key)
                if known is None and not self._may_add():
                    refused += len(seen)
                    continue
                sent = [each.message for each in seen if each.message]
                small = [each for each in sent if len(each.body) <= MAX_MESSAGE]
                left = MOST_MESSAGES - (known.messages if known else 0)
                messages[key] = small[: max(0, left)]
                refused += len(sent) - len(messages[key])
                row = Waiting(key, now, now, len(messages[key]), seen[-1].told)
                if known:
                    row = replace(row, first_at=known.first_at, messages=known.messages + row.messages)
                self._known[key] = row
                if self._is_due(key, known, row):
                    rows.append(row)
        store.keep_messages(messages)
        store.put_waiting(rows)
        with self._lock:
            for row in rows:
                self._written_s[row.key] = time.monotonic()
        return refused

    def told(self, key: str) -> str:
        """Return what a sensor told before, as far as this process knows."""
        with self._lock:
            known = self._known.get(key)
        return known.told if known else ""

    def _may_add(self) -> bool:
        now_s = time.monotonic()
        while self._added_s and now_s - self._added_s[0] > 60:
            self._added_s.popleft()
        if len(self._known) >= MOST or len(self._added_s) >= NEW_A_MINUTE:
            return False
        self._added_s.append(now_s)
        return True

    def _is_due(self, key: str, known: Waiting | None, row: Waiting) -> bool:
        # The second message makes the difference between a day and 14.
        is_second = known is not None and known.messages <= 1 < row.messages
        return known is None or is_second or time.monotonic() - self._written_s.get(key, 0.0) > WRITTEN_AGAIN_S

    def forget(self) -> None:
        """Forget all, as between tests."""
        with self._lock:
            self._known, self._written_s, self._read_s = {}, {}, None
            self._added_s.clear()
