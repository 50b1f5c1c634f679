"""What a sensor tells that comes before every level: fire, and that it is tilted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from reports.insight.status import Status
from reports.report import attribute_values

#: By the event of a sensor the status that it makes, the most urgent first.
ALARMS = {"fire": Status.FIRE, "tilt": Status.TILT}


@dataclass(frozen=True, slots=True)
class Told:
    """What one measurement told of ALARMS, and when that was: nothing where all is well."""

    at: datetime
    events: tuple[str, ...] = ()

    @property
    def status(self) -> Status | None:
        """The most urgent of them as a status, None where there is none."""
        return ALARMS[self.events[0]] if self.events else None


def told(at: datetime, events: Collection[str]) -> Told:
    """Return what a measurement told of ALARMS, the most urgent first."""
    return Told(at, tuple(event for event in ALARMS if event in events))


def told_by(attributes: str) -> tuple[str, ...]:
    """Return those of ALARMS that a report's attributes tell in `events`, a list of words, the most urgent first."""
    if '"events"' not in attributes:
        return ()
    events = attribute_values(attributes).get("events")
    return tuple(event for event in ALARMS if event in events) if isinstance(events, list) else ()


def later(one: Told | None, other: Told | None) -> Told | None:
    """Return what was told later; of one instant the one with more, so that the order of arrival decides nothing."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda each: (each.at, len(each.events), each.events))
