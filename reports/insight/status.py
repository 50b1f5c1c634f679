"""The status of a can, by its newest report alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from reports.report import percent

#: A can is full from this percentage on.
FULL_FROM = Decimal(80)
#: A can whose newest report is older than this is silent, and its level must not be trusted any more.
SILENT_AFTER = timedelta(hours=24)


class Status(StrEnum):
    """What an operator should know about a can first, the most urgent first."""

    FULL = "FULL"
    SILENT = "SILENT"
    OK = "OK"


def status(level: str, measured_at: datetime | None, now: datetime) -> Status:
    """
    Return a can's status at this instant: FULL, else SILENT, else OK.

    level: percent as sent. measured_at: None where another service wrote the level without a time; such a can
    is not called silent.
    """
    number = percent(level)
    if number is not None and number >= FULL_FROM:
        return Status.FULL
    return Status.SILENT if is_old(measured_at, now) else Status.OK


def is_old(measured_at: datetime | None, now: datetime) -> bool:
    """Return whether a level measured then is too old to be trusted now."""
    return measured_at is not None and now - measured_at > SILENT_AFTER
