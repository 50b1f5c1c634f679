"""A map of stops as shapes of an SVG picture: no tiles, no network, no JavaScript; straight lines, no roads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.insight.collection import Why
from reports.insight.stops import Place

#: Units of the picture: the bounds of its width and of its height, and the margin around the stops.
NARROWEST, WIDEST, LEAST, MOST, MARGIN = 320.0, 800.0, 220.0, 640.0, 34.0
#: Stops that follow each other within so many units share a mark.
_SAME = 20.0
_KM_PER_DEGREE = 111.195


@dataclass(frozen=True, slots=True)
class Pin:
    """A stop with a known place. number: its place on the way."""

    number: int
    place: Place
    can_id: str
    why: Why


@dataclass(frozen=True, slots=True)
class Mark:
    """One or several stops in a row, in a box whose middle is (x, y). why: the most urgent. can_id: of the first."""

    x: float
    y: float
    width: float
    label: str
    why: Why
    title: str
    can_id: str

    @property
    def left(self) -> float:
        return round(self.x - self.width / 2, 1)

    @property
    def top(self) -> float:
        return round(self.y - 9, 1)

    @property
    def text_y(self) -> float:
        return round(self.y + 4, 1)


@dataclass(frozen=True, slots=True)
class StopMap:
    """line: the way, as the points of a polyline. start: where it begins and ends. scale: its length, and in words."""

    width: float
    height: float
    line: str
    marks: Sequence[Mark]
    start: tuple[float, float] | None
    scale: float
    scale_text: str

    @property
    def scale_y(self) -> float:
        return round(self.height - 14, 1)


def stop_map(pins: Sequence[Pin], start: Place | None) -> StopMap | None:
    """Return the map of stops in the order of their way; None where there is none."""
    if not pins:
        return None
    places = [*([start] if start else []), *(pin.place for pin in pins)]
    first = places[0]
    # Beside the first one, so that a town at the 180th meridian stays one.
    flat = [(lat, (lon - first[1] + 180) % 360 - 180) for lat, lon in places]
    middle = (min(lat for lat, _ in flat) + max(lat for lat, _ in flat)) / 2
    wide_km = _KM_PER_DEGREE * max(math.cos(math.radians(middle)), 0.01)
    points = [(lon * wide_km, -lat * _KM_PER_DEGREE) for lat, lon in flat]
    west, north = min(x for x, _ in points), min(y for _, y in points)
    east, south = max(x for x, _ in points), max(y for _, y in points)
    # A single stop has no extent: it lies in the middle of a map of a kilometre.
    across, down = max(east - west, 0.05), max(south - north, 0.05)
    per_km = min((WIDEST - 2 * MARGIN) / across, (MOST - 2 * MARGIN) / down)
    width = max(NARROWEST, across * per_km + 2 * MARGIN)
    height = max(LEAST, down * per_km + 2 * MARGIN)
    shift_x = (width - (east - west) * per_km) / 2 - west * per_km
    shift_y = (height - (south - north) * per_km) / 2 - north * per_km
    drawn = [(round(x * per_km + shift_x, 1), round(y * per_km + shift_y, 1)) for x, y in points]
    way = [*drawn, drawn[0]] if start else drawn
    length, text = _scale(per_km, width)
    return StopMap(
        round(width, 1),
        round(height, 1),
        " ".join(f"{x},{y}" for x, y in way),
        _marks(pins, drawn[1:] if start else drawn),
        drawn[0] if start else None,
        length,
        text,
    )


def _marks(pins: Sequence[Pin], points: Sequence[tuple[float, float]]) -> list[Mark]:
    groups: list[tuple[list[Pin], tuple[float, float]]] = []
    for pin, point in zip(pins, points, strict=True):
        if groups and math.dist(groups[-1][1], point) < _SAME:
            groups[-1][0].append(pin)
        else:
            groups.append(([pin], point))
    return [_mark(group, point) for group, point in groups]


def _mark(pins: Sequence[Pin], point: tuple[float, float]) -> Mark:
    first, last = pins[0], pins[-1]
    label = f"{first.number}" if first is last else f"{first.number}-{last.number}"
    title = "; ".join(f"{pin.number}. {pin.can_id}: {pin.why}" for pin in pins)
    return Mark(
        *point, 11 + 7.0 * len(label), label, min((pin.why for pin in pins), key=[*Why].index), title, first.can_id
    )


def _scale(per_km: float, width: float) -> tuple[float, str]:
    """Return a length of 1, 2 or 5 in some power of ten, no longer than a fifth of the map, and how it is called."""
    most_km = width / 5 / per_km
    power = 10.0 ** math.floor(math.log10(most_km))
    km = next(step * power for step in (5, 2, 1) if step * power <= most_km)
    return round(km * per_km, 1), f"{km:g} km" if km >= 1 else f"{km * 1000:g} m"
