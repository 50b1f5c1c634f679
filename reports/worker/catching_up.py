"""
What came late of cans whose rows this process left marked (reports.store.behind) is taken in while little else comes.

Else such a can would say for hours, until its next report, what was so before.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import UTC, datetime
from typing import Any

from celery import signals

from reports import store
from reports.worker.alerts import rules, telling
from trashsite import aws

logger = logging.getLogger(__name__)
#: A look every two seconds, and at most half of that for it.
EVERY_S, WITHIN_S = 2.0, 1.0
_running_in: set[int] = set()
_not_before_s = 0.0


def put_off() -> None:
    """Let what has just come go first: there may be more of it."""
    global _not_before_s  # noqa: PLW0603
    _not_before_s = time.monotonic() + EVERY_S


# A process of a prefork pool gets the second signal, a solo worker both.
@signals.worker_ready.connect
@signals.worker_process_init.connect
def start(**_: Any) -> None:
    """Begin, once in a process: whoever stores reports catches up with them."""
    if os.getpid() not in _running_in:
        _running_in.add(os.getpid())
        threading.Thread(target=_run, name="catching-up", daemon=True).start()


def _run() -> None:
    # It may be ended anywhere: a row stays marked until all that a catch-up decides is kept.
    rest_s = EVERY_S
    while not aws.stopping.wait(rest_s):
        rest_s, began_s = EVERY_S, time.monotonic()
        if time.monotonic() >= _not_before_s:
            try:
                store.catch_up_some(datetime.now(UTC), WITHIN_S, rules.watch, telling.is_told)
            except Exception:  # a defect in one can must not keep the others back
                logger.exception("what came late of a can could not be taken in")
            # A store that is slow has enough to do with what comes.
            rest_s += 10 * max(0.0, time.monotonic() - began_s - 1.5 * WITHIN_S)
