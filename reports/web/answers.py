"""
What the API answers, as values that know their JSON; reports.web.schemas describes them for the OpenAPI schema.

The values stay values until a renderer asks: a page shows the same report that the JSON does, and attributes
are spliced into the answer as the text that was stored, so that no number in them is ever a float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from reports.insight.status import Status
from reports.models import Facts
from reports.report import Report, iso


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON that is ready: a renderer writes it as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """
    One can in an answer.

    root: the absolute address under which every can has its own. is_old: its level is not to be trusted any more.
    facts: None where none are known, or where has_facts is False: then the database does not tell. trend: whole
    percents of the last day, one in two hours; none where a can is answered alone.
    """

    report: Report
    root: str
    status: Status
    is_old: bool = False
    facts: Facts | None = None
    has_facts: bool = True
    trend: Sequence[int | None] = ()

    @property
    def stream(self) -> str:
        return (self.facts.stream if self.facts else "") or self.report.stream or ""

    @property
    def has_trend(self) -> bool:
        return sum(level is not None for level in self.trend) > 1

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
            **facts_or_not(self.facts, self.has_facts),
        }


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

    rows: Sequence[Row] | Sequence[PastRow]
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


def can_links(root: str, can_id: str) -> dict[str, str]:
    """Return the addresses of one can under the absolute address of the fleet."""
    address = root + quote(can_id, safe="")
    return {"self": address, "history": address + "/history"}


def instant(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
