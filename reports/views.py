"""The read side and POST: each view is the whole use case, between the request and the store or the queue."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import HttpResponseBase, StreamingHttpResponse
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports import examples, filters, overview, pagination, queue, store
from reports import serializers as answers
from reports.insight.hours import by_day
from reports.insight.status import Status, is_old, percent, status
from reports.insight.thinning import thin
from reports.listing import FleetListing, csv_of
from reports.models import Can, SavedView
from reports.parsers import MAX_BYTES, ReportFormParser, ReportParser, reports_in
from reports.permissions import MayPost
from reports.problems import MEDIA_TYPE, InvalidReports, TooLarge, UnknownCan
from reports.renderers import CSVRenderer, JSONRenderer, PageRenderer
from reports.serializers import Course, Listing, PastRow, Row, can_links
from reports.wire import MAX_CAN_ID, InvalidReport, Report, parse

#: What every view may refuse with.
REFUSALS = {(code, MEDIA_TYPE): answers.ProblemAnswer for code in (400, 401, 403, 406, 429, 503)}
UNKNOWN = {(404, MEDIA_TYPE): answers.ProblemAnswer}
UNREAD = {(code, MEDIA_TYPE): answers.ProblemAnswer for code in (413, 415)}
PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
_CURSOR = OpenApiParameter("cursor", str, description="From `next`; good for the same filter and page_size alone.")


def _page(most: int) -> list[OpenApiParameter]:
    rows = {"type": "integer", "minimum": 1, "maximum": most}
    return [OpenApiParameter("page_size", rows, description="Rows a page (default: 50)."), _CURSOR]


#: The orders of the fleet, in the words of the page.
ORDERS = {"fullest": "Fullest first", "emptiest": "Emptiest first", "silent": "Longest silent first", "id": "By id"}


class Paced(APIView):
    """What all views of the API share: each answer tells how much of the rate limit is left."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if rate_limit := getattr(request, "rate_limit", None):
            response["RateLimit-Limit"] = rate_limit.limit
            response["RateLimit-Remaining"] = max(0, rate_limit.left)
            response["RateLimit-Reset"] = rate_limit.reset_s
        return super().finalize_response(request, response, *args, **kwargs)


