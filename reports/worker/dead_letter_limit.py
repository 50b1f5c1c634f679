"""
Limits the rate of dead-lettering during a flood of invalid reports: then the fault is seldom the devices'.

A bad release, upstream or ours, would otherwise move the whole queue to the dead letters within minutes. At a limited
rate most of it stays in the queue, in its order and for days, while somebody looks. Source of the idea:
getsentry/arroyo, DlqLimit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

REMIND_S = 60.0


class DeadLettersLimited(Exception):
    """A batch has to wait before its invalid reports are set aside."""


@dataclass(slots=True)
class RateLimit:
    """
    Becomes active when more than `limit` reports were set aside within `within_s` seconds and were `percent` of all.

    While it is active, it allows about `limit` in `within_s` seconds, evenly, and every batch without an invalid
    report. It ends when the invalid ones are fewer than `percent` again, or come at less than half of that rate.
    limit 0: never active. processes: those of the worker's pool, each of which has a limit of its own. `now` is a
    monotonic clock's time in seconds. Call `allows` before setting aside, and `count` after it.
    """

    limit: int
    within_s: float
    percent: int
    processes: int = 1
    active: bool = False
    #: What the past `within_s` seconds brought, one entry a second: its beginning, valid, invalid.
    _seconds: deque[tuple[float, int, int]] = field(default_factory=deque)
    _next_at: float = 0.0

    def divide_by_processes(self) -> None:
        """Take this process's share of the limit, which is meant for the worker as a whole."""
        self.limit = -(-self.limit // self.processes)

    def allows(self, *, valid: int, invalid: int, now: float) -> bool:
        """Return whether a batch of so many reports may be set aside now; a refused batch may ask again."""
        if not self.limit or not invalid:
            return True
        all_valid, all_invalid = self.totals(now)
        all_valid, all_invalid = all_valid + valid, all_invalid + invalid
        nearly_all = all_invalid * 100 >= self.percent * (all_valid + all_invalid)
        if not self.active and nearly_all and all_invalid > self.limit:
            self.active = True
            self._next_at = now + self._pause_s(invalid)
        elif self.active and (not nearly_all or all_invalid * 2 < self.limit):
            self.active = False
        return not self.active or now >= self._next_at

    def count(self, *, valid: int, invalid: int, now: float) -> None:
        """Count the reports of a batch whose messages are done."""
        if self._seconds and now - self._seconds[-1][0] < 1.0:
            began, valid_before, invalid_before = self._seconds.pop()
            self._seconds.append((began, valid_before + valid, invalid_before + invalid))
        else:
            self._seconds.append((now, valid, invalid))
        if invalid:
            self._next_at = min(now + self.within_s, max(now, self._next_at) + self._pause_s(invalid))

    def totals(self, now: float) -> tuple[int, int]:
        """Return how many valid and invalid reports were counted in the past `within_s` seconds."""
        while self._seconds and now - self._seconds[0][0] > self.within_s:
            self._seconds.popleft()
        return sum(valid for _, valid, _ in self._seconds), sum(invalid for _, _, invalid in self._seconds)

    def _pause_s(self, invalid: int) -> float:
        return min(self.within_s, invalid * self.within_s / self.limit) if self.limit else 0.0


class DeadLetterLimit:
    """A RateLimit for several threads; logs when it becomes active, once a minute while it is, and when it ends."""

    def __init__(self, rate: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at = 0.0

    def check(self, *, valid: int, invalid: int) -> None:
        """Raise DeadLettersLimited where a batch of so many reports has to wait."""
        now = self._clock()
        with self._lock:
            was_active = self.rate.active
            allowed = self.rate.allows(valid=valid, invalid=invalid, now=now)
            all_valid, all_invalid = self.rate.totals(now)
            due = self.rate.active != was_active or (self.rate.active and now - self._logged_at >= REMIND_S)
            if due:
                self._logged_at = now
        if due and not self.rate.active:
            logger.info(
                "dead letters are no longer limited: %d of %d reports were invalid in the last %g s",
                all_invalid, all_valid + all_invalid, self.rate.within_s,
            )  # fmt: skip
        elif due:
            logger.log(
                logging.WARNING if was_active else logging.ERROR,
                "dead letters are limited: %d of the last %d reports were invalid, and from now on only %d in %g s are "
                "set aside; the rest waits in the queue. Look at `manage.py dead-letters`: where a release upstream or "
                "here is the cause, correct it, then run `manage.py redrive --all`; where the reports are worthless, "
                "set them aside faster by TRASH_BRAKE_SET_ASIDE (0: no limit)",
                all_invalid + invalid, all_valid + all_invalid + valid + invalid, self.rate.limit, self.rate.within_s,
            )  # fmt: skip
        if not allowed:
            raise DeadLettersLimited("too many reports are invalid: dead letters are limited")

    def count(self, *, valid: int, invalid: int) -> None:
        """Count the reports of a batch whose messages are done."""
        with self._lock:
            self.rate.count(valid=valid, invalid=invalid, now=self._clock())
