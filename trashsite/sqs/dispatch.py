"""Groups messages into batches, and decides when to give out none: pure rules, without threads or network."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from trashsite.sqs.delivery import Delivery

#: Messages a batch: four of DynamoDB's 25, and one BatchGetItem for their cans. What a batch costs once, as the request
#: that keeps emptyings, is shared by all of them.
BATCH = 100
BATCH_BYTES = 512 * 1024
#: Reports a batch, about: a task of so many takes a second or two, also while the worker stops.
BATCH_REPORTS = 500
#: A message of more reports is slow.
FEW_REPORTS = 10
#: Objects in an uplink for each of its readings, about.
UPLINK_OBJECTS = 16
#: So many batches go before one of slow messages while more wait: that one may take as long as ten of them.
FRESH_FIRST = 4
#: During a backlog a batch waits this long for its last messages; measured by bench/.
LINGER_S = 0.05
#: Pauses between tries of one batch while the store is down.
FIRST_PAUSE_S = 0.5
MOST_PAUSE_S = 1.0

Batch = list[Delivery]


def about_reports(delivery: Delivery) -> int:
    """
    Return about how many reports a message has, 1 to 500: the objects in it, since parsing is the task's work.

    One object is one report, or an uplink, which nests: the largest that is known has 16 objects and one reading.
    """
    objects = delivery.body.count("{")
    if delivery.body.startswith("{"):
        objects //= UPLINK_OBJECTS
    return min(BATCH_REPORTS, max(1, objects))


def is_slow(delivery: Delivery) -> bool:
    """Return whether a message has many reports, or was received before: then it may be poison, or throttled."""
    return delivery.receive_count > 1 or about_reports(delivery) > FEW_REPORTS


@dataclass(slots=True)
class Lane:
    """Messages that wait, in their order, and about how many reports each has."""

    messages: deque[tuple[Delivery, int]] = field(default_factory=deque)

    def next_batch(self, most: int = BATCH) -> tuple[Batch, bool]:
        """
        Return the messages of the next batch, which stay here, and whether nothing may be added to it.

        A message received before is a batch of its own, since it may be poison.
        """
        batch: Batch = []
        left_bytes, left_reports = BATCH_BYTES, BATCH_REPORTS
        for each, reports in self.messages:
            left_bytes -= len(each.body)
            left_reports -= reports
            alone = each.receive_count > 1
            if batch and (alone or left_bytes < 0 or left_reports < 0):
                return batch, True
            batch.append(each)
            if alone or len(batch) == most:
                return batch, True
        return batch, False

    def remove(self, batch: Batch) -> Batch:
        """Remove the messages of the next batch, and return them."""
        for _ in batch:
            self.messages.popleft()
        return batch


@dataclass(slots=True)
class Dispatcher:
    """
    What waits for a slot: messages that were received, and batches that could not be stored.

    Slow messages wait in a lane of their own, and the two lanes take turns: a device that sends all of its past at
    once, or messages that come again and again, delay the reports of others by a batch at most. What has come meanwhile
    goes first then, up to FRESH_FIRST batches of it.

    While the store is down one batch at a time is tried, with growing pauses, until one succeeds.
    `now` is a monotonic clock's time in seconds. most: messages in a batch.
    """

    most: int = BATCH
    fresh: Lane = field(default_factory=Lane)
    slow: Lane = field(default_factory=Lane)
    to_retry: deque[Batch] = field(default_factory=deque)
    #: How many tries in a row have failed; 0 while the store works.
    failures: int = 0
    _retry_at: float = 0.0
    _retrying: bool = False
    _linger_until: float = 0.0
    #: Batches of fresh messages since the last one of slow ones.
    _given: int = 0

    @property
    def waiting(self) -> int:
        """How many messages wait for the next batch, slow ones not counted."""
        return len(self.fresh.messages)

    def add(self, deliveries: Sequence[Delivery], now: float) -> None:
        """Add messages that were received."""
        if not self.fresh.messages:
            self._linger_until = now + LINGER_S
        for each in deliveries:
            lane = self.slow if is_slow(each) else self.fresh
            lane.messages.append((each, about_reports(each)))

    def next(self, now: float, *, more_to_come: bool, slow_too: bool = True) -> Batch | None:
        """
        Return the batch to give to a free slot; None where there is none, or not yet: see `due`.

        slow_too: whether it may be one of slow messages.
        """
        if self.failures:
            if self._retrying or now < self._retry_at:
                return None
            self._retrying = True
        if self.to_retry:
            return self.to_retry.popleft()
        # A slow batch would take the slot instead: where there is one alone, others waited for a second large array.
        is_contended = slow_too and bool(self.slow.messages)
        lingers = more_to_come and not self.failures and not is_contended and now < self._linger_until
        is_slow_turn = self._given >= (FRESH_FIRST if self.fresh.messages else 1)
        lanes = (self.slow, self.fresh) if is_slow_turn else (self.fresh, self.slow)
        for lane in lanes:
            batch, full = lane.next_batch(self.most)
            if batch and (full or not lingers) and (slow_too or lane is self.fresh):
                self._given = self._given + 1 if lane is self.fresh else 0
                if lane is self.fresh:
                    # Slow ones do not make what waits beside them wait once more.
                    self._linger_until = now + LINGER_S
                return lane.remove(batch)
        self._retrying = False
        return None

    def due(self, now: float, *, slow_too: bool = True) -> float | None:
        """Return the time at which `next` may return a batch; None where another method must be called first."""
        if not self._waits(slow_too=slow_too) and not self.to_retry:
            return None
        if self.failures:
            return None if self._retrying else self._retry_at
        return self._linger_until

    def succeeded(self) -> None:
        """Note that a batch was stored: the store works."""
        self.failures = 0
        self._retrying = False

    def failed(self, batch: Batch, now: float) -> None:
        """Keep a batch that could not be stored, to try it again later."""
        self.to_retry.append(batch)
        self._retrying = False
        self.failures += 1
        self._retry_at = now + min(MOST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 8))

    def given_back(self) -> None:
        """Note that a batch went back to SQS, which says nothing about the store."""
        self._retrying = False
        if not self.to_retry and not self._waits(slow_too=True):
            # Nothing is left to try the store with, and nothing is received while it counts as down.
            self.failures = 0

    def remove_all(self) -> Batch:
        """Remove and return every message that waits."""
        everything = [each for batch in self.to_retry for each in batch]
        for lane in (self.fresh, self.slow):
            everything += [each for each, _ in lane.messages]
            lane.messages.clear()
        self.to_retry.clear()
        return everything

    def _waits(self, *, slow_too: bool) -> bool:
        return bool(self.fresh.messages or (slow_too and self.slow.messages))