class FleetView(Paced):
    """Every can with its newest report, in pages; reports are sent here, too."""

    permission_classes = (MayPost,)
    parser_classes = (ReportParser, ReportFormParser)
    page = "reports/fleet.html"
    takes_reports = True

    renderer_classes = (JSONRenderer, PageRenderer, CSVRenderer)

    @extend_schema(
        operation_id="fleet",
        parameters=[
            OpenApiParameter("order", str, enum=["fullest", "emptiest", "silent", "id"]),
            OpenApiParameter("status", str, enum=[*Status]),
            OpenApiParameter("stream", str, description="Paper, glass, ...: exactly this one."),
            OpenApiParameter("level_min", PERCENT),
            OpenApiParameter("level_max", PERCENT),
            OpenApiParameter(
                "silent_h",
                {"type": "integer", "minimum": 1, "maximum": filters.MAX_SILENT_H},
                description="Not heard of for at least so many hours.",
            ),
            OpenApiParameter("q", {"type": "string", "maxLength": 128}, description="How the id begins."),
            *_page(pagination.MAX_FLEET),
        ],
        responses={
            (200, "application/json"): answers.FleetAnswer,
            (200, "text/csv"): str,
            **REFUSALS,
        },
        examples=[examples.FLEET],
        tags=["reports"],
    )
    def get(self, request: Request) -> Response | StreamingHttpResponse:
        """
        The fleet: cans with their newest reports, in an order, filtered, a page at a time.

        No order serves every filter: a page that had to look at many rows stops short and says so; its `next`
        goes on. To walk the whole fleet while it changes, ask for order=id.
        """
        query = filters.fleet_query(request.query_params)
        self.listing = FleetListing(query, root_address(request), timezone.now())
        if isinstance(request.accepted_renderer, CSVRenderer):
            return csv_of(self.listing)
        rows, next_, previous, stopped = self.listing.page()
        root = root_address(request)
        return Response(
            Listing(
                rows=rows,
                next=page_address(request, root, next_),
                previous=page_address(request, root, previous),
                about={"order": query.order, "stopped": stopped, "page_size": query.size},
                links={"self": root},
            )
        )

    @extend_schema(
        operation_id="post_reports",
        request={"application/json": answers.ReportSent},
        responses={
            202: answers.Accepted,
            403: answers.ProblemAnswer,
            413: answers.ProblemAnswer,
            **REFUSALS,
        },
        examples=[examples.SENT, examples.SENT_SEVERAL, examples.ACCEPTED],
        tags=["reports"],
    )
    def post(self, request: Request) -> Response:
        """
        Send a report, or an array of 1-500, to the queue: readable as soon as a worker has stored it.

        All are sent or none: one invalid report refuses the request.
        """
        body = reports_in(request.data)
        judged = parse(body, timezone.now())
        if invalid := [one for one in judged if isinstance(one, InvalidReport)]:
            raise InvalidReports(invalid)
        reports = [one for one in judged if not isinstance(one, InvalidReport)]
        # Two characters that JSON takes and SQS does not: written as JSON escapes, they say the same.
        text = body.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
        if len(text.encode()) > MAX_BYTES:
            raise TooLarge
        message_ids = queue.publish([text])
        root = root_address(request)
        cans = {report.can_id: can_links(root, report.can_id) for report in reports}
        return Response(
            {
                "accepted": len(reports),
                "message_ids": message_ids,
                "results": [{"can_id": can_id, "links": links} for can_id, links in cans.items()],
            },
            status=202,
            headers={"Location": next(iter(cans.values()))["self"]} if len(cans) == 1 else None,
        )

    def page_context(self, data: Listing) -> dict[str, Any]:
        user = self.request.user
        own = Q(owner=user.pk) if user.is_authenticated else Q()
        # The counts are beside the list: it does not wait for those of a large fleet.
        taken = overview.current(patience_s=0.2)
        query = self.listing.query
        return {
            "query": query,
            # A fleet that has just begun to report has none.
            "has_trends": any(isinstance(row, Row) and row.has_trend for row in data.rows),
            "taken": taken,
            "counts": taken.overview.by_status if taken else {},
            "streams": [name for name in taken.overview.by_stream if name] if taken else [],
            "orders": ORDERS,
            "sorted_by": {
                "id": self._changed(order="id"),
                "level": self._changed(order="emptiest" if query.order == "fullest" else "fullest"),
                "heard": self._changed(order="silent"),
            },
            "sizes": {size: self._changed(page_size=str(size)) for size in (50, 100, 300)},
            "statuses": list(Status),
            "views": SavedView.objects.filter(Q(owner=None) | own) if own else SavedView.objects.filter(owner=None),
            "asked": asked(self.request, "cursor", "format"),
            "csv_address": self._changed(format="csv"),
        }

    def _changed(self, **changed: str) -> str:
        """Return the address of the same list, changed in something, from its first page on."""
        return f"{reverse('fleet')}?{asked(self.request, 'cursor', **{'format': '', **changed})}"


