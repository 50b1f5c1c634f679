"""The fleet over time: charts of a day to a year, and the last day on the map."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.insight.over_time import DAY, HOUR, Point, begin_of, points
from reports.insight.replay import HOURS, NAMES, Frame, replay
from reports.web import examples, over_time_schemas, queries
from reports.web.answers import instant
from reports.web.csv_files import csv_file
from reports.web.rendering import CSVRenderer, JSONRenderer, Page, PageRenderer
from reports.web.view import REFUSALS, ApiView

#: How long a process answers with what it has read: a year is 8,760 rows, and changes once an hour.
HELD_S = 60.0
COLUMNS = (
    "at", "expected", "hours", "cans", "full", "full_percent", "silent", "silent_percent", "reports", "emptied",
    "overflow_h", "exact", "from_history",
)  # fmt: skip
_HEADERS = {"Cache-Control": "private, max-age=60"}


@dataclass(frozen=True, slots=True)
class Range:
    """How far back a chart of the fleet reaches, and what one of its points stands for."""

    length: timedelta
    step: timedelta

    def since(self, until: datetime) -> datetime:
        """Return where its first hour begins, or its first day; until: where its last hour ends."""
        return begin_of(until - self.length, self.step) + (self.step if self.step == DAY else timedelta(0))


RANGES: Mapping[str, Range] = {
    "24h": Range(DAY, HOUR),
    "7d": Range(7 * DAY, HOUR),
    "30d": Range(30 * DAY, DAY),
    "1y": Range(365 * DAY, DAY),
}


@dataclass(frozen=True)
class OverTimePage(Page):
    """The fleet over time as a page. points: the newest first, as its table lists them."""

    template: ClassVar[str] = "reports/over_time.html"

    points: Sequence[Point]
    missing: int
    is_daily: bool
    range: str
    ranges: Sequence[str]
    csv_address: str


class OverTimeView(ApiView):
    """The fleet over time."""

    renderer_classes = (JSONRenderer, PageRenderer, CSVRenderer)

    @extend_schema(
        operation_id="over_time",
        parameters=[OpenApiParameter("range", str, enum=[*RANGES], description="Default: 7d.")],
        responses={
            (200, "application/json"): over_time_schemas.OverTimeAnswer,
            (200, "text/csv"): str,
            **REFUSALS,
        },
        examples=[examples.OVER_TIME],
        tags=["reports"],
    )
    def get(self, request: Request) -> Response | HttpResponseBase:
        """
        How full the fleet was, how many cans were silent, what came and what was emptied: by hours, or days of UTC.

        A point for 24h and 7d is an hour, for 30d and 1y a day. What nobody counted is null, not 0.
        """
        name = queries.named_range(request.query_params, RANGES, default="7d")
        found = _points(name, begin_of(timezone.now(), HOUR))
        if isinstance(request.accepted_renderer, CSVRenderer):
            return _csv(found)
        chosen = RANGES[name]
        missing = sum(point.expected - point.hours for point in found)
        answer = {
            "range": name,
            "step_s": int(chosen.step.total_seconds()),
            "missing_hours": missing,
            "points": [_json(point) for point in found],
        }
        if not self.is_page:
            return Response(answer, headers=_HEADERS)
        page = OverTimePage(
            answer,
            points=found[::-1],
            missing=missing,
            is_daily=chosen.step == DAY,
            range=name,
            ranges=tuple(RANGES),
            csv_address=f"{request.path}?range={name}&format=csv",
        )
        return Response(page, headers=_HEADERS)


class ReplayView(ApiView):
    """The last day on the map."""

    renderer_classes = (JSONRenderer, PageRenderer)

    @extend_schema(
        operation_id="replay",
        responses={200: over_time_schemas.ReplayAnswer, **REFUSALS},
        examples=[examples.REPLAY],
        tags=["reports"],
    )
    def get(self, request: Request) -> Response:
        """
        Which status the cans on the map had at the end of each of the last 24 hours.

        A frame holds a digit for each can of `cans`, its place in `statuses`, or - where it was not there. Of more
        than 2,000 cans it holds cells instead: latitude, longitude, cans, and how many of them are full.
        """
        queries.known(request.query_params, set())
        until = begin_of(timezone.now(), HOUR)
        since = until - HOUR * HOURS
        frames = {}
        for body, _ in store.snapshots(NAMES).values():
            # What another version of this program wrote is left out.
            with suppress(TypeError, ValueError, EOFError, OSError):
                frame = Frame.unpacked(body)
                frames[frame.begins_at] = frame
        return Response(replay(frames, since), headers=_HEADERS)


# -- what this process has read lately -------------------------------------------------------------------------------

_held: dict[str, tuple[float, datetime, Sequence[Point]]] = {}


def _points(name: str, until: datetime) -> Sequence[Point]:
    """Return the points of a range that ends there. Raises StoreUnavailable."""
    read_s, last, held = _held.get(name, (0.0, None, ()))
    if last == until and time.monotonic() - read_s < HELD_S:
        return held
    chosen = RANGES[name]
    since = chosen.since(until)
    found = points(store.fleet_hours(since, until), since=since, until=until, step=chosen.step)
    _held[name] = time.monotonic(), until, found
    return found


def forget() -> None:
    """Forget what was read: the store itself has changed, as between tests."""
    _held.clear()


# -- as JSON and as CSV ----------------------------------------------------------------------------------------------


def _json(point: Point) -> dict[str, Any]:
    return {
        "at": instant(point.at),
        "expected": point.expected,
        "hours": point.hours,
        "cans": point.cans,
        "full": point.full,
        "full_percent": point.full_percent,
        "silent": point.silent,
        "silent_percent": point.silent_percent,
        "full_percent_by_stream": point.by_stream,
        "reports": point.reports,
        "emptied": point.emptied,
        "overflow_h": point.overflow_h,
        "exact": point.exact,
        "from_history": point.from_history,
    }


def _csv(found: Sequence[Point]) -> HttpResponse:
    """Answer with all points, an empty cell where something is not known; then a column for each stream."""
    streams = sorted({name for point in found for name in point.by_stream})
    rows = []
    for point in found:
        told = _json(point)
        cells = [*(told[name] for name in COLUMNS), *(point.by_stream.get(name) for name in streams)]
        rows.append([_cell(each) for each in cells])
    columns = [*COLUMNS, *(f"full_percent {name or 'unknown'}" for name in streams)]
    return csv_file("over-time.csv", columns, rows, headers=_HEADERS)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
