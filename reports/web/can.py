"""One can: its newest report, its history, and its chart."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.insight.hours import by_day
from reports.insight.status import is_old, status
from reports.insight.thinning import thin
from reports.models import Can
from reports.report import MAX_CAN_ID, Report, percent
from reports.web import cursors, examples, queries, schemas
from reports.web.answers import Course, Listing, PastRow, Row, can_links
from reports.web.problems import UnknownCan
from reports.web.rendering import PageRenderer
from reports.web.view import REFUSALS, UNKNOWN, ApiView, page_address, page_parameters, root_address


class CanView(ApiView):
    """One can: its newest report, how it went, and what is known of it."""

    page = "reports/can.html"
    takes_reports = True

    @extend_schema(
        operation_id="can",
        responses={200: schemas.CanAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.CAN, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response | HttpResponseBase:
        """The newest report of one can."""
        queries.known(request.query_params, {"range"})
        report, now = latest(can_id), timezone.now()
        found = status(report.level, report.measured_at, now)
        row = Row(report, root_address(request), found, is_old(report.measured_at, now))
        response = Response(row, headers={"Cache-Control": "private, no-cache"})
        if isinstance(request.accepted_renderer, PageRenderer):
            # A page holds more than the report, and is never the same twice.
            return response
        return unless_known(request, row, response)

    def page_context(self, data: Row) -> dict[str, Any]:
        report, now = data.report, timezone.now()
        span = queries.span(self.request.query_params)
        recent = store.history(report.can_id, newest_first=True, size=25, now=now)
        return {
            "facts": Can.objects.filter(can_id=report.can_id).first(),
            "recent": recent.items,
            "more": recent.next is not None,
            "span": span,
            "spans": tuple(queries.SPANS),
            "chart_address": f"{reverse('chart', args=[report.can_id])}?range={span}",
        }


class ChartView(ApiView):
    """How one can's level went, thinned to what a chart can show."""

    #: Reports read for one chart: two pages of a megabyte, and then some.
    most = 20_000
    points = 1_000

    @extend_schema(
        operation_id="chart",
        parameters=[OpenApiParameter("range", str, enum=[*queries.SPANS], description="Default: 24h.")],
        responses={200: schemas.CourseAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.CHART, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response:
        """
        The course of one can's level: report by report up to a week, then by the hour or day.

        Where it is not complete yet, asking again brings more.
        """
        queries.known(request.query_params, {"range"})
        check_id(can_id)
        name, now = queries.span(request.query_params), timezone.now()
        reach = queries.SPANS[name]
        since = now - reach if reach else None
        if name in queries.RAW_SPANS:
            course = self._by_report(can_id, name, since, now)
        else:
            course = self._by_hour(can_id, name, since, now)
        if not course.points:
            latest(can_id)
        return Response(course, headers={"Cache-Control": "private, max-age=10"})

    def _by_report(self, can_id: str, name: str, since: datetime | None, now: datetime) -> Course:
        found = store.history(can_id, since=since, newest_first=True, size=self.most, now=now)
        points = [
            (report.measured_at.timestamp(), float(round(level, 2)))
            for report in reversed(found.items)
            if report.measured_at and (level := percent(report.level)) is not None
        ]
        whole = found.next is None
        return Course(can_id, name, since, now, thin(points, self.points), count=len(points), complete=whole)

    def _by_hour(self, can_id: str, name: str, since: datetime | None, now: datetime) -> Course:
        found = store.hourly_history(can_id, since=since, now=now)
        # The store goes by whole days, the range by the hour.
        hours = [hour for hour in found.hours if since is None or hour.start + timedelta(hours=1) > since]
        spans = hours if len(hours) <= self.points else by_day(hours)
        return Course(
            can_id,
            name,
            since,
            now,
            [(span.start.timestamp(), float(span.last)) for span in spans],
            low=[float(span.low) for span in spans],
            high=[float(span.high) for span in spans],
            count=sum(span.count for span in spans),
            complete=found.complete,
        )


class HistoryView(ApiView):
    """The reports of one can over time."""

    page = "reports/history.html"

    @extend_schema(
        operation_id="history",
        parameters=[
            OpenApiParameter("since", datetime, description="From this instant on."),
            OpenApiParameter("until", datetime, description="Before this instant."),
            OpenApiParameter("order", str, enum=["newest", "oldest"], description="Default: newest."),
            *page_parameters(cursors.MAX_SIZE),
        ],
        responses={200: schemas.HistoryAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.HISTORY, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response:
        """What one can reported, newest first, or oldest."""
        query = queries.history_query(request.query_params, can_id)
        check_id(can_id)
        found = store.history(
            can_id,
            since=query.since,
            until=query.until,
            newest_first=query.newest_first,
            after=query.after,
            size=query.size,
            now=timezone.now(),
        )
        if not found.items and query.after is None:
            latest(can_id)
        root = root_address(request)
        links = can_links(root, can_id)
        after = found.next and cursors.seal(found.next, query.scope)
        return Response(
            Listing(
                rows=[PastRow(report) for report in found.items],
                next=page_address(request, links["history"], after),
                previous=None,
                about={
                    "can_id": can_id,
                    "order": "newest" if query.newest_first else "oldest",
                    "page_size": query.size,
                },
                links={"self": links["history"], "can": links["self"]},
            )
        )

    def page_context(self, data: Listing) -> dict[str, Any]:
        return {}


def latest(can_id: str) -> Report:
    """Return a can's newest report. Raises UnknownCan where there is none."""
    check_id(can_id)
    report = store.latest(can_id)
    if report is None:
        raise UnknownCan
    return report


def check_id(can_id: str) -> None:
    """Raise UnknownCan for what can be no can's id: the store need not be asked, and would refuse it."""
    if len(can_id) > MAX_CAN_ID:
        raise UnknownCan


def unless_known(request: Request, row: Row, response: Response) -> Response | HttpResponseBase:
    """Return the answer with its ETag and Last-Modified, or 304 to a client that holds it already."""
    report, at = row.report, row.report.received_at
    said = f"{at}{report.measured_at}{report.level}{report.attributes}{row.status}{row.root}"
    etag = f'"{hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=12).hexdigest()}"'
    response["ETag"] = etag
    if at:
        response["Last-Modified"] = http_date(at.timestamp())
    found = get_conditional_response(
        request._request, etag=etag, last_modified=int(at.timestamp()) if at else None, response=response
    )
    return found if found is not None else response
