"""The read side and POST: each view is the whole use case, between the request and the store or the queue."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from reports import filters, pagination, queue, store
from reports import serializers as answers
from reports.parsers import MAX_BYTES, ReportFormParser, ReportParser, reports_in
from reports.permissions import MayPost
from reports.problems import InvalidReports, TooLarge, UnknownCan
from reports.queue import QueueUnavailable
from reports.serializers import Listing, PastRow, Row, can_links
from reports.store import StoreUnavailable
from reports.wire import MAX_CAN_ID, InvalidReport, Report, parse

_REFUSALS = {
    400: answers.ProblemAnswer,
    401: answers.ProblemAnswer,
    429: answers.ProblemAnswer,
    503: answers.ProblemAnswer,
}
_PAGE = [
    OpenApiParameter("page_size", int, description="Rows a page, 1-500 (default 50)."),
    OpenApiParameter("cursor", str, description="From `next`; good for the same filter and page_size alone."),
]
_LEVEL = OpenApiExample("One report", {"can_id": "420", "level": "70.69237046207665"}, request_only=True)


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

    @extend_schema(
        operation_id="fleet",
        parameters=_PAGE,
        responses={200: answers.FleetAnswer, **_REFUSALS},
        tags=["reports"],
    )
    def get(self, request: Request) -> Response:
        """The fleet, a page of cans with their newest reports."""
        query = filters.fleet_query(request.query_params)
        found = store.fleet(after=query.after, size=query.size)
        root = root_address(request)
        after = found.next and pagination.seal(found.next, query.scope)
        return Response(
            Listing(
                rows=[Row(report, root) for report in found.items],
                next=next_address(request, root, after),
                about={"page_size": query.size},
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
            **_REFUSALS,
        },
        examples=[_LEVEL],
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
        return {}


class CanView(Paced):
    """One can's newest report."""

    page = "reports/can.html"

    @extend_schema(
        operation_id="can",
        responses={200: answers.CanAnswer, 404: answers.ProblemAnswer, **_REFUSALS},
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response:
        """The newest report of one can."""
        report = latest(can_id)
        return Response(Row(report, root_address(request)))

    def page_context(self, data: Row) -> dict[str, Any]:
        return {}


class HistoryView(Paced):
    """The reports of one can over time."""

    page = "reports/history.html"

    @extend_schema(
        operation_id="history",
        parameters=[
            OpenApiParameter("since", str, description="From this instant on: ISO 8601."),
            OpenApiParameter("until", str, description="Before this instant: ISO 8601."),
            OpenApiParameter("order", str, enum=["newest", "oldest"], description="Default: newest."),
            *_PAGE,
        ],
        responses={200: answers.HistoryAnswer, 404: answers.ProblemAnswer, **_REFUSALS},
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
                next=next_address(request, links["history"], after),
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


class LiveView(APIView):
    """Whether this process answers at all."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    throttle_classes = ()

    @extend_schema(operation_id="live", responses=answers.Live, tags=["health"], auth=[])
    def get(self, request: Request) -> Response:
        """Says that this web process answers; asks nobody else."""
        return Response({"status": "live"})


class ReadyView(APIView):
    """Whether the queue and the store answer, and when each worker was last heard of."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    throttle_classes = ()

    @extend_schema(
        operation_id="ready", responses={200: answers.Ready, 503: answers.Ready}, tags=["health"], auth=[]
    )
    def get(self, request: Request) -> Response:
        """Asks SQS and DynamoDB; 503 tells which one does not answer."""
        checks, workers = {"sqs": "ok", "dynamodb": "ok"}, []
        try:
            queue.ping()
        except QueueUnavailable as error:
            checks["sqs"] = str(error)
        try:
            store.ping()
            workers = store.workers(timezone.now())
        except StoreUnavailable as error:
            checks["dynamodb"] = str(error)
        ready = set(checks.values()) == {"ok"}
        seen = [
            {"name": worker.name, "seen_at": answers.instant(worker.seen_at), "counters": worker.counters}
            for worker in workers
        ]
        return Response(
            {"status": "ready" if ready else "not ready", "checks": checks, "workers": seen},
            status=200 if ready else 503,
            headers=None if ready else {"Retry-After": "5"},
        )


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


def root_address(request: Request) -> str:
    """Return the absolute address of the fleet, under which every can has its own."""
    return str(request.build_absolute_uri(reverse("fleet")))


def next_address(request: Request, path: str, after: str | None) -> str | None:
    """Return the address of the next page: this one's filter, and the new cursor."""
    if not after:
        return None
    return f"{path}?{urlencode({**request.query_params.dict(), 'cursor': after})}"
