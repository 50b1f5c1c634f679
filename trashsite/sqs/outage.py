"""A fault that lasts is told when it begins, once a minute while it lasts, and when it ends."""

from __future__ import annotations

import logging
import threading
import time

logger = logging.getLogger(__name__)

REMIND_S = 60.0


class Outage:
    """One thing that may fail over and over, as receiving from a queue; safe to use from several threads."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._lock = threading.Lock()
        self._since: float | None = None
        self._failed_at = 0.0
        self._told = 0.0

    @property
    def lasts(self) -> bool:
        """Whether the last thing heard was a failure."""
        return self._since is not None

    def failed(self, reason: object) -> None:
        """Note a failure; says so unless it was said less than a minute ago."""
        now = time.monotonic()
        with self._lock:
            self._failed_at = now
            if self._since is not None and now - self._told < REMIND_S:
                return
            lasted = "" if self._since is None else f" for {now - self._since:.0f} s"
            self._since = self._since or now
            self._told = now
        logger.warning("%s fails%s, trying again until it works: %s", self.what, lasted, reason)

    def ended(self, began: float | None = None) -> None:
        """
        Note a success; says so if a failure came before it.

        began: the monotonic time at which what succeeded was begun. If something else failed since then, it tells
        only that all was well before.
        """
        if self._since is None:
            return
        with self._lock:
            if began is not None and began < self._failed_at:
                return
            since, self._since = self._since, None
        if since is not None:
            logger.info("%s works again after %.1f s", self.what, time.monotonic() - since)
