"""The fleet over time: one row for each hour, and what a chart of a day to a year draws of these."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reports.insight.status import Status
from reports.report import iso

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
#: Streams of which an hour keeps the numbers: the commonest.
STREAMS = 6


@dataclass(frozen=True, slots=True)
class FleetHour:
    """
    What is kept of the fleet for one hour of the clock, UTC.

    counted_at: when its cans were counted, at about the hour's end; None where nobody counted them: then by_status and
    by_stream are empty. by_status: cans. by_stream: of the commonest streams, cans and full cans. exact: whether each
    can was read. reports: those stored in the hour that were their can's newest; emptied: emptyings that a report of
    the hour confirmed; each None where no worker told it. from_history: it was made later, from the stored reports.
    """

    begins_at: datetime
    counted_at: datetime | None = None
    by_status: Mapping[str, int] = field(default_factory=dict)
    by_stream: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    exact: bool = True
    reports: int | None = None
    emptied: int | None = None
    from_history: bool = False

    def packed(self) -> str:
        """Return it as JSON without `begins_at`, which is its key: about 250 characters."""
        told = {
            "at": iso(self.counted_at) if self.counted_at else None,
            "status": {name: cans for name, cans in self.by_status.items() if cans},
            "stream": self.by_stream,
            "exact": self.exact,
            "reports": self.reports,
            "emptied": self.emptied,
            "history": self.from_history,
        }
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def unpacked(cls, begins_at: datetime, text: str) -> FleetHour:
        """Return what `packed` packed. Raises KeyError, TypeError, ValueError for anything else."""
        read: dict[str, Any] = json.loads(text)
        return cls(
            begins_at,
            datetime.fromisoformat(read["at"]) if read["at"] else None,
            {str(Status(name)): int(cans) for name, cans in read["status"].items()},
            {name: (int(cans), int(full)) for name, (cans, full) in read["stream"].items()},
            bool(read["exact"]),
            read["reports"],
            read["emptied"],
            bool(read["history"]),
        )


@dataclass(frozen=True, slots=True)
class Point:
    """
    The fleet in one hour or day, UTC, that begins at `at`.

    hours: in how many of its hours the cans were counted. cans, full, silent: their mean over these, in tenths; None
    where there is none. by_stream: percent of the cans that are full. reports, emptied: their sums over the hours of
    which they are known. overflow_h: for how many hours cans were full, all added up: each counts for the hour at whose
    end it was full. expected: of how many hours they are sums; from_history: some hours were made from the history.
    """

    at: datetime
    expected: int
    hours: int = 0
    cans: float | None = None
    full: float | None = None
    silent: float | None = None
    by_stream: Mapping[str, float] = field(default_factory=dict)
    reports: int | None = None
    emptied: int | None = None
    overflow_h: int | None = None
    exact: bool = True
    from_history: bool = False

    @property
    def full_percent(self) -> float | None:
        return _share(self.full, self.cans)

    @property
    def silent_percent(self) -> float | None:
        return _share(self.silent, self.cans)

    @property
    def is_missing(self) -> bool:
        """Whether nothing at all is known of it."""
        return not self.hours and self.reports is None and self.emptied is None


def points(hours: Iterable[FleetHour], *, since: datetime, until: datetime, step: timedelta) -> list[Point]:
    """
    Return a point for each hour or day from `since`, where one begins, and before `until`, oldest first.

    step: HOUR or DAY. One of which nothing is known is a point all the same, that says so.
    """
    by_step: dict[datetime, list[FleetHour]] = {}
    for hour in hours:
        by_step.setdefault(begin_of(hour.begins_at, step), []).append(hour)
    found, at = [], begin_of(since, step)
    while at < until:
        found.append(_point(at, by_step.get(at, ()), min(step, until - at) // HOUR or 1))
        at += step
    return found


def begin_of(at: datetime, step: timedelta) -> datetime:
    """Return when the hour or day of UTC that an instant is in begins."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if step == DAY else midnight + HOUR * (at.astimezone(UTC).hour)


def _point(at: datetime, hours: Sequence[FleetHour], expected: int) -> Point:
    counted = [hour for hour in hours if hour.counted_at]
    reports = [hour.reports for hour in hours if hour.reports is not None]
    emptied = [hour.emptied for hour in hours if hour.emptied is not None]
    full, streams = [hour.by_status.get(Status.FULL, 0) for hour in counted], Counter[str]()
    full_streams = Counter[str]()
    for hour in counted:
        for name, (cans, full_cans) in hour.by_stream.items():
            streams[name] += cans
            full_streams[name] += full_cans
    return Point(
        at,
        expected,
        len(counted),
        _mean([sum(hour.by_status.values()) for hour in counted]),
        _mean(full),
        _mean([hour.by_status.get(Status.SILENT, 0) for hour in counted]),
        {name: round(100 * full_streams[name] / cans, 1) for name, cans in streams.most_common() if cans},
        sum(reports) if reports else None,
        sum(emptied) if emptied else None,
        sum(full) if counted else None,
        all(hour.exact for hour in counted),
        any(hour.from_history for hour in hours),
    )


def _mean(numbers: Sequence[int]) -> float | None:
    return round(sum(numbers) / len(numbers), 1) if numbers else None


def _share(part: float | None, whole: float | None) -> float | None:
    return round(100 * part / whole, 1) if part is not None and whole else None
