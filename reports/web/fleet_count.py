"""
The fleet in numbers, at most a minute old: counted by one web process at a time, kept for all of them.

A count reads the whole fleet, so it is made only while somebody looks, and not in the middle of a request:
who comes first waits a moment for it, then gets the last one with its age.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from reports import store
from reports.insight.fleet_counts import Count, Overview
from reports.models import Can
from reports.report import Report
from reports.store import StoreUnavailable
from reports.web.access import DATABASE_DOWN

NAME = "fleet"
MAX_AGE = timedelta(seconds=60)
#: From this age on the next look has a new one counted, so that most never see an old one.
RENEWED_AFTER = timedelta(seconds=40)
#: How long a process trusts what it holds in memory before it asks the store whether another counted anew.
HELD_S = 10.0
#: How long a request waits for a count to end.
PATIENCE_S = 1.5
CLAIM_S = 120
SEGMENTS = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FleetCount:
    """The fleet in numbers, and when it was counted."""

    overview: Overview
    counted_at: datetime


@dataclass(slots=True)
class _Held:
    """What this process holds: the last count it knows, when it last asked the store for one, and its own count."""

    last: FleetCount | None = None
    #: Monotonic.
    asked_s: float = -HELD_S
    counting: threading.Thread | None = None
    #: Why the last count of this process came to nothing.
    failure: StoreUnavailable | None = None


_held = _Held()


def current(*, patience_s: float = PATIENCE_S) -> FleetCount | None:
    """
    Return the newest overview, None where none was ever counted and this one takes longer than a request may.

    patience_s: how long to wait for a count, where the last is older than a minute. Where a new one cannot be made,
    the last is returned with its age. Raises StoreUnavailable, and DATABASE_DOWN's errors where there is no last.
    """
    now = timezone.now()
    last = _latest()
    if last and now - last.counted_at < RENEWED_AFTER:
        return last
    counting = _held.counting
    if counting is None or not counting.is_alive():
        if not store.claim_snapshot(NAME, now, CLAIM_S):
            return last
        try:
            # Read here: the thread leaves Django's database alone.
            facts = {can.can_id: can for can in Can.objects.all()}
        except DATABASE_DOWN as error:
            if last is None:
                raise
            log.warning("the fleet could not be counted: %s", error)
            return last
        _held.failure = None
        counting = _held.counting = threading.Thread(target=_count, args=(facts, now), daemon=True)
        counting.start()
    if last is None or now - last.counted_at > MAX_AGE:
        counting.join(patience_s)
        last = _held.last or last
        if last is None and _held.failure:
            raise StoreUnavailable(_held.failure)
    return last


def forget() -> None:
    """Forget what this process holds: the store itself has changed, as between tests."""
    if _held.counting:
        _held.counting.join()
    _held.last, _held.asked_s, _held.counting, _held.failure = None, -HELD_S, None, None


def _latest() -> FleetCount | None:
    if time.monotonic() - _held.asked_s >= HELD_S:
        kept = store.snapshot(NAME)
        if kept and (_held.last is None or kept[1] > _held.last.counted_at):
            # What another version of this program wrote is counted anew.
            with suppress(KeyError, TypeError, ValueError):
                _held.last = FleetCount(Overview.unpacked(kept[0]), kept[1])
        _held.asked_s = time.monotonic()
    return _held.last


def _count(facts: Mapping[str, Can], now: datetime) -> None:
    """Count the fleet, keep the overview, and mend what the indexes lack."""
    count = Count(now)
    lacking = []
    try:
        for segment in range(SEGMENTS):
            for page in store.each_can(segment=segment, segments=SEGMENTS):
                for report, lacks in page:
                    can = facts.get(report.can_id)
                    if lacks:
                        lacking.append(report)
                    if can and can.is_retired(report.measured_at):
                        continue
                    count.add(report, _place(report, can), (can.stream if can else "") or report.stream)
        overview = count.overview()
        _held.last = FleetCount(overview, now)
        store.keep_snapshot(NAME, overview.packed(), now)
        if lacking:
            log.info("brought %d cans that another service wrote into the indexes", store.mend(lacking))
    except StoreUnavailable as error:
        _held.failure = error
        log.warning("the fleet could not be counted: %s", error)


def _place(report: Report, can: Can | None) -> tuple[float, float] | None:
    """Return where a can is: what is known of it, else what its device sent."""
    if can and can.latitude is not None and can.longitude is not None:
        return float(can.latitude), float(can.longitude)
    return (float(report.location[0]), float(report.location[1])) if report.location else None
