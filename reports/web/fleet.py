"""The fleet: every can with its newest report, in pages or as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.insight.fleet_counts import STREAMS
from reports.insight.status import REPORTED, Status
from reports.models import SavedView
from reports.web import cursors, examples, fleet_count, fleet_queries, never_reported, posting, queries, schemas
from reports.web.access import MayPost
from reports.web.answers import Listing, Row
from reports.web.fleet_count import FleetCount
from reports.web.fleet_csv import csv_of
from reports.web.fleet_listing import FleetListing
from reports.web.fleet_queries import ORDERS, FleetQuery
from reports.web.parsers import ReportFormParser, ReportParser
from reports.web.problems import InvalidQuery, answered
from reports.web.rendering import CSVRenderer, FiwareRenderer, JSONRenderer, Page, PageRenderer, SenMLRenderer
from reports.web.view import REFUSALS, ApiView, asked, page_address, page_parameters, root_address, whole_number

_PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
#: Up to so many cans are all looked at where no index serves a filter: 20 BatchGetItem.
SEARCHED_WHOLE = 2_000
#: The orders of the fleet, in the words of the page.
ORDER_WORDS = {
    "fullest": "Fullest first",
    "emptiest": "Emptiest first",
    "silent": "Longest silent first",
    "id": "By id",
}


@dataclass(frozen=True)
class FleetPage(Page):
    """
    A page of the fleet: its rows, and around them the filter, the counts, saved views and addresses of other orders.

    count: None where the fleet was never counted. asked: the query string without cursor and format. streams: by name;
    has_all_streams: whether these are all. statuses: those that are counted. has_never: whether there may be cans that
    never reported. matching: how many cans match, None where that is not counted; is_about: whether that number is
    right only about; is_counted: whether those that never reported are among them. typed, wrong: the parameters as they
    came, and the rules that they break (InvalidQuery.beside); then the answer is the problem.
    """

    template: ClassVar[str] = "reports/fleet.html"

    query: FleetQuery
    has_trends: bool
    count: FleetCount | None
    counts: Mapping[str, int]
    streams: Sequence[str]
    orders: Mapping[str, str]
    sorted_by: Mapping[str, str]
    sizes: Mapping[int, str]
    statuses: Sequence[Status]
    has_never: bool
    views: Sequence[SavedView]
    asked: str
    csv_address: str
    typed: Mapping[str, str]
    wrong: Mapping[str, str]
    has_all_streams: bool
    has_other_stream: bool
    matching: int | None
    is_about: bool
    is_counted: bool


class FleetView(ApiView):
    """Every can with its newest report, in pages; reports are sent here, too."""

    permission_classes = (MayPost,)
    parser_classes = (ReportParser, ReportFormParser)
    takes_reports = True
    samples = MappingProxyType({"POST": '[{"can_id": "420", "level": "70.69", "stream": "paper"}]'})

    renderer_classes = (JSONRenderer, PageRenderer, CSVRenderer, FiwareRenderer, SenMLRenderer)

    @extend_schema(
        operation_id="fleet",
        parameters=[
            OpenApiParameter("order", str, enum=[*ORDERS]),
            OpenApiParameter("status", str, enum=[*Status]),
            OpenApiParameter("stream", str, description="The waste stream, as paper or glass, in any case."),
            OpenApiParameter("level_min", _PERCENT),
            OpenApiParameter("level_max", _PERCENT),
            whole_number("silent_h", 1, fleet_queries.MAX_SILENT_H, "No report for at least so many hours."),
            OpenApiParameter(
                "suspect",
                str,
                enum=[*queries.SUSPECTS],
                description="Cans whose level is not to be trusted, also of those that are FULL; no: all others.",
            ),
            OpenApiParameter(
                "battery", str, enum=[*queries.BATTERIES], description="Cans in which a sensor's battery is low."
            ),
            OpenApiParameter(
                "q",
                {"type": "string", "maxLength": 128},
                description="How the id begins, in its own case; or words of name and address, in any case and with "
                "any accents: each begins one. At most 300 cans are found by name and address; `cut` says whether "
                "there are more.",
            ),
            *page_parameters(cursors.MAX_FLEET),
        ],
        responses={
            (200, "application/json"): schemas.FleetAnswer,
            (200, "text/csv"): str,
            (200, FiwareRenderer.media_type): OpenApiTypes.ANY,
            (200, SenMLRenderer.media_type): OpenApiTypes.ANY,
            **REFUSALS,
        },
        examples=[examples.FLEET],
        tags=["reports"],
    )
    def get(self, request: Request) -> Response | HttpResponse | StreamingHttpResponse:
        """
        The fleet: each can with its newest report, filtered and ordered, in pages.

        Some filters have no index. Such a page searches a limited number of cans, may be short, and then has
        `stopped` true; `next` continues the search. A page of cans with large attributes is short, too. To read the
        whole fleet while it changes, use order=id. Cans of which facts are known and no report is stored follow all
        others, by id: their `level` is null.
        """
        root = root_address(request)
        try:
            query = fleet_queries.fleet_query(request.query_params)
        except InvalidQuery as error:
            problem = answered(error)
            if not self.is_page or problem is None:
                raise
            # The filter stays as it was typed, with the rule beside its field; nothing is asked of the fleet.
            wrong = error.beside(fleet_queries.FLEET_FILTERS)
            page = _page(request, fleet_queries.fleet_query({}), problem.data, wrong)
            return Response(page, status=problem.status_code)
        is_csv = isinstance(request.accepted_renderer, CSVRenderer)
        fleet = FleetListing(query, root, timezone.now(), _budget(query), with_rows=not is_csv)
        if is_csv:
            return csv_of(fleet)
        rows, next_, previous, stopped = fleet.page()
        listing = Listing(
            rows=rows,
            next=page_address(request, root, next_),
            previous=page_address(request, root, previous),
            about={"order": query.order, "stopped": stopped, "cut": fleet.found.is_cut, "page_size": query.size},
            links={"self": root},
        )
        # What has no place for the next page's address in its body has it in a header.
        headers = {"Link": f'<{listing.next}>; rel="next"'} if listing.next else None
        if not self.is_page:
            return Response(listing, headers=headers)
        found = None if _is_whole(listing) else fleet.about()
        return Response(_page(request, query, listing, found=found), headers=headers)

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
        Send a report, or an array of 1-500 reports, to the queue. It can be read once a worker has stored it.

        If one report is invalid, none is sent.
        """
        return posting.posted(request, is_page=self.is_page)


