"""How long messages that are over a limit of the worker may wait in the queue, invisible, before SQS loses patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from reports import queue
from reports.queue import QueueUnavailable
from trashsite.sqs.delivery import Delivery

#: A message waits no longer than this after it was sent, and no more often than MOST_RECEIVES: SQS moves it after
#: queue.MAX_RECEIVES, and keeps it for four days.
MOST_WAIT = timedelta(days=2)
MOST_RECEIVES = queue.MAX_RECEIVES - 2
#: The longest time for which a message is made invisible at once.
MOST_INVISIBLE_S = 4 * 3600
#: With so many messages invisible no more are told to wait. Source: AWS, SQS quotas: with 120,000 of them in flight, a
#: queue delivers none at all.
MOST_IN_FLIGHT = 60_000
LOOK_EVERY_S = 10.0


def is_over(delivery: Delivery, now: datetime) -> bool:
    """Return whether a message has waited for as long as it may."""
    return delivery.receive_count >= MOST_RECEIVES or now - delivery.sent_at > MOST_WAIT


class InFlightLimit:
    """Whether the queue can have more invisible messages, by SQS's own estimate, asked for every 10 s at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_flight = 0
        self._look_at = 0.0

    def allows_more(self) -> bool:
        """Say so; where SQS does not answer, as of the last time."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            with suppress(QueueUnavailable):
                self._in_flight = queue.count_in_flight()
        return self._in_flight < MOST_IN_FLIGHT
