"""What a report tells beside its level, as far as other formats have a place for it."""

from __future__ import annotations

from reports.formats.readings import EVENTS
from reports.report import Report, attribute_values

#: Beyond, no air in a can is as warm.
MOST_CELSIUS = 1_000


def temperature_c(report: Report) -> int | float | None:
    """Return the degrees Celsius among the attributes, where a number stands there."""
    found = attribute_values(report.attributes).get("temperature_c")
    if not isinstance(found, int | float) or isinstance(found, bool):
        return None
    return found if abs(found) <= MOST_CELSIUS else None


def events(report: Report) -> frozenset[str] | None:
    """Return the sensor's events, or None where no sensor said anything of the kind."""
    attributes = attribute_values(report.attributes)
    if "sensor" not in attributes:
        return None
    found = attributes.get("events")
    return frozenset(each for each in found if each in EVENTS) if isinstance(found, list) else frozenset()
