"""When to receive, and how many receives may be in flight: pure rules, without threads or network."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from trashsite.sqs.delivery import Delivery
from trashsite.sqs.entries import MESSAGES_PER_REQUEST

#: Where reports come steadily, they gather in the queue for so long before the next receive: else a long poll returns
#: with each single one, and a report costs a receive and a delete (docs/decisions/0033-gather-at-a-steady-rate.md).
GATHER_S = 0.2
#: So many messages within the last second are a steady rate. Where fewer come, each is received at once.
STEADY_PER_S = 5
#: A message that waited longer shows that more wait than SQS gave: AWS may answer with fewer than ten all the same.
BEHIND_S = 0.5
#: So many such answers in a row are a backlog, in which several receives are in flight. After fewer the additional ones
#: would find an empty queue, wait there, and return with one message each.
BACKLOG_ANSWERS = 10
IN_FLIGHT = 3


@dataclass(slots=True)
class Pace:
    """
    Decides by the answers of receives when the next one begins. `now` is a monotonic clock's time in seconds.

    On a quiet queue one receive is always in flight. At a steady rate the queue is emptied every GATHER_S. In a backlog
    several receives are in flight, and nothing is waited for.
    """

    #: After how many answers in a row more messages still waited.
    more_in_a_row: int = 0
    _gather_until: float = 0.0
    _came_at: deque[float] = field(default_factory=lambda: deque(maxlen=STEADY_PER_S))

    def answered(self, deliveries: Sequence[Delivery], now: float, now_ms: float) -> None:
        """Note what a receive brought, nothing if it failed. now_ms: the time in epoch milliseconds."""
        self._came_at.extend([now] * len(deliveries))
        # More than ten where one answer holds a message twice.
        if len(deliveries) >= MESSAGES_PER_REQUEST or _is_behind(deliveries, now_ms):
            self.more_in_a_row += 1
            return
        self.more_in_a_row = 0
        if deliveries and self._is_steady(now) and now >= self._gather_until:
            self._gather_until = now + GATHER_S

    def receives(self, now: float) -> int:
        """Return how many receives may be in flight."""
        if now < self._gather_until:
            return 0
        return IN_FLIGHT if self.more_in_a_row >= BACKLOG_ANSWERS else 1

    def gathers_for(self, now: float) -> float | None:
        """Return for how many seconds no receive begins; None where it does not depend on the time."""
        return self._gather_until - now if now < self._gather_until else None

    def _is_steady(self, now: float) -> bool:
        return len(self._came_at) == STEADY_PER_S and now - self._came_at[0] < 1.0


def _is_behind(deliveries: Sequence[Delivery], now_ms: float) -> bool:
    """Return whether a message waited for long. One that comes again waited because it was in progress."""
    oldest_ms = min((each.sent_at_ms for each in deliveries if each.receive_count == 1), default=now_ms)
    return now_ms - oldest_ms > BEHIND_S * 1000