class CanView(Paced):
    """One can: its newest report, how it went, and what is known of it."""

    page = "reports/can.html"
    takes_reports = True

    @extend_schema(
        operation_id="can",
        responses={200: answers.CanAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.CAN, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response | HttpResponseBase:
        """The newest report of one can."""
        filters.known(request.query_params, {"range"})
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
        span = filters.span(self.request.query_params)
        recent = store.history(report.can_id, newest_first=True, size=25, now=now)
        return {
            "facts": Can.objects.filter(can_id=report.can_id).first(),
            "recent": recent.items,
            "more": recent.next is not None,
            "span": span,
            "spans": tuple(filters.SPANS),
            "chart_address": f"{reverse('chart', args=[report.can_id])}?range={span}",
        }


class ChartView(Paced):
    """How one can's level went, thinned to what a chart can show."""

    #: Reports read for one chart: two pages of a megabyte, and then some.
    most = 20_000
    points = 1_000

    @extend_schema(
        operation_id="chart",
        parameters=[OpenApiParameter("range", str, enum=[*filters.SPANS], description="Default: 24h.")],
        responses={200: answers.CourseAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.CHART, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response:
        """
        The course of one can's level: report by report up to a week, then by the hour or day.

        Where it is not complete yet, asking again brings more.
        """
        filters.known(request.query_params, {"range"})
        check_id(can_id)
        name, now = filters.span(request.query_params), timezone.now()
        reach = filters.SPANS[name]
        since = now - reach if reach else None
        if name in filters.RAW_SPANS:
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
        found = store.course(can_id, since=since, now=now)
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


class HistoryView(Paced):
    """The reports of one can over time."""

    page = "reports/history.html"

    @extend_schema(
        operation_id="history",
        parameters=[
            OpenApiParameter("since", datetime, description="From this instant on."),
            OpenApiParameter("until", datetime, description="Before this instant."),
            OpenApiParameter("order", str, enum=["newest", "oldest"], description="Default: newest."),
            *_page(pagination.MAX_SIZE),
        ],
        responses={200: answers.HistoryAnswer, **UNKNOWN, **REFUSALS},
        examples=[examples.HISTORY, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response:
        """What one can reported, newest first, or oldest."""
        query = filters.history_query(request.query_params, can_id)
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
        after = found.next and pagination.seal(found.next, query.scope)
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


class OverviewView(Paced):
    """The fleet at a glance: counts, what needs attention first, and a map."""

    page = "reports/overview.html"

    @extend_schema(
        operation_id="overview",
        responses={200: answers.OverviewAnswer, **REFUSALS},
        examples=[examples.OVERVIEW],
        tags=["reports"],
    )
    def get(self, request: Request) -> Response | HttpResponseBase:
        """Counts over the whole fleet, at most a minute old, and the ten cans that need attention first."""
        taken = overview.current()
        if taken is None:
            return Response({"taken_at": None})
        data = {"taken_at": answers.instant(taken.taken_at), **asdict(taken.overview)}
        response = Response(data, headers={"Cache-Control": "private, no-cache"})
        if isinstance(request.accepted_renderer, PageRenderer):
            return response
        etag = f'"{int(taken.taken_at.timestamp() * 1000):x}"'
        response["ETag"] = etag
        found = get_conditional_response(request._request, etag=etag, response=response)
        return found if found is not None else response

    def page_context(self, data: Mapping[str, Any]) -> dict[str, Any]:
        taken_at, now = data["taken_at"], timezone.now()
        highest = max(data.get("tenths", ()), default=0) or 1
        return {
            "taken_at": datetime.fromisoformat(taken_at) if taken_at else None,
            "is_outdated": taken_at and now - datetime.fromisoformat(taken_at) > overview.MAX_AGE,
            "statuses": list(Status),
            "urgent": [
                {**one, "measured_at": at, "is_old": is_old(at, now)}
                for one in data.get("urgent", ())
                for at in [datetime.fromisoformat(one["measured_at"]) if one["measured_at"] else None]
            ],
            "tenths": [
                {"from": at * 10, "count": count, "height": round(60 * count / highest, 1)}
                for at, count in enumerate(data.get("tenths", ()))
            ],
            "streams": [(name, count) for name, count in data.get("by_stream", {}).items() if name][:5],
            "unstreamed": data.get("by_stream", {}).get(""),
            "tiles": settings.TRASH_MAP_TILES,
            "tiles_by": settings.TRASH_MAP_ATTRIBUTION,
        }


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


def root_address(request: Request) -> str:
    """Return the absolute address of the fleet, under which every can has its own."""
    return f"{request.scheme}://{request.get_host()}{_fleet_path(get_script_prefix())}"


@cache
def _fleet_path(_prefix: str) -> str:
    # Asked for by every answer, and the same for ever under one prefix: 5 % of a can's answer otherwise.
    return reverse("fleet")


def page_address(request: Request, path: str, cursor: str | None) -> str | None:
    """Return the address of another page: this one's filter, and the cursor."""
    return f"{path}?{asked(request, cursor=cursor)}" if cursor else None


def asked(request: Request, *without: str, **changed: str) -> str:
    """Return the query string, but for some parameters, and with some changed; empty ones are left out."""
    query = {**request.query_params.dict(), **changed}
    return urlencode({name: value for name, value in query.items() if value and name not in without})
