"""The collection list of a round: as page, JSON, CSV and GPX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports.insight.collection import Why
from reports.insight.stop_map import Pin, StopMap, stop_map
from reports.web import collection_queries, collection_schemas, examples
from reports.web.collection_list import CollectionList, Stop, collection_list
from reports.web.collection_queries import CollectionQuery, collection_query
from reports.web.csv_files import csv_file
from reports.web.gpx import MEDIA_TYPE, GpxRenderer, gpx_of
from reports.web.problems import InvalidQuery, answered
from reports.web.rendering import CSVRenderer, JSONRenderer, Page, PageRenderer
from reports.web.view import REFUSALS, ApiView, asked, root_address, whole_number

COLUMNS = (
    "can_id", "name", "address", "stream", "level", "status", "why", "reason", "full_since", "full_at", "low", "high",
    "reliability", "chance", "overflow_h_avoided", "stop", "leg_km", "latitude", "longitude", "measured_at",
)  # fmt: skip
#: Parameters of the page's form that may break a rule.
FIELDS = ("by", "next", "area", "chance", "age_days", "stops", "start")
AREA = (
    "A circle: latitude,longitude,km. A box: south,west,north,east. Else words of names and addresses, as in the "
    "fleet's q."
)


@dataclass(frozen=True)
class CollectionsPage(Page):
    """
    A list as a page; list: None where what was asked for breaks a rule. typed, wrong: the form's parameters as they
    came, and the rules that they break (InvalidQuery.beside). local_by, local_next: as a form's field takes them, in
    the site's zone.
    """

    template: ClassVar[str] = "reports/collections.html"

    list: CollectionList | None
    query: CollectionQuery
    map: StopMap | None
    whys: Sequence[Why]
    typed: Mapping[str, str]
    wrong: Mapping[str, str]
    local_by: str
    local_next: str
    csv_address: str
    gpx_address: str
    other_order: str
    looks_at: int
    has_addresses: bool


class CollectionsView(ApiView):
    """Which cans a round should empty."""

    renderer_classes = (JSONRenderer, PageRenderer, CSVRenderer, GpxRenderer)

    @extend_schema(
        operation_id="collections",
        parameters=[
            OpenApiParameter("by", datetime, description="When the round comes; default: the next 6 o'clock."),
            OpenApiParameter("next", datetime, description="When the next round comes; default: a day later."),
            OpenApiParameter("stream", str, description="The waste stream, in any case."),
            OpenApiParameter("area", {"type": "string", "maxLength": 128}, description=AREA),
            whole_number(
                "chance",
                1,
                99,
                "Percent: a can is on the list if it is full by then at least so probably (default: 50).",
            ),
            whole_number("age_days", 1, 999, "A can not emptied for so long is on the list (default: 28)."),
            whole_number("stops", 1, collection_queries.MOST_STOPS, "Cans on the list at most (default: 100)."),
            OpenApiParameter("start", str, description="latitude,longitude where the way begins and ends."),
            OpenApiParameter("order", str, enum=[*collection_queries.ORDERS], description="Default: urgency."),
        ],
        responses={
            (200, "application/json"): collection_schemas.CollectionsAnswer,
            (200, "text/csv"): str,
            (200, MEDIA_TYPE): str,
            **REFUSALS,
        },
        examples=[examples.COLLECTIONS],
        tags=["collections"],
    )
    def get(self, request: Request) -> Response | HttpResponse:
        """
        The cans that a round should empty, the most urgent first, each with its reason; and those that it leaves.

        FULL: at its threshold. FORECAST: probably full by then. SUSPECT: its level is not to be trusted, or it is
        tilted. AGE: not emptied for long. The thousand fullest cans are looked at, and those that an area names, a
        thousand at most; where there are more, `complete` is false. The way is as the crow flies: it knows no roads.
        """
        now = timezone.now()
        try:
            query = collection_query(request.query_params, now)
        except InvalidQuery as error:
            problem = answered(error)
            if not self.is_page or problem is None:
                raise
            page = _page(request, collection_query({}, now), None, problem.data, error.beside(FIELDS))
            return Response(page, status=problem.status_code)
        made = collection_list(query, root_address(request))
        if isinstance(request.accepted_renderer, CSVRenderer):
            return csv_file("collections.csv", COLUMNS, map(_cells, made.stops))
        if isinstance(request.accepted_renderer, GpxRenderer):
            name = f"Collections {_local(query.plan.by):%Y-%m-%d %H:%M}"
            return HttpResponse(
                gpx_of(made.placed, name, now, query.start), content_type=MEDIA_TYPE,
                headers={"Content-Disposition": 'attachment; filename="collections.gpx"'},
            )  # fmt: skip
        return Response(_page(request, query, made, made) if self.is_page else made)


def _page(
    request: Request,
    query: CollectionQuery,
    made: CollectionList | None,
    answer: object,
    wrong: Mapping[str, str] = MappingProxyType({}),
) -> CollectionsPage:
    typed = {name: str(value) for name, value in request.query_params.items() if name != "order"}
    return CollectionsPage(
        answer,
        list=made,
        query=query,
        map=_map(made) if made else None,
        whys=tuple(Why),
        typed=typed,
        wrong=wrong,
        local_by=(wrong and typed.get("by")) or f"{_local(query.plan.by):%Y-%m-%dT%H:%M}",
        local_next=(wrong and typed.get("next")) or f"{_local(query.plan.next_at):%Y-%m-%dT%H:%M}",
        csv_address=_changed(request, format="csv"),
        gpx_address=_changed(request, format="gpx"),
        other_order=_changed(request, order="" if query.by_stops else "stops"),
        looks_at=made.found.looked_at if made else 0,
        has_addresses=bool(made and any(stop.facts and stop.facts.address for stop in made.stops)),
    )


def _map(made: CollectionList) -> StopMap | None:
    pins = [
        Pin(stop.number, stop.place, stop.can_id, stop.judged.why)
        for stop in made.placed
        if stop.number and stop.place and isinstance(stop.judged.why, Why)
    ]
    return stop_map(pins, made.start)


def _changed(request: Request, **changed: str) -> str:
    return f"{reverse('collections')}?{asked(request, **{'format': '', **changed})}"


def _cells(stop: Stop) -> list[str]:
    said = stop.json()
    known = said["facts"] or {}
    cells = {**said, "name": known.get("name", ""), "address": known.get("address", "")}
    return ["" if cells[name] is None else str(cells[name]) for name in COLUMNS]


def _local(at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(settings.TRASH_TIME_ZONE))
