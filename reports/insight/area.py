"""A part of the earth: a circle or a box."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reports.insight.stops import EARTH_KM, Place, distance_km


@dataclass(frozen=True, slots=True)
class Area:
    """
    A box in degrees, and where `centre` is given the circle within it. west > east: it crosses the 180th meridian.
    """

    south: float
    west: float
    north: float
    east: float
    centre: Place | None = None
    radius_km: float = 0.0

    def holds(self, place: Place) -> bool:
        """Say whether a place lies in it."""
        lat, lon = place
        is_between = self.west <= lon <= self.east if self.west <= self.east else lon >= self.west or lon <= self.east
        is_in_box = is_between and self.south <= lat <= self.north
        return is_in_box and (self.centre is None or distance_km(self.centre, place) <= self.radius_km)


def area_of(numbers: list[float]) -> Area:
    """
    Return a circle (latitude, longitude, radius in km) or a box (south, west, north, east), in degrees.

    Raises ValueError, with the rule, for what is neither.
    """
    if len(numbers) == 3:
        lat, lon, radius_km = numbers
        if not (abs(lat) <= 90 and abs(lon) <= 180 and 0 < radius_km <= 1000):
            raise ValueError("must be latitude, longitude and a radius of up to 1,000 km")
        return _circle((lat, lon), radius_km)
    if len(numbers) == 4:
        south, west, north, east = numbers
        if not (-90 <= south <= north <= 90 and abs(west) <= 180 and abs(east) <= 180):
            raise ValueError("must be south, west, north and east in degrees")
        return Area(south, west, north, east)
    raise ValueError("must be latitude,longitude,km or south,west,north,east or words of names and addresses")


def _circle(centre: Place, radius_km: float) -> Area:
    lat, lon = centre
    high = math.degrees(radius_km / EARTH_KM)
    south, north = max(lat - high, -90.0), min(lat + high, 90.0)
    if south == -90 or north == 90:
        return Area(south, -180.0, north, 180.0, centre, radius_km)
    # The circle is widest where a meridian touches it.
    wide = math.degrees(math.asin(math.sin(math.radians(high)) / math.cos(math.radians(lat))))
    return Area(south, _turned(lon - wide), north, _turned(lon + wide), centre, radius_km)


def _turned(lon: float) -> float:
    return (lon + 180) % 360 - 180
