"""Groups messages into batches, and decides when to give out none: pure rules, without threads or network."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from trashsite.sqs.delivery import Delivery

#: Messages a batch: two of DynamoDB's 25; 30 would be a request of 25 and one of 5.
BATCH = 50
BATCH_BYTES = 512 * 1024
#: During a backlog a batch waits this long for its last messages; measured by bench/.
LINGER_S = 0.05
#: Pauses between tries of one batch while the store is down.
FIRST_PAUSE_S = 0.5
MOST_PAUSE_S = 1.0

Batch = list[Delivery]


@dataclass(slots=True)
class Dispatcher:
    """
    What waits for a slot: messages that were received, and batches that could not be stored.

    While the store is down one batch at a time is tried, with growing pauses, until one succeeds.
    `now` is a monotonic clock's time in seconds.
    """

    waiting: deque[Delivery] = field(default_factory=deque)
    to_retry: deque[Batch] = field(default_factory=deque)
    #: How many tries in a row have failed; 0 while the store works.
    failures: int = 0
    _retry_at: float = 0.0
    _retrying: bool = False
    _linger_until: float = 0.0

    def add(self, deliveries: Sequence[Delivery], now: float) -> None:
        """Add messages that were received."""
        if not self.waiting:
            self._linger_until = now + LINGER_S
        self.waiting.extend(deliveries)

    def next(self, now: float, *, more_to_come: bool) -> Batch | None:
        """Return the batch to give to a free slot; None where there is none, or not yet: see `due`."""
        if self.failures:
            if self._retrying or now < self._retry_at:
                return None
            self._retrying = True
        if self.to_retry:
            return self.to_retry.popleft()
        batch = self._next_batch()
        if not batch:
            self._retrying = False
            return None
        full = len(batch) == BATCH or len(batch) < len(self.waiting) or batch[0].receive_count > 1
        if more_to_come and not full and not self.failures and now < self._linger_until:
            return None
        for _ in batch:
            self.waiting.popleft()
        self._linger_until = now + LINGER_S
        return batch

    def due(self, now: float) -> float | None:
        """Return the time at which `next` may return a batch; None where another method must be called first."""
        if not self.waiting and not self.to_retry:
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
        if not self.to_retry and not self.waiting:
            # Nothing is left to try the store with, and nothing is received while it counts as down.
            self.failures = 0

    def remove_all(self) -> Batch:
        """Remove and return every message that waits."""
        everything = [each for batch in self.to_retry for each in batch] + list(self.waiting)
        self.to_retry.clear()
        self.waiting.clear()
        return everything

    def _next_batch(self) -> Batch:
        """Return the next batch. A message received before is a batch of its own, since it may be poison."""
        batch: Batch = []
        left_bytes = BATCH_BYTES
        for each in self.waiting:
            left_bytes -= len(each.body)
            alone = each.receive_count > 1
            if batch and (alone or left_bytes < 0):
                break
            batch.append(each)
            if alone or len(batch) == BATCH:
                break
        return batch
