"""A collection list: which cans a round should empty, the way through them, and which are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from reports.insight.collection import Judged, Round, Why, WhyNot, judged, most_urgent_first, with_figures
from reports.insight.standing import Standing
from reports.insight.stops import Place, Way, way_through
from reports.models import Facts, place_of, stream_of
from reports.report import iso
from reports.web.answers import NEVER, can_links, facts_or_not, instant
from reports.web.collection_queries import CollectionQuery
from reports.web.part_of_fleet import PartOfFleet, cans_of

#: Cans of each reason that are named among those left; all are counted.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Stop:
    """A can on the list. number, leg_km: its place on the way, and how far from the one before; None: not on it."""

    judged: Judged
    root: str
    stream: str
    facts: Facts | None
    place: Place | None
    number: int | None = None
    leg_km: float | None = None

    @property
    def can_id(self) -> str:
        return self.judged.row.report.can_id

    def json(self) -> dict[str, Any]:
        told, forecast, place = self.judged, self.judged.forecast, self.place
        return {
            "can_id": self.can_id,
            "why": told.why,
            "reason": told.reason,
            "status": told.standing.status,
            "suspect": told.standing.suspect,
            "level": told.row.report.level,
            "threshold": told.standing.full_from,
            "measured_at": instant(told.row.report.measured_at),
            "full_since": instant(told.since),
            "full_at": forecast and _second(forecast.full_at),
            "low": forecast and _second(forecast.low),
            "high": forecast and _second(forecast.high),
            "reliability": forecast and forecast.reliability,
            "chance": _rounded(told.chance, 3),
            "overflow_h_avoided": _rounded(told.avoided_h, 1),
            "stop": self.number,
            "leg_km": _rounded(self.leg_km, 3),
            "latitude": place and round(place[0], 6),
            "longitude": place and round(place[1], 6),
            "stream": self.stream,
            **facts_or_not(self.facts, has_facts=True),
            "links": can_links(self.root, self.can_id),
        }


@dataclass(frozen=True, slots=True)
class LeftCan:
    """A can that is left for another round. level: None where it never reported."""

    can_id: str
    root: str
    reason: str
    standing: Standing
    level: str | None
    chance: float | None = None

    def json(self) -> dict[str, Any]:
        return {
            "can_id": self.can_id,
            "reason": self.reason,
            "status": self.standing.status,
            "level": self.level,
            "chance": _rounded(self.chance, 3),
            "links": can_links(self.root, self.can_id),
        }


@dataclass(frozen=True, slots=True)
class Left:
    """The cans left for one reason: how many, and the first of them."""

    why: WhyNot
    count: int
    cans: Sequence[LeftCan]

    def json(self) -> dict[str, Any]:
        return {"why": self.why, "count": self.count, "cans": list(self.cans)}


@dataclass(frozen=True, slots=True)
class CollectionList:
    """
    A list for a round. stops: in the order that was asked for. left: by reason. found: what was read of the fleet.

    avoided_h: the overflow hours that the round avoids, expected, of those stops where they can be told; None where
    that is none.
    """

    plan: Round
    root: str
    stops: Sequence[Stop]
    left: Sequence[Left]
    found: PartOfFleet
    start: Place | None
    length_km: float | None
    back_km: float | None
    avoided_h: float | None
    by_why: Mapping[str, int] = field(default_factory=dict)

    @property
    def untold(self) -> int:
        """Of how many stops the avoided hours cannot be told."""
        return sum(stop.judged.avoided_h is None for stop in self.stops)

    @property
    def placed(self) -> Sequence[Stop]:
        """The stops whose place is known, in the order of the way."""
        return sorted((stop for stop in self.stops if stop.number is not None), key=lambda stop: stop.number or 0)

    @property
    def burning(self) -> int:
        """How many cans tell of a fire: no stops."""
        return sum(left.count for left in self.left if left.why is WhyNot.FIRE)

    @property
    def unplaced(self) -> int:
        return sum(stop.number is None for stop in self.stops)

    def json(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "made_at": iso(plan.now),
            "by": iso(plan.by),
            "next": iso(plan.next_at),
            "counts": dict(self.by_why),
            "overflow_h_avoided": _rounded(self.avoided_h, 1),
            "overflow_untold": self.untold,
            "way": {
                "method": "nearest stop first, then 2-opt; great-circle distances, no roads",
                "length_km": _rounded(self.length_km, 3),
                "back_km": _rounded(self.back_km, 3),
                "start": self.start and {"latitude": self.start[0], "longitude": self.start[1]},
                "unplaced": self.unplaced,
            },
            "looked_at": self.found.looked_at,
            "complete": not self.found.is_cut,
            "complete_from": self.found.whole_from,
            "results": list(self.stops),
            "left": list(self.left),
            "links": {"self": self.root.removesuffix("reports/") + "collections"},
        }


def collection_list(query: CollectionQuery, root: str) -> CollectionList:
    """Return the list for a round. Reads as `cans_of`. Raises StoreUnavailable, and the database's errors."""
    found = cans_of(query.part, "fullest")
    every = most_urgent_first(judged(row, query.plan) for row in found.rows.values())
    wanted = [can for can in every if isinstance(can.why, Why)]
    beyond = [replace(can, why=WhyNot.BEYOND) for can in wanted[query.stops :]]
    left = [*beyond, *(can for can in every if isinstance(can.why, WhyNot))]
    stops = [_stop(with_figures(can, query.plan), found, root) for can in wanted[: query.stops]]
    stops, way = _on_their_way(stops, query.start)
    by_why = Counter(stop.judged.why for stop in stops)
    told = [stop.judged.avoided_h for stop in stops if stop.judged.avoided_h is not None]
    if query.by_stops:
        stops.sort(key=lambda stop: (stop.number is None, stop.number))
    return CollectionList(
        query.plan,
        root,
        stops,
        _left(left, found, root),
        found,
        query.start,
        length_km=way.length_km if way.order else None,
        back_km=way.back_km if way.order and query.start else None,
        avoided_h=sum(told) if told else None,
        by_why={why: by_why[why] for why in Why},
    )