def _budget(query: FleetQuery) -> int:
    """Return how many cans a page of this query looks at: all of a small fleet, so that nobody has to search on."""
    known = fleet_count.known() if query.is_filtered else None
    return SEARCHED_WHOLE if known and known.overview.total <= SEARCHED_WHOLE else store.BUDGET


def _page(
    request: Request,
    query: FleetQuery,
    answer: Any,
    wrong: Mapping[str, str] = MappingProxyType({}),
    found: int | None = None,
) -> FleetPage:
    """Return the page; found: about how many cans a search finds, None where that is not counted."""
    # The counts are beside the list: it does not wait for those of a large fleet.
    count = fleet_count.current(patience_s=0.2)
    rows = answer.rows if isinstance(answer, Listing) else ()
    by_stream = _folded(count) if count else {}
    return FleetPage(
        answer,
        query=query,
        # A fleet that has just begun to report has none.
        has_trends=any(isinstance(row, Row) and row.has_trend for row in rows),
        count=count,
        counts=count.overview.by_status if count else {},
        streams=[name for name in by_stream if name],
        has_all_streams=bool(count and _has_all_streams(count)),
        orders=ORDER_WORDS,
        sorted_by={
            "id": _changed(request, order="id"),
            "level": _changed(request, order="emptiest" if query.order == "fullest" else "fullest"),
            "last_report": _changed(request, order="silent"),
        },
        sizes={size: _changed(request, page_size=str(size)) for size in (50, 100, 300)},
        statuses=REPORTED,
        has_never=never_reported.there_may_be_some(),
        views=list(SavedView.objects.usable_by(request.user)),
        asked=asked(request, "cursor", "format"),
        csv_address=_changed(request, format="csv"),
        has_other_stream=query.stream.casefold() not in {"", *map(str.casefold, by_stream)},
        typed={name: str(value) for name, value in request.query_params.items()},
        wrong=wrong,
        matching=None if wrong else _matching(query, answer, count, by_stream) if found is None else found,
        is_about=found is not None or bool(count and not count.overview.exact and not _is_whole(answer)),
        is_counted=_is_whole(answer),
    )


def _folded(count: FleetCount) -> dict[str, int]:
    """Return the cans of each stream, whatever the case in which devices and people wrote its name."""
    folded: dict[str, tuple[str, int]] = {}
    for name, cans in count.overview.by_stream.items():
        first, before = folded.get(name.casefold(), (name, 0))
        folded[name.casefold()] = first, before + cans
    return dict(folded.values())


def _has_all_streams(count: FleetCount) -> bool:
    """Say whether the counts name every stream: each can was read, and where there are many, there may be more."""
    return count.overview.walked.complete and len(count.overview.by_stream) < STREAMS


def _matching(
    query: FleetQuery, listing: Listing, count: FleetCount | None, by_stream: Mapping[str, int]
) -> int | None:
    """
    Return how many cans match: from the counts, or by the rows where all of them are on this page.

    The counts of a large fleet are right only about (Overview.exact).
    """
    if _is_whole(listing):
        return len(listing.rows)
    counted = sum(map(bool, (query.status, query.stream, query.suspect)))
    is_not_counted = query.search or query.silent_h or query.has_level or query.battery or counted > 1
    if not query.has_reported or count is None or is_not_counted:
        return None
    if query.suspect and not count.overview.walked.complete:
        return None
    if query.suspect:
        suspect = count.overview.suspect
        return suspect if query.suspect == "yes" else count.overview.total - suspect
    if query.status:
        return count.overview.by_status.get(query.status, 0)
    if query.stream:
        by_word = {name.casefold(): cans for name, cans in by_stream.items()}
        return by_word.get(query.stream.casefold()) if _has_all_streams(count) else None
    return count.overview.total


def _is_whole(answer: Any) -> bool:
    """Say whether all that matches is on this page."""
    return isinstance(answer, Listing) and not (answer.next or answer.previous or answer.about["stopped"])


def _changed(request: Request, **changed: str) -> str:
    """Return the address of the same list, changed in something, from its first page on."""
    return f"{reverse('fleet')}?{asked(request, 'cursor', **{'format': '', **changed})}"
