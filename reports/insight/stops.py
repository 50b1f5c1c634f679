"""
The stops of a round in an order that is short as the crow flies. It knows no roads, one-way streets or barriers.

From each stop to the nearest one that is left (Rosenkrantz, Stearns, Lewis, SIAM J. Comput. 6, 1977), then 2-opt:
a part of the way is turned round while that makes the whole shorter (Croes, Operations Research 6, 1958).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Mean radius of the earth. Source: IUGG, Geodetic Reference System 1980.
EARTH_KM = 6371.0088
#: Rounds of 2-opt at most: 200 stops took 4 to 8.
_MOST_ROUNDS = 20
#: Shorter by less than a millimetre is not shorter.
_SHORTER_KM = 1e-6

#: Latitude and longitude in degrees, WGS 84.
Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Way:
    """
    The order of some places. order: their numbers. legs_km: the great circle that leads to each, 0 to the first where
    the way begins there. back_km: from the last back to the start, 0 where there is none. The sum is `length_km`.
    """

    order: Sequence[int]
    legs_km: Sequence[float]
    back_km: float

    @property
    def length_km(self) -> float:
        return sum(self.legs_km) + self.back_km


def distance_km(one: Place, other: Place) -> float:
    """Return the great-circle distance of two places. Source: the haversine formula."""
    (lat, lon), (lat2, lon2) = (tuple(map(math.radians, place)) for place in (one, other))
    half = math.sin((lat2 - lat) / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(half, 1.0)))


def way_through(places: Sequence[Place], start: Place | None = None) -> Way:
    """Return a short way through all places: from a start and back to it, or from the first place to any other."""
    every = ([start] if start else []) + list(places)
    if not every:
        return Way((), (), 0.0)
    apart = [[distance_km(one, other) for other in every] for one in every]
    # A way back is a last stop that stays where it is.
    way = _shortened(_nearest_first(apart) + ([0] if start else []), apart, is_closed=start is not None)
    legs = [apart[before][after] for before, after in pairwise(way)]
    if start:
        return Way([number - 1 for number in way[1:-1]], legs[:-1], legs[-1])
    return Way(way, [0.0, *legs], 0.0)


def _nearest_first(apart: Sequence[Sequence[float]]) -> list[int]:
    way, left = [0], set(range(1, len(apart)))
    while left:
        row = apart[way[-1]]
        nearest = min(left, key=lambda number: (row[number], number))
        way.append(nearest)
        left.remove(nearest)
    return way


def _shortened(way: list[int], apart: Sequence[Sequence[float]], *, is_closed: bool) -> list[int]:
    """Return the way with parts of it turned round; its first stop stays, and its last where it is closed."""
    end = len(way) - is_closed
    for _ in range(_MOST_ROUNDS):
        is_shorter = False
        for first in range(1, end - 1):
            before = apart[way[first - 1]]
            for last in range(first + 1, end):
                gain = before[way[first]] - before[way[last]]
                if last + 1 < len(way):
                    behind = apart[way[last + 1]]
                    gain += behind[way[last]] - behind[way[first]]
                if gain > _SHORTER_KM:
                    way[first : last + 1] = way[first : last + 1][::-1]
                    is_shorter = True
        if not is_shorter:
            break
    return way
