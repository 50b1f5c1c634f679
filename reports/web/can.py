"""One can: its newest report, its history, and its chart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.insight.fold import LastKnown, last_known
from reports.insight.fold import Row as StoredRow
from reports.insight.forecast import Forecast
from reports.insight.hours import by_day
from reports.insight.standing import expected, standing
from reports.insight.thinning import thin
from reports.models import Can, Facts, facts_of_one
from reports.report import Report, percent
from reports.web import cursors, database, examples, queries, schemas
from reports.web.answers import CanRow, ChartPoints, Listing, NeverCanRow, PastRow, can_links
from reports.web.known_can import check_id, check_known, known_facts
from reports.web.problems import InvalidQuery, answered
from reports.web.rendering import FiwareRenderer, JSONRenderer, Page, PageRenderer, SenMLRenderer
from reports.web.sensor_values import ShownSensor, mountings_in, shown_in
from reports.web.view import REFUSALS, UNKNOWN, ApiView, page_address, page_parameters, query_of, root_address

_CONDITIONS = frozenset({"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"})
#: Reports in the table of a can's page.
RECENT = 25
_HEADERS = {"Cache-Control": "private, no-cache"}


@dataclass(frozen=True)
class CanPage(Page):
    """
    A can's page: its newest report, details, the newest reports as a table, and the address of its chart.

    facts, sensors: say nothing where the answer has no facts, since the database did not answer. known: each attribute
    as the can sent it last; none where another service wrote the row. sensors: those that are mounted in the can, each
    with this mounting and what it told last. forecast_is_over: whether the instant of the forecast has passed, and no
    report has come since.
    """

    template: ClassVar[str] = "reports/can.html"

    forecast_is_over: bool
    facts: Can | None
    known: Sequence[LastKnown]
    sensors: Sequence[ShownSensor]
    recent: Sequence[Report]
    has_more: bool
    range: str
    ranges: Sequence[str]
    chart_address: str
    emptyings_address: str


@dataclass(frozen=True)
class NeverPage(Page):
    """What is known of a can that never reported."""

    template: ClassVar[str] = "reports/never_reported.html"


@dataclass(frozen=True)
class HistoryPage(Page):
    """A page of a can's history; wrong: what was asked for breaks a rule (InvalidQuery.beside)."""

    template: ClassVar[str] = "reports/history.html"

    can_id: str
    wrong: Mapping[str, str] = field(default_factory=dict)


