"""
What the API answers, as values that know their JSON; reports.web.schemas describes them for the OpenAPI schema.

The values stay values until a renderer asks: a page shows the same report that the JSON does, and attributes
are spliced into the answer as the text that was stored, so that no number in them is ever a float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from reports.insight.cycles import Emptied
from reports.insight.forecast import Forecast, NoForecast
from reports.insight.standing import Standing
from reports.insight.status import Status
from reports.models import Facts
from reports.report import Report, iso

#: How a can stands that never reported.
NEVER = Standing(Status.NEVER_REPORTED, "No report of it is stored.", False, None)


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON that is ready: a renderer writes it as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """
    One can in an answer.

    root: the absolute address under which every can has its own. standing: its status and why. facts: None where none
    are known, or where has_facts is False: then the database does not tell. trend: whole percents of the last day, one
    in two hours; none where a can is answered alone.
    """

    report: Report
    root: str
    standing: Standing
    facts: Facts | None = None
    has_facts: bool = True
    trend: Sequence[int | None] = ()

    @property
    def can_id(self) -> str:
        return self.report.can_id

    @property
    def status(self) -> Status:
        return self.standing.status

    @property
    def is_old(self) -> bool:
        return self.standing.is_old

    @property
    def stream(self) -> str:
        return (self.facts.stream if self.facts else "") or self.report.stream or ""

    @property
    def has_trend(self) -> bool:
        return sum(level is not None for level in self.trend) > 1

    @property
    def path(self) -> str:
        return can_path(self.root, self.report.can_id)

    @property
    def links(self) -> dict[str, str]:
        return can_links(self.root, self.report.can_id)

    def json(self) -> dict[str, Any]:
        report = self.report
        return {
            "can_id": report.can_id,
            "level": report.level,
            "measured_at": instant(report.measured_at),
            "received_at": instant(report.received_at),
            "attributes": JsonText(report.attributes),
            "links": self.links,
            "status": self.status,
            "reason": self.standing.reason,
            "suspect": self.standing.suspect,
            **facts_or_not(self.facts, self.has_facts),
        }


@dataclass(frozen=True, slots=True)
class CanRow(Row):
    """One can alone, with what follows from its past. forecast: as told at its newest report."""

    forecast: Forecast | NoForecast = field(kw_only=True)

    def json(self) -> dict[str, Any]:
        standing = self.standing
        forecast = {"threshold": standing.full_from, **_forecast_json(self.forecast)}
        return {
            **Row.json(self),
            "silent_at": instant(standing.silent_at),
            "emptied": standing.emptied and emptied_json(standing.emptied),
            "forecast": forecast,
        }


@dataclass(frozen=True, slots=True)
class NeverRow:
    """A can of which facts are known and no report was ever stored. root: as in Row."""

    can_id: str
    root: str
    facts: Facts
    report: None = None
    trend: Sequence[int | None] = ()
    has_trend: bool = False
    standing: Standing = NEVER

    @property
    def status(self) -> Status:
        return self.standing.status

    @property
    def stream(self) -> str:
        return self.facts.stream

    @property
    def path(self) -> str:
        return can_path(self.root, self.can_id)

    def json(self) -> dict[str, Any]:
        return {
            "can_id": self.can_id,
            "level": None,
            "measured_at": None,
            "received_at": None,
            "attributes": {},
            "links": can_links(self.root, self.can_id),
            "status": self.status,
            "reason": self.standing.reason,
            "suspect": False,
            "facts": self.facts._asdict(),
        }


@dataclass(frozen=True, slots=True)
class NeverCanRow(NeverRow):
    """Such a can alone, of which nothing follows."""

    def json(self) -> dict[str, Any]:
        forecast = {"threshold": self.standing.full_from, **_forecast_json(NoForecast(self.standing.reason))}
        return {**NeverRow.json(self), "silent_at": None, "emptied": None, "forecast": forecast}


@dataclass(frozen=True, slots=True)
class ChartPoints:
    """
    The history of a can's level as its chart draws it: pairs of epoch seconds and percent, oldest first.

    range: its name, as "24h"; since, until: where that range begins and ends, since is None for "all".
    low, high: of the hour or day that each point stands for; empty where each point is a report. count: the
    reports from which the points are made. complete: False where reports older than the first point are left out.
    """

    can_id: str
    range: str
    since: datetime | None
    until: datetime
    points: Sequence[tuple[float, float]]
    count: int
    complete: bool
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    def json(self) -> dict[str, Any]:
        return {
            "can_id": self.can_id,
            "range": self.range,
            "since": instant(self.since),
            "until": instant(self.until),
            "points": self.points,
            "low": self.low,
            "high": self.high,
            "reports": self.count,
            "thinned": len(self.points) < self.count,
            "complete": self.complete,
        }


@dataclass(frozen=True, slots=True)
class PastRow:
    """One report in a can's history, whose links stand once, around the list."""

    report: Report

    def json(self) -> dict[str, Any]:
        report = self.report
        return {
            "level": report.level,
            "measured_at": instant(report.measured_at),
            "received_at": instant(report.received_at),
            "attributes": JsonText(report.attributes),
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of rows, after members that say what they are of; `next` and `previous` are addresses of pages."""

    rows: Sequence[Row | NeverRow] | Sequence[PastRow]
    next: str | None
    previous: str | None
    about: Mapping[str, Any]
    links: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        return {
            **self.about,
            "results": list(self.rows),
            "next": self.next,
            "previous": self.previous,
            "links": self.links,
        }


def facts_or_not(facts: Facts | None, has_facts: bool) -> dict[str, Any]:
    """Return the members of an answer that hold a can's facts, or say that the database does not tell them."""
    return {"facts": facts and facts._asdict()} if has_facts else {"unavailable": ["facts"]}


def emptied_json(event: Emptied) -> dict[str, Any]:
    """Return an emptying as the API writes it."""
    return {
        "at": _second(event.at),
        "before": event.before,
        "after": event.after,
        "stage": event.stage,
        "known_at": _second(event.known_at),
        "by_operator": event.by_operator,
    }


def can_path(root: str, can_id: str) -> str:
    """Return the path of one can's page, as Django's `reverse` does in ten times the time. root: as in Row."""
    return urlsplit(root).path + quote(can_id, safe="")


def can_links(root: str, can_id: str) -> dict[str, str]:
    """Return the addresses of one can under the absolute address of the fleet."""
    address = root + quote(can_id, safe="")
    return {"self": address, "history": address + "/history", "emptyings": address + "/emptyings"}


def instant(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def _forecast_json(told: Forecast | NoForecast) -> dict[str, Any]:
    if isinstance(told, NoForecast):
        nothing = dict.fromkeys(("full_at", "low", "high", "reliability"))
        return {**nothing, "reason": told.reason}
    times = {"full_at": _second(told.full_at), "low": _second(told.low), "high": _second(told.high)}
    return {**times, "reliability": told.reliability, "reason": None}


def _second(at: int) -> str:
    return iso(datetime.fromtimestamp(at, UTC))
