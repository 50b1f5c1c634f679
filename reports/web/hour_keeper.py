"""
Each hour of the fleet, kept once, whether or not anybody looks: by one web process at a time.

Two minutes after its end, since workers write what they did in a minute some seconds later. Where no web process ran,
or the store did not answer, for a quarter of an hour from then on, the cans of that hour stay uncounted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import close_old_connections
from django.utils import timezone

from reports import store
from reports.insight.over_time import HOUR, STREAMS, FleetHour, begin_of
from reports.insight.replay import Frame
from reports.store import Claim, Minute, StoreUnavailable
from reports.web import fleet_count
from reports.web.fleet_count import FleetCount
from trashsite.aws import stopping
from trashsite.database import DATABASE_DOWN

NAME = "fleet-hour"
LOOKED_EVERY_S = 30.0
SETTLED = timedelta(minutes=2)
#: A count that is made later says nothing of the hour's end.
COUNTED_WITHIN = timedelta(minutes=15)
#: How long a look waits for a count; what takes longer is there at a later look.
PATIENCE_S = 5.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    """The newest hour that this process knows to be kept."""

    hour: datetime | None = None


_kept = _Kept()


def start_keeping() -> None:
    """Keep each hour from now on, in a thread; returns at once."""
    threading.Thread(target=_keep_on, name="fleet-hours", daemon=True).start()


def _keep_on() -> None:
    while not stopping.wait(LOOKED_EVERY_S):
        try:
            keep(timezone.now())
        except (StoreUnavailable, *DATABASE_DOWN) as error:
            log.warning("the hour of the fleet could not be kept: %s", error)
        finally:
            close_old_connections()


def keep(now: datetime) -> None:
    """
    Keep the last hour that has ended, and what workers told of the one before where nobody kept it.

    Does nothing where they are kept, or another process is about to. Raises StoreUnavailable, and DATABASE_DOWN's
    errors.
    """
    last = begin_of(now - SETTLED, HOUR) - HOUR
    if last == _kept.hour:
        return
    claim = Claim(NAME)
    if not claim.take(now):
        return
    there = {hour.begins_at: hour for hour in store.fleet_hours(last - HOUR, last + HOUR)}
    if last - HOUR not in there:
        store.put_fleet_hour(_told(last - HOUR))
    if _keep_last(last, there.get(last), now):
        _kept.hour = last
    claim.give_back()


def _keep_last(begins_at: datetime, there: FleetHour | None, now: datetime) -> bool:
    """Keep the hour that has just ended; False where its cans are still to be counted."""
    if there and there.counted_at:
        return True
    ended = begins_at + HOUR
    if now - ended > COUNTED_WITHIN:
        if not there:
            store.put_fleet_hour(_told(begins_at))
        return True
    count = fleet_count.current(patience_s=PATIENCE_S)
    if count is None or count.counted_at < ended:
        return False
    hour = _told(begins_at, count)
    if frame := _frame(begins_at, count):
        store.keep_snapshot(frame.name, frame.packed(store.MAX_BYTES), now)
    store.put_fleet_hour(hour)
    return True


def _told(begins_at: datetime, count: FleetCount | None = None) -> FleetHour:
    """Return an hour with what workers told of it, and with its cans where they were counted."""
    minutes = store.minutes(begins_at, begins_at + HOUR)
    # An hour of which no worker tells, or of which too many tell to be read, is not one without reports.
    is_known = 0 < len(minutes) < store.MOST_MINUTES
    overview = count.overview if count else None
    return FleetHour(
        begins_at,
        count.counted_at if count else None,
        overview.by_status if overview else {},
        {
            name: (cans, overview.full_by_stream.get(name, 0))
            for name, cans in list(overview.by_stream.items())[:STREAMS]
        }
        if overview
        else {},
        overview.exact if overview else True,
        _sum(minutes, "stored") - _sum(minutes, "older") if is_known else None,
        _sum(minutes, "emptied") if is_known else None,
    )


def _sum(minutes: Sequence[Minute], name: str) -> int:
    return sum(minute.counts.get(name, 0) for minute in minutes)


def _frame(begins_at: datetime, count: FleetCount) -> Frame | None:
    """Return the map of an hour, None where not all cans were read since it began."""
    overview, walked = count.overview, count.overview.walked
    if not (walked.complete and walked.since and walked.until and overview.places):
        return None
    read_at = datetime.fromisoformat(walked.since), datetime.fromisoformat(walked.until)
    return Frame(begins_at, overview.cell, overview.places, read_at) if read_at[1] >= begins_at else None