class CanView(ApiView):
    """One can: its newest report, the history of its level, and its details."""

    takes_reports = True
    renderer_classes = (JSONRenderer, PageRenderer, FiwareRenderer, SenMLRenderer)

    @extend_schema(
        operation_id="can",
        responses={
            (200, "application/json"): schemas.CanAnswer,
            (200, FiwareRenderer.media_type): OpenApiTypes.OBJECT,
            (200, SenMLRenderer.media_type): OpenApiTypes.ANY,
            **UNKNOWN,
            **REFUSALS,
        },
        examples=[examples.CAN, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response | HttpResponseBase:
        """
        The newest report of one can, and its facts.

        `level` is null where facts are known and no report is stored; 404 where neither is.
        Where the database of facts does not answer, `facts` is left out, and `unavailable` names it.
        """
        range_ = queries.chart_range(query_of(request))
        check_id(can_id)
        stored, now = store.latest_row(can_id), timezone.now()
        if stored is None:
            return self._never(request, can_id)
        if self.is_page:
            # A page holds more than the report, and is never the same twice.
            return Response(_page(request, stored, range_, now), headers=_HEADERS)
        facts, has_facts = database.ask(lambda: facts_of_one(can_id))
        row = _row(request, stored, facts, has_facts, now)
        return unless_known(request, row)

    def _never(self, request: Request, can_id: str) -> Response:
        """Return what is known of a can without a report. Raises UnknownCan where that is nothing."""
        row = NeverCanRow(can_id, root_address(request), known_facts(can_id))
        return Response(NeverPage(row) if self.is_page else row, headers=_HEADERS)


def _row(request: Request, stored: StoredRow, facts: Facts | None, has_facts: bool, now: datetime) -> CanRow:
    stands = standing(stored, now)
    told = expected(stored, stands.status)
    return CanRow(stored.report, root_address(request), stands, facts, has_facts, forecast=told)


def _page(request: Request, stored: StoredRow, range_: str, now: datetime) -> CanPage:
    can_id = stored.report.can_id
    found, has_facts = database.ask(lambda: (Can.objects.filter(can_id=can_id).first(), mountings_in(can_id)))
    can, mountings = found or (None, [])
    recent = store.history(can_id, newest_first=True, size=RECENT, now=now)
    row = _row(request, stored, can.facts if can else None, has_facts, now)
    return CanPage(
        row,
        forecast_is_over=isinstance(row.forecast, Forecast) and row.forecast.full_at <= now.timestamp(),
        facts=can,
        known=_known(stored),
        sensors=shown_in(mountings),
        recent=recent.items,
        has_more=recent.next is not None,
        range=range_,
        ranges=tuple(queries.RANGES),
        chart_address=f"{reverse('chart', args=[can_id])}?range={range_}",
        emptyings_address=f"{reverse('emptyings', args=[can_id])}?page_size={cursors.MAX_SIZE}",
    )


def _known(stored: StoredRow) -> Sequence[LastKnown]:
    try:
        return last_known(stored)
    except (ValueError, RecursionError):
        # Another service wrote attributes that are no JSON: they are shown as they are.
        return ()


class ChartView(ApiView):
    """The history of one can's level, in as many points as a chart can show."""

    #: Reports read for one chart.
    MAX_REPORTS = 20_000
    MAX_POINTS = 1_000

    @extend_schema(
        operation_id="chart",
        parameters=[OpenApiParameter("range", str, enum=[*queries.RANGES], description="Default: 24h.")],
        responses={200: schemas.ChartAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.CHART, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response:
        """
        The history of one can's level as points: one a report for up to a week, else one an hour or a day.

        Where `complete` is false, the same request brings more a moment later.
        """
        check_id(can_id)
        range_, now = queries.chart_range(request.query_params), timezone.now()
        length = queries.RANGES[range_]
        since = now - length if length else None
        if range_ in queries.RANGES_BY_REPORT:
            chart = self._by_report(can_id, range_, since, now)
        else:
            chart = self._by_hour(can_id, range_, since, now)
        if not chart.points:
            check_known(can_id)
        # Beside it the page tells the newest report, so no earlier answer may be drawn.
        return Response(chart, headers=_HEADERS)

    def _by_report(self, can_id: str, range_: str, since: datetime | None, now: datetime) -> ChartPoints:
        reports, is_complete = store.past_levels(can_id, since=since, size=self.MAX_REPORTS, now=now)
        points = [
            (report.measured_at.timestamp(), float(round(level, 2)))
            for report in reversed(reports)
            if report.measured_at and (level := percent(report.level)) is not None
        ]
        thinned = thin(points, self.MAX_POINTS)
        return ChartPoints(can_id, range_, since, now, thinned, count=len(points), complete=is_complete)

    def _by_hour(self, can_id: str, range_: str, since: datetime | None, now: datetime) -> ChartPoints:
        summary = store.hourly_history(can_id, since=since, now=now)
        # The store sums up whole days, the range begins at any hour.
        hours = [hour for hour in summary.hours if since is None or hour.start + timedelta(hours=1) > since]
        periods = hours if len(hours) <= self.MAX_POINTS else by_day(hours)
        return ChartPoints(
            can_id,
            range_,
            since,
            now,
            [(period.start.timestamp(), float(period.last)) for period in periods],
            low=[float(period.low) for period in periods],
            high=[float(period.high) for period in periods],
            count=sum(period.count for period in periods),
            complete=summary.complete,
        )


class HistoryView(ApiView):
    """The reports of one can over time."""

    @extend_schema(
        operation_id="history",
        parameters=[
            OpenApiParameter("since", datetime, description="Measured at this instant or later."),
            OpenApiParameter("until", datetime, description="Measured before this instant."),
            OpenApiParameter("order", str, enum=["newest", "oldest"], description="Default: newest."),
            *page_parameters(cursors.MAX_SIZE),
        ],
        responses={200: schemas.HistoryAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.HISTORY, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response:
        """All reports of one can, newest or oldest first."""
        try:
            query = queries.history_query(request.query_params, can_id)
        except InvalidQuery as error:
            problem = answered(error)
            if not self.is_page or problem is None:
                raise
            page = HistoryPage(problem.data, can_id=can_id, wrong=error.beside(("since", "until", "order")))
            return Response(page, status=problem.status_code)
        check_id(can_id)
        history = store.history(
            can_id,
            since=query.since,
            until=query.until,
            newest_first=query.newest_first,
            after=query.after,
            size=query.size,
            now=timezone.now(),
        )
        if not history.items and query.after is None:
            check_known(can_id)
        root = root_address(request)
        links = can_links(root, can_id)
        after = history.next and cursors.seal(history.next, query.scope)
        listing = Listing(
            rows=[PastRow(report) for report in history.items],
            next=page_address(request, links["history"], after),
            previous=None,
            about={
                "can_id": can_id,
                "order": "newest" if query.newest_first else "oldest",
                "page_size": query.size,
            },
            links={"self": links["history"], "can": links["self"]},
        )
        return Response(HistoryPage(listing, can_id=can_id) if self.is_page else listing)


def unless_known(request: Request, row: CanRow) -> HttpResponseBase:
    """
    Return a can's answer with its ETag, a digest of its bytes, and Last-Modified; or 304 to a client that holds it.

    It is written here, not by the framework, which would take it through one object more.
    """
    form, at = request.accepted_renderer, row.report.received_at
    assert isinstance(form, JSONRenderer)
    body = form.render(row)
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    response = HttpResponse(body, content_type=form.media_type, headers={**_HEADERS, "ETag": etag})
    if at:
        response["Last-Modified"] = http_date(at.timestamp())
    if _CONDITIONS.isdisjoint(request.META):
        # Django would parse two empty lists of tags.
        return response
    not_modified = get_conditional_response(
        request._request, etag=etag, last_modified=int(at.timestamp()) if at else None, response=response
    )
    return not_modified if not_modified is not None else response
