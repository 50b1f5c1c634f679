"""
Limits how many new cans a worker takes in a minute: whoever may send could otherwise make thousands in seconds.

Reports of cans that have a row never wait. A message with others stays in the queue, invisible until its turn: so many
new cans have a turn each minute, in the order in which they came. Where a message cannot wait any longer
(reports.worker.postponing), the reports of its new cans are set aside, with the rule. Each process counts for itself,
from its start on: a message that was given a turn by another one is taken as well as there are places.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reports.worker import counters
from reports.worker.postponing import MOST_INVISIBLE_S, InFlightLimit, is_over
from trashsite.sqs.delivery import Delivery

logger = logging.getLogger(__name__)

MINUTE_S = 60.0
REMIND_S = 60.0
RULE = "is of a new can, and more of these come than a worker takes in a minute (TRASH_NEW_CANS)"


@dataclass(slots=True)
class Turns:
    """
    Who may have one of `limit` places a minute, which are taken one after another.

    limit 0: whoever wants. processes: those of the worker's pool, each of which has turns of its own. `now` is a
    monotonic clock's time in seconds.
    """

    limit: int
    processes: int = 1
    #: Places that are left, as of a time, and until when those that have not been taken yet are promised.
    _left: float = 0.0
    _at: float = -MINUTE_S
    _promised_until: float = 0.0

    def divide_by_processes(self) -> None:
        """Take this process's share of the limit, which is meant for the worker as a whole."""
        self.limit = -(-self.limit // self.processes)

    def take(self, wanted: int, now: float, *, is_again: bool) -> int:
        """Return how many places are taken. is_again: whether they have waited; others stand behind those who wait."""
        if not self.limit:
            return wanted
        self._left = min(self.limit, self._left + (now - self._at) * self.limit / MINUTE_S)
        self._at = now
        if self._promised_until > now and not is_again:
            return 0
        # Who comes just when a place is promised finds it, whatever the sum of fractions lacks.
        taken = min(wanted, int(self._left + 1e-6))
        self._left -= taken
        return taken

    def wait_s(self, wanted: int, now: float, *, is_again: bool) -> float:
        """Return in how many seconds so many places that could not be taken are there; they are promised then."""
        if is_again:
            return MINUTE_S
        self._promised_until = max(self._promised_until, now) + wanted * MINUTE_S / self.limit
        return self._promised_until - now

    def left_s(self, now: float) -> float:
        """Return for how many seconds more places are promised."""
        return max(0.0, self._promised_until - now)


class NewCanLimit:
    """Turns for several threads; logs when cans begin to wait, once a minute while they do, and when none waits."""

    def __init__(self, turns: Turns, clock: Callable[[], float] = time.monotonic) -> None:
        self.turns = turns
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight = InFlightLimit(clock)
        self._is_active = False
        self._logged_at = 0.0

    def admit(self, can_ids: Sequence[str], *, is_again: bool) -> Sequence[str]:
        """Return which new cans may be stored now. is_again: whether the message that brought them came before."""
        with self._lock:
            now = self._clock()
            taken = self.turns.take(len(can_ids), now, is_again=is_again)
            ended = self._is_active and taken == len(can_ids) and not self.turns.left_s(now)
            if ended:
                self._is_active = False
        if ended:
            logger.info("new cans wait no longer")
        return can_ids[:taken]

    def wait_s(self, delivery: Delivery, cans: int, now: datetime) -> int | None:
        """Return for how many seconds a message with new cans that were not admitted waits; None: it has to go."""
        if is_over(delivery, now) or not self._in_flight.allows_more():
            return None
        with self._lock:
            at = self._clock()
            wait_s = self.turns.wait_s(cans, at, is_again=delivery.receive_count > 1)
            left_s = self.turns.left_s(at)
            began, self._is_active = not self._is_active, True
            due = began or at - self._logged_at >= REMIND_S
            if due:
                self._logged_at = at
        counters.set_gauges(new_cans_wait_until_s=int(time.time() + max(wait_s, left_s)))
        if due:
            logger.log(
                logging.ERROR if began else logging.WARNING,
                "new cans wait: more came than %d in a minute, and those that wait now need %.0f minutes. Where they "
                "are yours, this is all right, or raise TRASH_NEW_CANS (0: no limit); else look at who sends them, and "
                "list who may in TRASH_SENDERS",
                self.turns.limit, left_s / MINUTE_S,
            )  # fmt: skip
        return max(1, min(MOST_INVISIBLE_S, round(wait_s)))
