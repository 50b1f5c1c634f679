"""Folds messages into batches, and tells when to give none: the rules, with no thread and no network in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from trashsite.sqs.delivery import Delivery

#: Messages a batch: two of DynamoDB's 25, and never 30, which would be 25 and 5.
BATCH = 50
BATCH_BYTES = 512 * 1024
#: In a backlog a batch waits this long for its last messages; measured in bench/.
LINGER_S = 0.05
#: Pauses between tries of one batch while the store is down.
FIRST_PAUSE_S = 0.5
MOST_PAUSE_S = 1.0

Batch = list[Delivery]


@dataclass(slots=True)
class Dispatcher:
    """
    What waits for a slot: messages that came, and batches that the store could not take.

    While the store is down one batch after another is tried, with growing pauses; the first that passes ends it.
    `now` is a monotonic clock's time in seconds.
    """

    waiting: deque[Delivery] = field(default_factory=deque)
    stalled: deque[Batch] = field(default_factory=deque)
    #: How many tries in a row have failed; 0 while the store is well.
    failures: int = 0
    _probe_at: float = 0.0
    _probing: bool = False
    _linger_until: float = 0.0

    def add(self, deliveries: Sequence[Delivery], now: float) -> None:
        """Take in what was received."""
        if not self.waiting:
            self._linger_until = now + LINGER_S
        self.waiting.extend(deliveries)

    def next(self, now: float, *, more_to_come: bool) -> Batch | None:
        """Return the batch to give to a free slot; None where there is none, or not yet: then see `due`."""
        if self.failures:
            if self._probing or now < self._probe_at:
                return None
            self._probing = True
        if self.stalled:
            return self.stalled.popleft()
        batch = self._fold()
        if not batch:
            self._probing = False
            return None
        full = len(batch) == BATCH or len(batch) < len(self.waiting) or batch[0].receive_count > 1
        if more_to_come and not full and not self.failures and now < self._linger_until:
            return None
        for _ in batch:
            self.waiting.popleft()
        self._linger_until = now + LINGER_S
        return batch

    def due(self, now: float) -> float | None:
        """Return the time at which `next` may have something that it has not now; None where only news can tell."""
        if not self.waiting and not self.stalled:
            return None
        if self.failures:
            return None if self._probing else self._probe_at
        return self._linger_until

    def passed(self) -> None:
        """A batch was worked off: the store is well."""
        self.failures = 0
        self._probing = False

    def failed(self, batch: Batch, now: float) -> None:
        """The store could not take a batch: keep it, and try again later."""
        self.stalled.append(batch)
        self._probing = False
        self.failures += 1
        self._probe_at = now + min(MOST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 8))

    def abandoned(self) -> None:
        """A batch ended without telling anything of the store."""
        self._probing = False
        if not self.stalled and not self.waiting:
            # Nothing is left to try the store with, and nothing comes while it counts as down: what comes will tell.
            self.failures = 0

    def empty(self) -> Batch:
        """Return all that waits, and wait for nothing."""
        everything = [each for batch in self.stalled for each in batch] + list(self.waiting)
        self.stalled.clear()
        self.waiting.clear()
        return everything

    def _fold(self) -> Batch:
        """Return what the next batch would hold: a message received before goes alone, for it may be poison."""
        batch: Batch = []
        room = BATCH_BYTES
        for each in self.waiting:
            room -= len(each.body)
            alone = each.receive_count > 1
            if batch and (alone or room < 0):
                break
            batch.append(each)
            if alone or len(batch) == BATCH:
                break
        return batch
