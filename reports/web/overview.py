"""The overview: counts over the fleet, what needs attention first, and a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports.insight.status import Status, is_old
from reports.web import answers, examples, fleet_count, schemas
from reports.web.rendering import PageRenderer
from reports.web.view import REFUSALS, ApiView


class OverviewView(ApiView):
    """The fleet at a glance: counts, what needs attention first, and a map."""

    page = "reports/overview.html"

    @extend_schema(
        operation_id="overview",
        responses={200: schemas.OverviewAnswer, **REFUSALS},
        examples=[examples.OVERVIEW],
        tags=["reports"],
    )
    def get(self, request: Request) -> Response | HttpResponseBase:
        """Counts over the whole fleet, at most a minute old, and the ten cans that need attention first."""
        taken = fleet_count.current()
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
            "is_outdated": taken_at and now - datetime.fromisoformat(taken_at) > fleet_count.MAX_AGE,
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