def _stop(can: Judged, found: PartOfFleet, root: str) -> Stop:
    report = can.row.report
    known = found.cans.get(report.can_id)
    return Stop(can, root, stream_of(report, known), known.facts if known else None, place_of(report, known))


def _on_their_way(stops: Sequence[Stop], start: Place | None) -> tuple[list[Stop], Way]:
    """Return the stops, each with its place on the way through those whose place is known; and the way."""
    placed = [at for at, stop in enumerate(stops) if stop.place]
    way = way_through([place for stop in stops if (place := stop.place)], start)
    numbered = list(stops)
    for number, (which, leg_km) in enumerate(zip(way.order, way.legs_km, strict=True), 1):
        at = placed[which]
        numbered[at] = replace(stops[at], number=number, leg_km=leg_km)
    return numbered, way


def _left(left: Sequence[Judged], found: PartOfFleet, root: str) -> list[Left]:
    by_why: dict[WhyNot, list[LeftCan]] = {why: [] for why in WhyNot}
    counts = Counter(can.why for can in left)
    for can in left:
        if isinstance(can.why, WhyNot) and len(named := by_why[can.why]) < NAMED:
            report = can.row.report
            named.append(LeftCan(report.can_id, root, can.reason, can.standing, report.level, can.chance))
    counts[WhyNot.NEVER_REPORTED] = len(found.never)
    by_why[WhyNot.NEVER_REPORTED] = [
        LeftCan(can.can_id, root, NEVER.reason, NEVER, None) for can in found.never[:NAMED]
    ]
    return [Left(why, counts[why], cans) for why, cans in by_why.items() if cans]


def _second(at: int) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)
