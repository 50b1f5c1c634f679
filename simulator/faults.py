"""
What is wrong with a few cans of a demonstration, so that every page has something true to show.

Which can has which fault, and when, follows from its number and the day: so a run that is resumed goes on with it.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto

from reports.report import EPOCH
from simulator.town import Can

#: In a demonstration every so many cans have been there for long; the others were added lately.
OLD_EACH = 20


class Fault(Enum):
    """What is wrong with a can's sensor."""

    #: It reports nothing for three days in six.
    SILENT = auto()
    #: Its level stands still for twelve days in fourteen.
    STUCK = auto()
    #: Half of its levels are full or empty by chance.
    JUMPING = auto()
    #: Somebody tilts the can, four days in six.
    TILTED = auto()
    #: One in twelve of its reports has no level, but the word "error".
    POISON = auto()


#: By number of the can within each hundred. A level stands still for a week before that shows: the can is an old one.
_FAULTS = {
    3: Fault.SILENT, 58: Fault.SILENT, 40: Fault.STUCK, 27: Fault.JUMPING, 12: Fault.TILTED, 71: Fault.TILTED,
    16: Fault.POISON,
}  # fmt: skip
POISONED = 1 / 12
_DAYS = {Fault.SILENT: (3, 6), Fault.STUCK: (12, 14), Fault.TILTED: (4, 6)}


def fault_of(can: Can, at: datetime) -> Fault | None:
    """Return what is wrong with a can at an instant."""
    fault = _FAULTS.get(can.number % 100)
    if fault is None or fault not in _DAYS:
        return fault
    days, of = _DAYS[fault]
    return fault if _day_of_turn(can, at, of) < days else None


def stuck_day(can: Can, at: datetime) -> int:
    """Return how many days ago a level that stands still at an instant has begun to."""
    return _day_of_turn(can, at, _DAYS[Fault.STUCK][1])


def is_old(can: Can) -> bool:
    """Say whether a can has been there for long."""
    return can.number % OLD_EACH == 0


def _day_of_turn(can: Can, at: datetime, of: int) -> int:
    # Each can's turn begins on a day of its own.
    return ((at - EPOCH).days + can.number // 100 * 2 + can.number) % of
