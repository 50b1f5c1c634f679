"""The last day on the map: which status cans had at the end of each hour, small enough to be sent at once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports.insight.fleet_map import Place
from reports.insight.over_time import HOUR
from reports.insight.status import REPORTED
from reports.report import iso

HOURS = 24
#: The names under which frames are kept, one for each hour of a day.
NAMES = tuple(f"map-{hour:02}" for hour in range(HOURS))
#: A can's status in a frame is one digit, its place in this list; `-` where it was not there.
STATUSES = tuple(str(status) for status in REPORTED)
_DIGITS = {status: str(at) for at, status in enumerate(STATUSES)}


@dataclass(frozen=True, slots=True)
class Frame:
    """
    The map of one hour. begins_at: that hour. cell, places: as in reports.insight.fleet_counts.Overview: up to 2,000
    cans, or up to 576 cells of a grid. read_at: when the first and the last of these cans was read.
    """

    begins_at: datetime
    cell: float
    places: Sequence[Place]
    read_at: tuple[datetime, datetime]

    @property
    def name(self) -> str:
        """The name under which it is kept: that of the same hour of the day before, which it replaces."""
        return NAMES[self.begins_at.hour]

    def packed(self, most_bytes: int) -> bytes:
        """Return it as compressed JSON; where it would be too long, without the ids of cans."""
        body = self._packed(with_ids=True)
        return body if len(body) <= most_bytes else self._packed(with_ids=False)

    def _packed(self, *, with_ids: bool) -> bytes:
        places = [
            [each.lat, each.lon, each.level, each.status, each.can_id if with_ids else "", each.count, each.full]
            for each in self.places
        ]
        told = [iso(self.begins_at), self.cell, places, [iso(at) for at in self.read_at]]
        return gzip.compress(json.dumps(told, separators=(",", ":")).encode(), compresslevel=6)

    @classmethod
    def unpacked(cls, body: bytes) -> Frame:
        """Return what `packed` packed. Raises TypeError, ValueError for anything else."""
        begins_at, cell, places, (first, last) = json.loads(gzip.decompress(body))
        read_at = datetime.fromisoformat(first), datetime.fromisoformat(last)
        return cls(datetime.fromisoformat(begins_at), cell, [Place(*place) for place in places], read_at)


def replay(frames: Mapping[datetime, Frame], since: datetime) -> dict[str, Any]:
    """
    Return HOURS hours from `since` on as the API answers them; frames: by where their hours begin, some may be missing.

    Cans stand once, in `cans`; a frame says the status of each by a digit. Cells stand in each frame.
    """
    cans: dict[str, int] = {}
    places: list[tuple[float, float, str]] = []
    hours = [since + HOUR * at for at in range(HOURS)]
    for at in hours:
        frame = frames.get(at)
        for place in frame.places if frame and not frame.cell else ():
            if place.can_id not in cans:
                cans[place.can_id] = len(places)
                places.append((place.lat, place.lon, place.can_id))
    return {
        "statuses": STATUSES,
        "cans": places,
        "frames": [_told(frames.get(at), at, cans) for at in hours],
    }


def _told(frame: Frame | None, at: datetime, cans: Mapping[str, int]) -> dict[str, Any]:
    if frame is None:
        return {"at": iso(at + HOUR), "read_at": None, "cell": None, "digits": "", "cells": []}
    digits, cells = ["-"] * len(cans), []
    for place in frame.places:
        if frame.cell:
            cells.append((place.lat, place.lon, place.count, place.full))
        else:
            digits[cans[place.can_id]] = _DIGITS.get(place.status, "-")
    return {
        "at": iso(at + HOUR),
        "read_at": iso(frame.read_at[0]),
        "cell": frame.cell,
        "digits": "".join(digits) if not frame.cell else "",
        "cells": cells,
    }
