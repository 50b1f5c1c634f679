"""Logs a fault that lasts when it begins, once a minute while it lasts, and when it ends."""

from __future__ import annotations

import logging
import threading
import time

logger = logging.getLogger(__name__)

REMIND_S = 60.0
#: A failure so soon after the last one ended is logged only if it lasts: parts of a fault come and go.
CALM_S = 10.0


class Outage:
    """An activity that may fail repeatedly, as receiving from a queue; safe to use from several threads."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._lock = threading.Lock()
        self._since: float | None = None
        self._failed_at = 0.0
        self._logged = False
        self._quiet_until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether the last result was a failure."""
        return self._since is not None

    def failed(self, reason: object) -> None:
        """Note a failure; log it unless it was logged less than a minute ago, or ended a moment ago."""
        now = time.monotonic()
        with self._lock:
            self._failed_at = now
            if self._since is None:
                self._since = now
            if now < self._quiet_until:
                return
            self._quiet_until = now + REMIND_S
            self._logged = True
            lasted = f" for {now - self._since:.0f} s" if now > self._since else ""
        logger.warning("%s fails%s, trying again until it works: %s", self.what, lasted, reason)

    def ended(self, began: float | None = None) -> None:
        """
        Note a success; log it if a failure came before it and was logged.

        began: the monotonic time at which the successful attempt began. It is ignored if another one failed since then.
        """
        if self._since is None:
            return
        with self._lock:
            if self._since is None or (began is not None and began < self._failed_at):
                return
            now = time.monotonic()
            lasted_s, logged = now - self._since, self._logged
            self._since, self._logged = None, False
            if not logged:
                return
            self._quiet_until = now + CALM_S
        logger.info("%s works again after %.1f s", self.what, lasted_s)
