"""A can's reports by the hour, and by the day: the lowest, highest and last level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from reports.report import Report, percent


@dataclass(frozen=True, slots=True)
class LevelSummary:
    """The levels reported in the hour or day that begins at `start`, in percent, the digits as sent."""

    start: datetime
    low: str
    high: str
    last: str
    count: int


def by_hour(reports: Iterable[Report]) -> list[LevelSummary]:
    """Summarise reports, oldest first, by the hour of the clock (UTC); those without measured_at are left out."""
    timed = [(report.measured_at, report.level) for report in reports if report.measured_at]
    summaries = []
    for start, group in groupby(timed, key=lambda pair: pair[0].replace(minute=0, second=0, microsecond=0)):
        levels = [level for _, level in group if percent(level) is not None]
        if levels:
            low, high = min(levels, key=_number), max(levels, key=_number)
            summaries.append(LevelSummary(start, low, high, levels[-1], len(levels)))
    return summaries


def by_day(hours: Sequence[LevelSummary]) -> list[LevelSummary]:
    """Summarise hours, oldest first, by the day (UTC)."""
    days = []
    for start, group in groupby(hours, key=lambda hour: hour.start.replace(hour=0)):
        parts = list(group)
        days.append(
            LevelSummary(
                start,
                min((part.low for part in parts), key=_number),
                max((part.high for part in parts), key=_number),
                parts[-1].last,
                sum(part.count for part in parts),
            )
        )
    return days


def _number(level: str) -> Decimal:
    return percent(level) or Decimal(0)
