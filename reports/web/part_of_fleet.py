"""The cans of a part of the fleet, read by the indexes and within bounds: never by a Scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from reports import store
from reports.insight.area import Area
from reports.insight.fold import Row
from reports.models import Can, ListedCan, facts_of, listed, place_of, stream_of
from reports.report import Report
from reports.store import Order
from reports.web import never_reported
from reports.web.collection_queries import Part
from reports.web.found_cans import found_by_words

#: Cans that are looked at in an order of the fleet, and cans of the facts in an area, at most: ten BatchGetItem each.
LOOKED_AT, IN_AREA = 1_000, 1_000


@dataclass(frozen=True, slots=True)
class PartOfFleet:
    """
    What was found of a part of the fleet.

    rows: of cans in service, by id. cans: what is known of them. never: cans in the area that never reported.
    looked_at: cans whose rows were read. is_cut: whether there are, or may be, more. whole_from: every can of the fleet
    from so many percent on was looked at, None where they were not read by level. is_area_cut: whether the facts know
    more cans in the area than were read.
    """

    rows: Mapping[str, Row]
    cans: Mapping[str, ListedCan] = field(default_factory=dict)
    never: Sequence[ListedCan] = ()
    looked_at: int = 0
    is_cut: bool = False
    whole_from: int | None = None
    is_area_cut: bool = False


def cans_of(part: Part, order: Order) -> PartOfFleet:
    """
    Return the cans of a part of the fleet: those whose facts say so, and of the whole fleet the first in an order.

    Of words only the facts are asked, by their index. Of a circle or a box those of the facts are read, 1,000 at most,
    and of the cans without a place in the facts those among the first of the fleet. At most 8 Queries as a rule, and 20
    BatchGetItem. Raises StoreUnavailable, and the database's errors.
    """
    if part.words:
        found = found_by_words(part.words)
        return _known(part, facts_of(found.can_ids).values(), is_cut=found.is_cut)
    known = PartOfFleet({})
    if part.area:
        near = listed(Can.objects.filter(_in_box(part.area)).order_by("latitude", "longitude")[: IN_AREA + 1])
        known = _known(part, near[:IN_AREA], is_cut=len(near) > IN_AREA)
    facts, looked_at = dict(known.cans), known.looked_at

    def wanted(reports: Sequence[Report]) -> set[str]:
        nonlocal looked_at
        looked_at += sum(report.can_id not in known.rows for report in reports)
        facts.update(facts_of(report.can_id for report in reports if report.can_id not in facts))
        return {report.can_id for report in reports if _is_in(part, report, facts.get(report.can_id))}

    first = store.ranked(order, keep=wanted, selective=False, size=LOOKED_AT, budget=0, with_rows=True)
    never_reported.note(facts[can_id] for can_id in first.rows if can_id in facts)
    rows = {**known.rows, **first.rows}
    return PartOfFleet(
        rows,
        {can_id: facts[can_id] for can_id in rows if can_id in facts},
        known.never,
        looked_at,
        known.is_cut or first.more,
        store.whole_from(first) if order == "fullest" else None,
        known.is_cut,
    )


def _known(part: Part, cans: Iterable[ListedCan], *, is_cut: bool) -> PartOfFleet:
    known = {can.can_id: can for can in cans}
    rows = store.latest_rows(known)
    never_reported.note(known[can_id] for can_id in rows)
    kept = {can_id: row for can_id, row in rows.items() if _is_in(part, row.report, known[can_id])}
    never = [can for can in known.values() if can.can_id not in rows and _is_in(part, _without(can), can)]
    return PartOfFleet(kept, {can_id: known[can_id] for can_id in kept}, never, len(rows), is_cut, None, is_cut)


def _without(can: ListedCan) -> Report:
    return Report(can.can_id, "", None, None)


def _is_in(part: Part, report: Report, can: ListedCan | None) -> bool:
    """Say whether a can is in service and of the part; of words the facts were asked."""
    if can and can.is_retired(report.measured_at):
        return False
    if part.stream and stream_of(report, can).casefold() != part.stream.casefold():
        return False
    if part.area is None:
        return True
    place = place_of(report, can)
    return place is not None and part.area.holds(place)


def _in_box(area: Area) -> Q:
    """Return the condition that the facts place a can in an area's box."""
    within = Q(latitude__gte=area.south, latitude__lte=area.north)
    east, west = Q(longitude__lte=area.east), Q(longitude__gte=area.west)
    return within & (west & east if area.west <= area.east else west | east)
