"""The overview: counts over the fleet, what needs attention first, and a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports.insight.status import FILLING_SHARE, FULL_FROM, REPORTED, SILENT_AFTER, Status
from reports.web import answers, examples, fleet_count, schemas
from reports.web.fleet_count import FleetCount
from reports.web.rendering import Page
from reports.web.view import REFUSALS, ApiView


@dataclass(frozen=True)
class OverviewPage(Page):
    """
    The overview's page, drawn from the counts; counted_at is None where the fleet was never counted.

    tenths: per ten percent its beginning, its count and the height of its bar. streams: the five commonest.
    """

    template: ClassVar[str] = "reports/overview.html"

    counted_at: datetime | None
    is_outdated: bool
    statuses: Sequence[Status]
    urgent: Sequence[Mapping[str, Any]]
    tenths: Sequence[Mapping[str, Any]]
    streams: Sequence[tuple[str, int]]
    unstreamed: int
    tiles: str
    tiles_by: str
    full_from: int = int(FULL_FROM)
    filling_from: int = int(FULL_FROM * FILLING_SHARE)


class OverviewView(ApiView):
    """The overview of the fleet: counts, what needs attention first, and a map."""

    @extend_schema(
        operation_id="overview",
        responses={200: schemas.OverviewAnswer, **REFUSALS},
        examples=[examples.OVERVIEW],
        tags=["reports"],
    )
    def get(self, request: Request) -> Response | HttpResponseBase:
        """
        Counts of the whole fleet, as a rule at most a minute old, and the ten cans that need attention first.

        Of more than 10,000 cans `exact` is false: total and by_status are approximate, by_stream, tenths and places as
        old as `walked` says.
        """
        count = fleet_count.current()
        data = (
            {"taken_at": answers.instant(count.counted_at), **asdict(count.overview)} if count else {"taken_at": None}
        )
        headers = {"Cache-Control": "private, no-cache"}
        if self.is_page:
            return Response(_page(data, count, timezone.now()), headers=headers)
        response = Response(data, headers=headers)
        if count is None:
            return response
        etag = f'"{int(count.counted_at.timestamp() * 1000):x}"'
        response["ETag"] = etag
        not_modified = get_conditional_response(request._request, etag=etag, response=response)
        return not_modified if not_modified is not None else response


def _page(data: Mapping[str, Any], count: FleetCount | None, now: datetime) -> OverviewPage:
    by_tenth = count.overview.tenths if count else ()
    by_stream = count.overview.by_stream if count else {}
    urgent = count.overview.urgent if count else ()
    highest = max(by_tenth, default=0) or 1
    return OverviewPage(
        data,
        counted_at=count.counted_at if count else None,
        is_outdated=bool(count and now - count.counted_at > fleet_count.MAX_AGE),
        statuses=REPORTED,
        urgent=[
            {
                **asdict(one),
                "measured_at": at,
                "is_old": one.status == Status.SILENT or bool(at and now - at > SILENT_AFTER),
            }
            for one in urgent
            for at in [datetime.fromisoformat(one.measured_at) if one.measured_at else None]
        ],
        tenths=[
            {"from": at * 10, "count": cans, "height": round(60 * cans / highest, 1)}
            for at, cans in enumerate(by_tenth)
        ],
        streams=[(name, cans) for name, cans in by_stream.items() if name][:5],
        unstreamed=by_stream.get("", 0),
        tiles=settings.TRASH_MAP_TILES,
        tiles_by=settings.TRASH_MAP_ATTRIBUTION,
    )
