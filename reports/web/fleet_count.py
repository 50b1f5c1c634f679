"""
The fleet in numbers, at most a minute old: counted by one web process at a time, kept for all of them.

It is counted while somebody looks, and once an hour (hour_keeper). Not in the middle of a request: who comes first
waits a moment for it, then gets the last count with its age.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from reports import store
from reports.insight.fleet_counts import Overview
from reports.store import Claim, StoreUnavailable
from reports.web import fleet_walk
from reports.web.fleet_walk import Interrupted
from trashsite import telemetry
from trashsite.database import DATABASE_DOWN

NAME = "fleet"
MAX_AGE = timedelta(seconds=60)
#: Of a fleet that is counted by index: a store on a laptop takes most of a minute for a million cans.
MAX_AGE_OF_LARGE = timedelta(minutes=3)
#: From this age on the next look has a new one counted, so that most never see an old one.
RENEWED_AFTER = timedelta(seconds=40)
#: How long a process trusts what it holds in memory before it asks the store whether another counted anew; and how
#: often it looks whether a walk through a large fleet has to be begun, or taken over.
HELD_S = 10.0
#: How long a request waits for a count to end.
PATIENCE_S = 1.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FleetCount:
    """The fleet in numbers, and when it was counted."""

    overview: Overview
    counted_at: datetime

    def is_outdated(self, now: datetime) -> bool:
        """Say whether it is older than a count should be."""
        return now - self.counted_at > (MAX_AGE if self.overview.exact else MAX_AGE_OF_LARGE)


@dataclass(slots=True)
class _Held:
    """What this process holds: the last count it knows, when it last asked the store, and what it does itself."""

    last: FleetCount | None = None
    #: Monotonic.
    asked_s: float = -HELD_S
    walk_asked_s: float = -HELD_S
    counting: Future[None] | None = None
    walking: Future[None] | None = None
    #: Why the last count of this process came to nothing.
    failure: Exception | None = None


_held = _Held()
#: So often at least the fleet is counted where metrics are served.
COUNTED_EVERY_S = 3600.0


def current(*, patience_s: float = PATIENCE_S) -> FleetCount | None:
    """
    Return the newest overview, None where none was ever counted and this one takes longer than a request may.

    patience_s: how long to wait for a count, where the last is older than it should be. Where a new one cannot be made,
    the last is returned with its age. Raises StoreUnavailable, and DATABASE_DOWN's errors where there is no last.
    """
    now = timezone.now()
    last = known()
    if last and not last.overview.exact:
        _see_to_the_walk(last, now)
    if last and now - last.counted_at < RENEWED_AFTER:
        return last
    counting = _held.counting
    if counting is None or counting.done():
        claim = Claim(NAME)
        if not claim.take(now):
            return last
        _held.failure = None
        counting = _held.counting = in_background(lambda: _count(claim))
    if last is None or last.is_outdated(now):
        with suppress(TimeoutError):
            counting.result(patience_s)
        last = _held.last or last
        if last is None and _held.failure:
            raise _held.failure
    return last


def known() -> FleetCount | None:
    """Return the newest overview that there is, however old. Raises StoreUnavailable."""
    if time.monotonic() - _held.asked_s >= HELD_S:
        kept = store.snapshot(NAME)
        if kept and (_held.last is None or kept[1] > _held.last.counted_at):
            # What another version of this program wrote is counted anew.
            with suppress(KeyError, TypeError, ValueError):
                _know(FleetCount(Overview.unpacked(kept[0]), kept[1]))
        _held.asked_s = time.monotonic()
    return _held.last


def keep_counted() -> None:
    """Where metrics are served, have the fleet counted once an hour though nobody looks; returns at once."""
    if settings.TRASH_METRICS_PORT:
        threading.Thread(target=_keep_counted, name="fleet-count", daemon=True).start()


def _keep_counted() -> None:
    while True:
        # A process that is only checked, or dies young, counts nothing.
        time.sleep(60)
        try:
            last = known()
            if last is None or timezone.now() - last.counted_at > timedelta(seconds=COUNTED_EVERY_S):
                current()
        except (StoreUnavailable, *DATABASE_DOWN) as error:
            log.warning("the fleet could not be counted: %s", error)
        finally:
            close_old_connections()


def _know(count: FleetCount) -> None:
    """Hold a count, and tell it as metrics."""
    _held.last = count
    telemetry.FLEET_COUNTED.set(count.counted_at.timestamp())
    for status, cans in count.overview.by_status.items():
        telemetry.FLEET_CANS.set(cans, status)


def forget() -> None:
    """Forget what this process holds: the store itself has changed, as between tests."""
    if _held.counting:
        _held.counting.result()
    _held.last, _held.counting, _held.failure = None, None, None
    _held.asked_s = _held.walk_asked_s = -HELD_S


def in_background(work: Callable[[], None]) -> Future[None]:
    """Do something in a thread that nobody waits for when the process ends; done once it is done."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
        finally:
            close_old_connections()
            done.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    return done


def _count(claim: Claim) -> None:
    """Count the fleet, and keep the overview for all processes."""
    last = _held.last
    try:
        # A fleet that was large is so still, as a rule.
        overview = None if last and last.overview.total > fleet_walk.WHOLE else fleet_walk.count_whole(claim)
        overview = overview or fleet_walk.count_by_index(claim)
        now = timezone.now()
        _know(FleetCount(overview, now))
        store.keep_snapshot(NAME, overview.packed(store.MAX_BYTES), now)
        claim.give_back()
    except (StoreUnavailable, *DATABASE_DOWN) as error:
        # The claim stays for its ten seconds: so long nobody tries again.
        _held.failure = error
        log.warning("the fleet could not be counted: %s", error)
    except Interrupted:
        log.info("another process counts the fleet")


def _see_to_the_walk(last: FleetCount, now: datetime) -> None:
    """Begin to walk through a large fleet, or take over where a process stopped, unless somebody walks."""
    walked = last.overview.walked
    is_new = walked.complete and walked.until and now - datetime.fromisoformat(walked.until) < RENEWED_AFTER
    is_walking = _held.walking is not None and not _held.walking.done()
    if is_new or is_walking or time.monotonic() - _held.walk_asked_s < HELD_S:
        return
    _held.walk_asked_s = time.monotonic()
    claim = Claim(fleet_walk.WALKING)
    if claim.take(now):
        _held.walking = in_background(lambda: _walk(claim))


def _walk(claim: Claim) -> None:
    try:
        fleet_walk.walk(claim)
        claim.give_back()
    except (StoreUnavailable, *DATABASE_DOWN) as error:
        log.warning("the walk through the fleet broke off: %s", error)
    except Interrupted:
        log.info("another process walks through the fleet")
