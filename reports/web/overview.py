"""The overview: counts over the fleet, what needs attention first, and a map."""

from __future__ import annotations

import hashlib
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

from reports.insight.status import FILLING_SHARE, FULL_FROM, REPORTED, Status
from reports.web import answers, examples, fleet_count, schemas, urgent
from reports.web.fleet_count import FleetCount
from reports.web.rendering import Page, to_json
from reports.web.urgent import UrgentRow
from reports.web.view import REFUSALS, ApiView


@dataclass(frozen=True)
class OverviewPage(Page):
    """
    The overview's page, drawn from the counts; counted_at is None where the fleet was never counted.

    tenths: per ten percent its beginning, its count and the height of its bar. streams: the eight commonest; others:
    cans of all other streams.
    """

    template: ClassVar[str] = "reports/overview.html"

    counted_at: datetime | None
    is_outdated: bool
    statuses: Sequence[Status]
    urgent: Sequence[UrgentRow]
    has_facts: bool
    tenths: Sequence[Mapping[str, Any]]
    streams: Sequence[tuple[str, int]]
    others: int
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
        rows = urgent.rows(count.overview.urgent, count.counted_at) if count else ()
        data: dict[str, Any] = {"taken_at": None}
        if count:
            data = {"taken_at": answers.instant(count.counted_at), **asdict(count.overview), "urgent": rows}
        headers = {"Cache-Control": "private, no-cache"}
        if self.is_page:
            return Response(_page(data, count, rows, timezone.now()), headers=headers)
        response = Response(data, headers=headers)
        if count is None:
            return response
        etag = f'"{hashlib.blake2b(to_json([data["taken_at"], rows]), digest_size=12).hexdigest()}"'
        response["ETag"] = etag
        not_modified = get_conditional_response(request._request, etag=etag, response=response)
        return not_modified if not_modified is not None else response


def _page(data: Mapping[str, Any], count: FleetCount | None, rows: Sequence[UrgentRow], now: datetime) -> OverviewPage:
    by_tenth = count.overview.tenths if count else ()
    by_stream = count.overview.by_stream if count else {}
    highest = max(by_tenth, default=0) or 1
    streams = [(name, cans) for name, cans in by_stream.items() if name]
    return OverviewPage(
        data,
        counted_at=count.counted_at if count else None,
        is_outdated=bool(count and count.is_outdated(now)),
        statuses=REPORTED,
        urgent=rows,
        has_facts=all(row.has_facts for row in rows),
        tenths=[
            {"from": at * 10, "count": cans, "height": round(60 * cans / highest, 1)}
            for at, cans in enumerate(by_tenth)
        ],
        streams=streams[:8],
        others=sum(cans for _, cans in streams[8:]),
        unstreamed=by_stream.get("", 0),
        tiles=settings.TRASH_MAP_TILES,
        tiles_by=settings.TRASH_MAP_ATTRIBUTION,
    )
