"""The fleet on the map: a point for each can, or cells of a grid with their counts where the cans are many."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reports.insight.status import Status

#: More cans than this are drawn as cells of a grid, each with its count.
PLACES = 2_000
#: Cells across the longer side of the map.
GRID = 24
#: While it counts: cells of a finer grid at most, and degrees across one at first, about 40 m.
FINE = 4_000
FINEST = 360 / 2**20
#: A longer id is not kept for a cell.
CELL_ID = 40

_URGENCY = {name: at for at, name in enumerate(Status)}
_BY_URGENCY = list(Status)
#: South, north, west, east: degrees.
Bounds = tuple[float, float, float, float]


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


@dataclass(slots=True)
class Points:
    """Points for the map, in memory of constant size: each can, or more than PLACES as cells, coarser as they fill."""

    count: int = 0
    bounds: Bounds | None = None
    cans: list[Place] = field(default_factory=list)
    #: Degrees across a cell, 0 while each point is a can.
    side: float = 0.0
    #: By row and column: cans, sums of latitude and longitude, level, urgency, full ones, id.
    cells: dict[tuple[int, int], list[Any]] = field(default_factory=dict)

    def add(self, place: Place) -> None:
        """Add a can."""
        self.count += 1
        lat, lon = place.lat, place.lon
        if (bounds := self.bounds) is None:
            self.bounds = lat, lat, lon, lon
        elif not (bounds[0] <= lat <= bounds[1] and bounds[2] <= lon <= bounds[3]):
            self.bounds = min(bounds[0], lat), max(bounds[1], lat), min(bounds[2], lon), max(bounds[3], lon)
        if self.side:
            self._put(place)
            return
        self.cans.append(place)
        if len(self.cans) > PLACES:
            self.to_cells()

    def to_cells(self) -> None:
        """Keep the cans so far as cells."""
        self.side = self.side or FINEST
        for place in self.cans:
            self._put(place)
        self.cans = []

    def places(self) -> tuple[float, Sequence[Place]]:
        """Return the height of a cell in degrees of latitude, 0 where each place is a can, and the places."""
        if not self.side or self.bounds is None:
            return 0.0, list(self.cans)
        fine = [
            Place(lat / cans, lon / cans, level, _BY_URGENCY[urgency], can_id, cans, full)
            for cans, lat, lon, level, urgency, full, can_id in self.cells.values()
        ]
        return gathered(fine, self.bounds)

    def shrink(self) -> None:
        """Keep all cans as cells, and no can's id."""
        self.to_cells()
        for cell in self.cells.values():
            cell[-1] = ""

    def members(self) -> dict[str, Any]:
        """Return them as JSON members, which `of_members` reads."""
        return {
            "points": [self.count, self.bounds, self.side],
            "cans": [asdict(place) for place in self.cans],
            "cells": [
                [*key, cans, round(lat, 5), round(lon, 5), *others]
                for key, (cans, lat, lon, *others) in self.cells.items()
            ],
            # Cells name a status by its number.
            "statuses": _BY_URGENCY,
        }

    @classmethod
    def of_members(cls, members: Mapping[str, Any]) -> Points:
        """Return what `members` wrote. Raises KeyError, TypeError, ValueError for anything else."""
        if members["statuses"] != _BY_URGENCY:
            raise ValueError("another version of this program counted by other statuses")
        count, bounds, side = members["points"]
        return cls(
            count,
            bounds and tuple(bounds),
            [Place(**place) for place in members["cans"]],
            side,
            {(row, column): cell for row, column, *cell in members["cells"]},
        )

    def _put(self, place: Place) -> None:
        key = math.floor(place.lat / self.side), math.floor(place.lon / self.side)
        can_id = place.can_id if len(place.can_id) <= CELL_ID else ""
        self._merge(key, [1, place.lat, place.lon, place.level, _URGENCY[Status(place.status)], place.full, can_id])
        while len(self.cells) > FINE:
            finer, self.cells, self.side = self.cells, {}, self.side * 2
            for (row, column), cell in finer.items():
                self._merge((row // 2, column // 2), cell)

    def _merge(self, key: tuple[int, int], cell: list[Any]) -> None:
        there = self.cells.setdefault(key, cell)
        if there is not cell:
            there[0] += cell[0]
            there[1] += cell[1]
            there[2] += cell[2]
            there[3] = max(there[3], cell[3])
            there[4] = min(there[4], cell[4])
            there[5] += cell[5]
            there[6] = ""


def bounds_of(places: Collection[Place]) -> Bounds:
    """Return the bounds of some places."""
    latitudes, longitudes = [place.lat for place in places], [place.lon for place in places]
    return min(latitudes), max(latitudes), min(longitudes), max(longitudes)


def gathered(places: Iterable[Place], bounds: Bounds) -> tuple[float, list[Place]]:
    """
    Return places gathered into cells that are square on the ground, each at the middle of those that are in it.

    Before them the height of a cell in degrees of latitude, of which GRID are across the longer side of the bounds.
    """
    south, north, west, east = bounds
    narrowing = _narrowing((south + north) / 2)
    side = max(north - south, (east - west) * narrowing) / GRID or 1.0
    width = side / narrowing
    cells: dict[tuple[int, int], list[Place]] = {}
    for place in places:
        cells.setdefault((int((place.lat - south) / side), int((place.lon - west) / width)), []).append(place)
    return side, [_cell(inside) for inside in cells.values()]


def _cell(inside: Sequence[Place]) -> Place:
    count = sum(place.count for place in inside)
    return Place(
        round(sum(place.lat * place.count for place in inside) / count, 5),
        round(sum(place.lon * place.count for place in inside) / count, 5),
        max(place.level for place in inside),
        min((place.status for place in inside), key=lambda name: _URGENCY[Status(name)]),
        inside[0].can_id if count == 1 else "",
        count,
        sum(place.full for place in inside),
    )


def _narrowing(latitude: float) -> float:
    """Return how long a degree of longitude is there, in degrees of latitude."""
    return max(0.01, math.cos(math.radians(latitude)))
