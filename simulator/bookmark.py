"""Where the last run ended, per fleet, in a small file."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.fleet import Fleet, Place


class Bookmark:
    """
    The place up to which SQS has accepted all measurements of a fleet, which its seed and size identify.

    If the file, or its last second, is lost, some reports are sent twice, and stored once.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name

    @classmethod
    def of(cls, fleet: Fleet, data: Path, *, form: str = "device") -> Bookmark:
        """Return the bookmark of a fleet that sends in this form, among the files of a local stack."""
        if form == "uplinks":
            # In a file of its own: two simulators write at the same time.
            return cls(data / "simulator-uplinks.json", f"seed {fleet.seed}, {fleet.size} cans")
        return cls(data / "simulator.json", f"seed {fleet.seed}, {fleet.size} cans")

    def read(self) -> Place | None:
        """Return the place, or None where no run of this fleet left one that can be read."""
        try:
            ended = self._all()[self._name]
            place = Place(datetime.fromisoformat(ended["measured_at"]), int(ended["can"]))
        except (KeyError, TypeError, ValueError):
            return None
        return place if place.measured_at.tzinfo else None

    def write(self, place: Place) -> None:
        """Write the place atomically: a reader finds the old one or the new one. Raises OSError."""
        ended = {"measured_at": place.measured_at.isoformat(), "can": place.number}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({**self._all(), self._name: ended}, indent=1) + "\n")
        fresh.replace(self.path)

    def _all(self) -> dict[str, Any]:
        try:
            fleets = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return fleets if isinstance(fleets, dict) else {}
