"""Hours of the fleet made from the reports that are stored: what was counted then is counted again, can by can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reports.insight.alarms import told, told_by
from reports.insight.cycles import Stage
from reports.insight.fleet_map import Place, Points
from reports.insight.fold import reading_in
from reports.insight.over_time import HOUR, STREAMS, FleetHour
from reports.insight.replay import Frame
from reports.insight.state import CanState, Rules, advance
from reports.insight.status import Outlook, Status, is_out_of_service
from reports.insight.verdict import outlook
from reports.report import Report

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PastCan:
    """
    What is known of a can beside its reports. stream, place: as the fleet's counts take them. retired_at: out of
    service from then on, unless a newer report came.
    """

    can_id: str
    stream: str
    rules: Rules
    place: tuple[float, float] | None = None
    retired_at: datetime | None = None


@dataclass(slots=True)
class _Hour:
    by_status: Counter[str] = field(default_factory=Counter)
    streams: Counter[str] = field(default_factory=Counter)
    full_streams: Counter[str] = field(default_factory=Counter)
    reports: int = 0
    emptied: int = 0


class PastHours:
    """
    Counts the fleet at the ends of `count` hours from `since` on: call `add` once a can, then `hours` and `frames`.

    since: where an hour of the clock begins. The last `mapped` hours get a map each. Memory follows the hours alone.
    """

    def __init__(self, since: datetime, count: int, mapped: int) -> None:
        self.since = since
        self._hours = [_Hour() for _ in range(count)]
        self._points = {at: Points() for at in range(max(0, count - mapped), count)}

    def add(self, can: PastCan, reports: Iterable[Report]) -> None:
        """
        Count one can. reports: all that are stored of it, oldest first.

        Its status at an instant is what its row said then, had each report come in time: reports that came late, or
        have expired since, make the difference.
        """
        state: CanState | None = None
        foreseen: tuple[CanState, Outlook] | None = None
        measured_at: datetime | None = None
        attributes, at = "{}", 0
        for report in [*reports, None]:
            # The hours that ended before this report, told by those before it.
            while at < len(self._hours) and (
                report is None or report.measured_at is None or report.measured_at > self._end(at)
            ):
                if state is not None and not (can.retired_at and _is_out(can.retired_at, measured_at, self._end(at))):
                    if foreseen is None or foreseen[0] is not state:
                        alarm = told(measured_at, told_by(attributes)) if measured_at else None
                        foreseen = state, outlook(state, can.rules, alarm)
                    self._count(at, can, foreseen[1].at(self._end(at)), state.level)
                at += 1
            if report is None or at == len(self._hours):
                break
            if report.measured_at is None or (reading := reading_in(report.measured_at, report.level)) is None:
                continue
            is_repeated = state is not None and reading <= (state.at, state.level)
            if not is_repeated:
                state, event = advance(state, reading, can.rules)
                if report.measured_at > self.since:
                    self._hours[at].emptied += event is not None and event.stage is Stage.CONFIRMED
            if report.measured_at > self.since:
                self._hours[at].reports += 1
            measured_at, attributes = report.measured_at, report.attributes

    def hours(self, counted_at: datetime) -> list[FleetHour]:
        """Return the hours, oldest first; counted_at: when they were made."""
        return [
            FleetHour(
                self.since + HOUR * at,
                counted_at,
                dict(hour.by_status),
                {name: (cans, hour.full_streams[name]) for name, cans in hour.streams.most_common(STREAMS)},
                True,
                hour.reports,
                hour.emptied,
                True,
            )
            for at, hour in enumerate(self._hours)
        ]

    def frames(self) -> Sequence[Frame]:
        """Return the maps of the last hours, those that have places."""
        found = []
        for at, points in self._points.items():
            cell, places = points.places()
            if places:
                found.append(Frame(self.since + HOUR * at, cell, places, (self._end(at), self._end(at))))
        return found

    def _end(self, at: int) -> datetime:
        return self.since + HOUR * (at + 1)

    def _count(self, at: int, can: PastCan, status: Status, level: float) -> None:
        hour, is_full = self._hours[at], status is Status.FULL
        hour.by_status[str(status)] += 1
        hour.streams[can.stream] += 1
        hour.full_streams[can.stream] += is_full
        if can.place and at in self._points:
            self._points[at].add(Place(*can.place, int(level), str(status), can.can_id, full=int(is_full)))


def _is_out(retired_at: datetime, measured_at: datetime | None, then: datetime) -> bool:
    return retired_at <= then and is_out_of_service(retired_at, measured_at)
