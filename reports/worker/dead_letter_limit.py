"""
Limits the rate of dead-lettering during a flood of invalid reports: then the fault is seldom the devices'.

A bad release, upstream or ours, would otherwise move the whole queue to the dead letters within minutes. At a limited
rate most of it stays in the queue while somebody looks. What is over the limit is made invisible for 1, 2, 4 ... 128
minutes, then 4 hours each time. After 20 receives SQS would move it (reports.queue), so it is set aside, whatever the
limit, at its 18th receive, which comes after 40 hours, or two days after it was sent: well before the queue's retention
of four days ends. Valid messages never wait. Source of the idea: getsentry/arroyo, DlqLimit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reports.worker.postponing import MOST_INVISIBLE_S, InFlightLimit, is_over
from trashsite.sqs.delivery import Delivery

logger = logging.getLogger(__name__)

REMIND_S = 60.0


@dataclass(slots=True)
class RateLimit:
    """
    Becomes active when more than `limit` messages were invalid within `within_s` seconds and were `percent` of all.

    A message is invalid where one of its reports is. While the limit is active, about `limit` in `within_s` seconds are
    set aside, evenly. It ends when the invalid ones are fewer than `percent` again, or come at less than half of that
    rate. limit 0: never active. processes: those of the worker's pool, each of which has a limit of its own. `now` is a
    monotonic clock's time in seconds. Call `allowed` before setting aside, and `count` after it.
    """

    limit: int
    within_s: float
    percent: int
    processes: int = 1
    active: bool = False
    #: What the past `within_s` seconds brought, one entry a second: its beginning, valid, invalid.
    _seconds: deque[tuple[float, int, int]] = field(default_factory=deque)
    #: How many may be set aside now while it is active, and when that was computed.
    _allowance: float = 0.0
    _at: float = 0.0

    def divide_by_processes(self) -> None:
        """Take this process's share of the limit, which is meant for the worker as a whole."""
        self.limit = -(-self.limit // self.processes)

    def allowed(self, *, valid: int, invalid: int, now: float) -> int:
        """Return how many of a batch's invalid messages may be set aside now; the others may come again."""
        if not self.limit or not invalid:
            return invalid
        all_valid, all_invalid = self.totals(now)
        before, all_invalid = all_invalid, all_invalid + invalid
        nearly_all = all_invalid * 100 >= self.percent * (all_valid + valid + all_invalid)
        if not self.active and nearly_all and all_invalid > self.limit:
            self.active = True
            self._allowance = max(0, self.limit - before)
            self._at = now
            return min(invalid, int(self._allowance))
        if self.active and (not nearly_all or all_invalid * 2 < self.limit):
            self.active = False
        if not self.active:
            return invalid
        per_s = self.limit / self.within_s
        # What was not used is kept for a tenth of the time at most.
        self._allowance = min(max(1.0, self.limit / 10), self._allowance + (now - self._at) * per_s)
        self._at = now
        return min(invalid, int(self._allowance))

    def count(self, *, valid: int, invalid: int, set_aside: int, now: float) -> None:
        """Count the messages of a batch that is done, and how many of the invalid ones were set aside."""
        self._allowance = max(0.0, self._allowance - set_aside)
        if self._seconds and now - self._seconds[-1][0] < 1.0:
            began, valid_before, invalid_before = self._seconds.pop()
            self._seconds.append((began, valid_before + valid, invalid_before + invalid))
        else:
            self._seconds.append((now, valid, invalid))

    def totals(self, now: float) -> tuple[int, int]:
        """Return how many valid and invalid messages were counted in the past `within_s` seconds."""
        while self._seconds and now - self._seconds[0][0] > self.within_s:
            self._seconds.popleft()
        return sum(valid for _, valid, _ in self._seconds), sum(invalid for _, _, invalid in self._seconds)


class DeadLetterLimit:
    """A RateLimit for several threads; logs when it becomes active, once a minute while it is, and when it ends."""

    def __init__(self, rate: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at = 0.0
        self._in_flight = InFlightLimit(clock)

    def split(
        self, invalid: Sequence[Delivery], *, valid: int, now: datetime
    ) -> tuple[Sequence[Delivery], Sequence[Delivery]]:
        """
        Return which invalid messages of a batch may be set aside now, and which have to come again.

        valid: how many other messages the batch has. now: the time, by which a message is too old to wait.
        """
        allowed = self._allowed(valid=valid, invalid=len(invalid))
        if allowed >= len(invalid):
            return invalid, ()
        final = [each for each in invalid if is_over(each, now)]
        others = [each for each in invalid if not is_over(each, now)]
        if not self._in_flight.allows_more():
            return invalid, ()
        left = max(0, allowed - len(final))
        return final + others[:left], others[left:]

    def count(self, *, valid: int, set_aside: int, limited: int) -> None:
        """Count the messages of a batch that is done: valid ones, and what became of the invalid ones."""
        with self._lock:
            self.rate.count(valid=valid, invalid=set_aside + limited, set_aside=set_aside, now=self._clock())

    def _allowed(self, *, valid: int, invalid: int) -> int:
        now = self._clock()
        with self._lock:
            was_active = self.rate.active
            allowed = self.rate.allowed(valid=valid, invalid=invalid, now=now)
            all_valid, all_invalid = self.rate.totals(now)
            due = self.rate.active != was_active or (self.rate.active and now - self._logged_at >= REMIND_S)
            if due:
                self._logged_at = now
        if due and not self.rate.active:
            logger.info(
                "dead letters are no longer limited: %d of %d messages were invalid in the last %g s",
                all_invalid + invalid, all_valid + all_invalid + valid + invalid, self.rate.within_s,
            )  # fmt: skip
        elif due:
            logger.log(
                logging.WARNING if was_active else logging.ERROR,
                "dead letters are limited: %d of the last %d messages were invalid, and from now on only %d in %g s "
                "are set aside; the others come again later. Look at `manage.py dead-letters`: where a release "
                "upstream or here is the cause, correct it, then run `manage.py redrive --all`; where the reports are "
                "worthless, set them aside faster by TRASH_BRAKE_SET_ASIDE (0: no limit)",
                all_invalid + invalid, all_valid + all_invalid + valid + invalid, self.rate.limit, self.rate.within_s,
            )  # fmt: skip
        return allowed


def invisible_s(receive_count: int) -> int:
    """Return for how many seconds a limited message becomes invisible: 1, 2, 4 ... 128 minutes, then 4 hours."""
    return min(MOST_INVISIBLE_S, 60 << min(receive_count - 1, 10))
