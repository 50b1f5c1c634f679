"""
A brake on setting aside: where nearly all that comes is suddenly invalid, the fault is seldom the devices'.

A bad release, upstream or ours, would else empty the queue into the dead letters within minutes. Slowly, most of it
stays in the queue, in its order and for days, while somebody looks. Source of the idea: getsentry/arroyo, DlqLimit.
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


class Braked(Exception):
    """A batch has to wait before its invalid reports are set aside."""


@dataclass(slots=True)
class Brake:
    """
    Goes on when more than `limit` reports were set aside within `within_s` seconds and they were `percent` of all.

    While it is on, it lets about `limit` through in `within_s` seconds, evenly, and all batches without an invalid
    report. It goes off when the invalid ones are fewer than `percent` again, or come at less than half of that pace.
    limit 0: never. processes: those of the worker's pool, each of which has a brake of its own. `now` is a monotonic
    clock's time in seconds; it is asked before, and told after setting aside.
    """

    limit: int
    within_s: float
    percent: int
    processes: int = 1
    on: bool = False
    #: What the past `within_s` seconds brought, a second each: its beginning, valid, invalid.
    _seconds: deque[tuple[float, int, int]] = field(default_factory=deque)
    _free_at: float = 0.0

    def share(self) -> None:
        """Take this process's share of the limit, which is meant for the worker as a whole."""
        self.limit = -(-self.limit // self.processes)

    def allows(self, *, valid: int, invalid: int, now: float) -> bool:
        """Return whether a batch of so many reports may be settled now; it may be asked again and again."""
        if not self.limit or not invalid:
            return True
        all_valid, all_invalid = self.counts(now)
        all_valid, all_invalid = all_valid + valid, all_invalid + invalid
        nearly_all = all_invalid * 100 >= self.percent * (all_valid + all_invalid)
        if not self.on and nearly_all and all_invalid > self.limit:
            self.on = True
            self._free_at = now + self._pause_s(invalid)
        elif self.on and (not nearly_all or all_invalid * 2 < self.limit):
            self.on = False
        return not self.on or now >= self._free_at

    def note(self, *, valid: int, invalid: int, now: float) -> None:
        """Count what was settled."""
        if self._seconds and now - self._seconds[-1][0] < 1.0:
            began, valid_before, invalid_before = self._seconds.pop()
            self._seconds.append((began, valid_before + valid, invalid_before + invalid))
        else:
            self._seconds.append((now, valid, invalid))
        if invalid:
            self._free_at = min(now + self.within_s, max(now, self._free_at) + self._pause_s(invalid))

    def counts(self, now: float) -> tuple[int, int]:
        """Return how many valid and invalid reports the past `within_s` seconds brought."""
        while self._seconds and now - self._seconds[0][0] > self.within_s:
            self._seconds.popleft()
        return sum(valid for _, valid, _ in self._seconds), sum(invalid for _, _, invalid in self._seconds)

    def _pause_s(self, invalid: int) -> float:
        return min(self.within_s, invalid * self.within_s / self.limit) if self.limit else 0.0


class Alarm:
    """A brake for several threads that calls somebody: when it goes on, once a minute while it is on, and when off."""

    def __init__(self, brake: Brake, clock: Callable[[], float] = time.monotonic) -> None:
        self.brake = brake
        self._clock = clock
        self._lock = threading.Lock()
        self._told = 0.0

    def check(self, *, valid: int, invalid: int) -> None:
        """Raise Braked where a batch of so many reports has to wait."""
        now = self._clock()
        with self._lock:
            was_on = self.brake.on
            allowed = self.brake.allows(valid=valid, invalid=invalid, now=now)
            good, bad = self.brake.counts(now)
            tell = self.brake.on != was_on or (self.brake.on and now - self._told >= REMIND_S)
            if tell:
                self._told = now
        if tell and not self.brake.on:
            logger.info("the brake is off: %d of %d reports were invalid lately", bad, good + bad)
        elif tell:
            logger.log(
                logging.WARNING if was_on else logging.ERROR,
                "the brake is on: %d of the last %d reports were invalid, and only %d in %g s are set aside from now "
                "on; the rest waits in the queue. Look at `manage.py dead-letters`: where a release upstream or here "
                "is the cause, mend it, then `manage.py redrive --all`; where they are rubbish, let them through "
                "faster by TRASH_BRAKE_SET_ASIDE (0: no brake)",
                bad + invalid, good + bad + valid + invalid, self.brake.limit, self.brake.within_s,
            )  # fmt: skip
        if not allowed:
            raise Braked("too much is invalid: the brake is on")

    def note(self, *, valid: int, invalid: int) -> None:
        """Count what was settled."""
        with self._lock:
            self.brake.note(valid=valid, invalid=invalid, now=self._clock())
