"""The fleet in numbers: how many cans have which status, stream and level, and where they are."""

from __future__ import annotations

import gzip
import heapq
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from reports.insight.status import Status, is_old, status
from reports.report import Report, iso, percent

#: More cans than this are drawn as cells of a grid, each with its count.
PLACES = 2_000
#: How many cans are listed as needing attention first.
URGENT = 10
#: Cells across the longer side of the map.
GRID = 24


@dataclass(frozen=True, slots=True)
class Place:
    """
    One point on the map: a can, or a cell of `count` cans with no id of its own.

    level: whole percent, of a cell the highest. status: of a cell the most urgent in it. full: how many of its cans
    are full.
    """

    lat: float
    lon: float
    level: int
    status: str
    can_id: str = ""
    count: int = 1
    full: int = 0


@dataclass(frozen=True, slots=True)
class Urgent:
    """A can that needs attention. measured_at: as the API writes it."""

    can_id: str
    level: str
    status: str
    stream: str
    measured_at: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """
    Counts over the whole fleet, and the ten cans that need attention first.

    tenths: how many cans have a level of 0-9 %, 10-19 %, ..., 90-100 %. located: how many cans the places represent.
    cell: the height of a cell in degrees of latitude, 0 where each place is a can.
    """

    total: int
    by_status: Mapping[str, int]
    by_stream: Mapping[str, int]
    tenths: Sequence[int]
    places: Sequence[Place]
    located: int
    urgent: Sequence[Urgent] = ()
    cell: float = 0

    def packed(self) -> bytes:
        """Return it as compressed JSON."""
        return gzip.compress(json.dumps(asdict(self), separators=(",", ":")).encode(), compresslevel=6)

    @classmethod
    def unpacked(cls, body: bytes) -> Overview:
        """Return what `packed` packed."""
        read: dict[str, Any] = json.loads(gzip.decompress(body))
        places = [Place(**place) for place in read["places"]]
        return cls(**{**read, "places": places, "urgent": [Urgent(**urgent) for urgent in read["urgent"]]})


@dataclass(slots=True)
class Count:
    """Counts a fleet: call `add` once for each can, then `overview`."""

    now: datetime
    total: int = 0
    by_status: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(Status, 0)))
    by_stream: Counter[str] = field(default_factory=Counter)
    tenths: list[int] = field(default_factory=lambda: [0] * 10)
    places: list[Place] = field(default_factory=list)
    urgent: list[tuple[Decimal, float, Urgent]] = field(default_factory=list)

    def add(self, report: Report, place: tuple[float, float] | None, stream: str | None) -> None:
        """Count one can; place: where it is, latitude and longitude, if that is known."""
        level = percent(report.level)
        can_status = status(report.level, report.measured_at, self.now)
        self.total += 1
        self.by_status[can_status] += 1
        self.by_stream[stream or ""] += 1
        # A level that is too old to be trusted says nothing about now.
        if level is not None and not is_old(report.measured_at, self.now):
            self.tenths[min(9, max(0, int(level) // 10))] += 1
        if can_status != Status.OK:
            at = report.measured_at
            # Full cans before silent ones; of these the fullest, of those the one silent for longest.
            rank = level or Decimal(0) if can_status == Status.FULL else Decimal(-1)
            silence_s = (self.now - at).total_seconds() if at else 0.0
            urgent = Urgent(report.can_id, report.level, str(can_status), stream or "", iso(at) if at else None)
            self.urgent.append((rank, silence_s, urgent))
            if len(self.urgent) > 200:
                self.urgent = self._first()
        if place:
            is_full = int(can_status == Status.FULL)
            self.places.append(Place(*place, int(level or 0), str(can_status), report.can_id, full=is_full))

    def _first(self) -> list[tuple[Decimal, float, Urgent]]:
        return heapq.nlargest(URGENT, self.urgent, key=lambda each: (each[0], each[1], each[2].can_id))

    def overview(self) -> Overview:
        """Return the counts so far; more than PLACES places become cells."""
        cell = side_of(self.places) if len(self.places) > PLACES else 0.0
        places = cells(self.places, cell) if cell else self.places
        return Overview(
            self.total,
            {str(name): count for name, count in self.by_status.items()},
            # Devices choose the names of streams freely: the commonest are enough.
            dict(self.by_stream.most_common(12)),
            self.tenths,
            places,
            len(self.places),
            [urgent for _, _, urgent in self._first()],
            cell,
        )


def side_of(places: Sequence[Place]) -> float:
    """Return the height, in degrees of latitude, of the cells into which places are to be gathered."""
    south, north = min(place.lat for place in places), max(place.lat for place in places)
    west, east = min(place.lon for place in places), max(place.lon for place in places)
    return max(north - south, (east - west) * _narrowing((south + north) / 2)) / GRID or 1.0


def cells(places: Sequence[Place], side: float) -> list[Place]:
    """Return places gathered into cells that are square on the ground, each at the middle of those that are in it."""
    south, north = min(place.lat for place in places), max(place.lat for place in places)
    west, width = min(place.lon for place in places), side / _narrowing((south + north) / 2)
    gathered: dict[tuple[int, int], list[Place]] = {}
    for place in places:
        cell = (int((place.lat - south) / side), int((place.lon - west) / width))
        gathered.setdefault(cell, []).append(place)
    urgency = list(Status)
    return [
        Place(
            round(sum(place.lat for place in inside) / len(inside), 5),
            round(sum(place.lon for place in inside) / len(inside), 5),
            max(place.level for place in inside),
            min((place.status for place in inside), key=lambda name: urgency.index(Status(name))),
            inside[0].can_id if len(inside) == 1 else "",
            len(inside),
            sum(place.full for place in inside),
        )
        for inside in gathered.values()
    ]


def _narrowing(latitude: float) -> float:
    """Return how long a degree of longitude is there, in degrees of latitude."""
    return max(0.01, math.cos(math.radians(latitude)))
