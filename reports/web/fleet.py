"""The fleet: every can with its newest report, in pages or as CSV; and where reports are sent."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import queue
from reports.formats import parse
from reports.insight.status import Status
from reports.models import SavedView
from reports.report import InvalidReport
from reports.web import cursors, examples, fleet_count, queries, schemas
from reports.web.access import MayPost
from reports.web.answers import Listing, Row, can_links
from reports.web.fleet_listing import FleetListing, csv_of
from reports.web.parsers import ReportFormParser, ReportParser, reports_in
from reports.web.problems import InvalidReports, TooLarge
from reports.web.rendering import CSVRenderer, JSONRenderer, PageRenderer
from reports.web.view import REFUSALS, ApiView, asked, page_address, page_parameters, root_address

_PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
#: The orders of the fleet, in the words of the page.
ORDERS = {"fullest": "Fullest first", "emptiest": "Emptiest first", "silent": "Longest silent first", "id": "By id"}


class FleetView(ApiView):
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
            OpenApiParameter("level_min", _PERCENT),
            OpenApiParameter("level_max", _PERCENT),
            OpenApiParameter(
                "silent_h",
                {"type": "integer", "minimum": 1, "maximum": queries.MAX_SILENT_H},
                description="Not heard of for at least so many hours.",
            ),
            OpenApiParameter("q", {"type": "string", "maxLength": 128}, description="How the id begins."),
            *page_parameters(cursors.MAX_FLEET),
        ],
        responses={
            (200, "application/json"): schemas.FleetAnswer,
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
        query = queries.fleet_query(request.query_params)
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
        request={"application/json": schemas.ReportSent},
        responses={
            202: schemas.Accepted,
            403: schemas.ProblemAnswer,
            413: schemas.ProblemAnswer,
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
        if not text.lstrip().startswith("["):
            # An object alone may look like a Celery call too, whose reports are others than those judged here.
            text = f"[{text}]"
        if len(text.encode()) > queue.MAX_BYTES:
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
        taken = fleet_count.current(patience_s=0.2)
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
