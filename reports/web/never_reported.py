"""Cans of which facts are known and no report was ever stored: the end of every list of the fleet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from reports import store
from reports.models import Can, ListedCan, listed
from reports.sensor_models import Mounting
from reports.web.fleet_queries import FleetQuery
from reports.web.found_cans import Found, begins
from reports.web.sensor_values import with_low_battery

#: Cans that are asked after in the store, at most, for one page, and in one request.
MOST_ASKED, AT_ONCE = 1_000, 100


@dataclass(frozen=True, slots=True)
class NeverReported:
    """
    A part of a list, by id.

    first, last: positions of its first and last can, as far as was looked; "" where nothing is left to look at. more:
    there may be more in the direction asked. stopped: it is short only because so many were looked at.
    """

    cans: Sequence[ListedCan]
    first: str
    last: str
    more: bool
    stopped: bool


def some(
    query: FleetQuery, found: Found, size: int, *, after: str | None = None, before: str | None = None
) -> NeverReported:
    """
    Return up to `size` cans that never reported and match a query, from after a can's id, or those just before one.

    after: None or "" for the beginning. before: "" for the end. found: whose names and addresses match. The database
    does not know who has reported: the store is asked for those of whom it does not, once for each that has. Raises
    StoreUnavailable, and the database's errors.
    """
    backwards = before is not None
    shown: list[ListedCan] = []
    at, begin = (before if backwards else after) or "", ""
    asked, ended = 0, False
    wanted = _wanted(query, found).order_by("-can_id" if backwards else "can_id")
    while len(shown) <= size and asked < MOST_ASKED and not ended:
        beyond = Q(can_id__gt=at) if not backwards else Q(can_id__lt=at) if at else Q()
        cans = listed(wanted.filter(beyond)[:AT_ONCE])
        begin = begin or (cans[0].can_id if cans else "")
        rows = store.latest_rows(can.can_id for can in cans)
        note(can for can in cans if can.can_id in rows)
        never = [can for can in cans if can.can_id not in rows]
        low = with_low_battery(can.can_id for can in never) if query.battery else ()
        shown += [can for can in never if not query.battery or can.can_id in low]
        ended = len(cans) < AT_ONCE
        asked += len(cans)
        at = cans[-1].can_id if cans else at
    more = not ended or len(shown) > size
    if len(shown) > size:
        shown = shown[:size]
        at = shown[-1].can_id if shown else after or ""
    stopped = more and len(shown) < size
    if backwards:
        return NeverReported(shown[::-1], at, begin, more, stopped)
    return NeverReported(shown, begin, at, more, stopped)


def note(cans: Iterable[ListedCan]) -> None:
    """Let the database know of these cans that they have reported: whoever meets them in the store calls it."""
    if unknown := [can.can_id for can in cans if not can.has_reported]:
        Can.objects.filter(pk__in=unknown).update(has_reported=True)


def there_may_be_some() -> bool:
    """Say whether the database knows cans of which it does not know that they have reported."""
    return Can.objects.filter(has_reported=False, retired_at=None).exists()


def _wanted(query: FleetQuery, found: Found) -> QuerySet[Can]:
    cans = Can.objects.filter(has_reported=False, retired_at=None)
    if query.search:
        cans = cans.filter(begins("can_id", query.search) | Q(can_id__in=found.can_ids))
    if query.battery:
        cans = cans.filter(can_id__in=Mounting.objects.filter(until=None).values("can_id"))
    if query.stream:
        # No database knows the case of every alphabet.
        streams = cans.order_by().values_list("stream", flat=True).distinct()
        cans = cans.filter(stream__in=[name for name in streams if name.casefold() == query.stream.casefold()])
    return cans
