"""The alerts that were told: what changed, what became of it by each rule, and who has seen it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.insight.status import REPORTED, Status
from reports.models import ListedCan, facts_of
from reports.store import Alert
from reports.web import alert_schemas, cursors, database, queries
from reports.web.access import MayHandleAlerts
from reports.web.answers import can_links
from reports.web.parsers import ChoiceParser, ReportFormParser
from reports.web.problems import InvalidFields
from reports.web.rendering import Page
from reports.web.view import REFUSALS, UNREAD, ApiView, asked, page_address, page_parameters, root_address

_KEY = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z#alert_[0-9a-f]{24}")
_FILTER = [
    OpenApiParameter("status", str, enum=list(REPORTED), description="The one that the can came to have."),
    OpenApiParameter("can_id", str, description="Of this can alone."),
    OpenApiParameter("open", str, enum=["yes"], description="Those that nobody has acknowledged."),
]


@dataclass(frozen=True)
class AlertsPage(Page):
    """
    Alerts with the filter by which they are listed.

    asked: that filter as a query string. has_results: whether it is told what became of each. cans: what is known of
    them, by id; has_facts: whether the database told it.
    """

    template: ClassVar[str] = "reports/alerts.html"

    query: queries.AlertsQuery
    asked: str
    has_results: bool
    cans: Mapping[str, ListedCan]
    has_facts: bool
    statuses: Sequence[Status] = REPORTED


class AlertsView(ApiView):
    """Changes of cans' statuses that a rule asked to tell somebody."""

    permission_classes = (MayHandleAlerts,)
    parser_classes = (ChoiceParser, ReportFormParser)
    samples: Mapping[str, str] = MappingProxyType({"POST": '{"acknowledge": ["as the list gave it as key"]}'})

    @extend_schema(
        operation_id="alerts",
        parameters=[*_FILTER, *page_parameters(queries.MAX_ALERTS)],
        responses={200: alert_schemas.AlertsAnswer, **REFUSALS},
        tags=["alerts"],
    )
    def get(self, request: Request) -> Response:
        """
        Alerts of the last 30 days, the newest change first.

        A page may be short, or empty, and `next` lead on: filters look at so many alerts a page. What became of an
        alert by each rule is in `results`, for operators alone.
        """
        query = queries.alerts_query(request.query_params)
        found = store.alerts(
            timezone.now(),
            status=query.status,
            can_id=query.can_id,
            is_open=query.is_open,
            after=query.after,
            size=query.size,
        )
        root, has_results = root_address(request), request.user.has_perm("reports.view_alertrule")
        is_known = bool(request.user.is_authenticated)
        path = request.build_absolute_uri(reverse("alerts"))
        answer = {
            "page_size": query.size,
            "results": [_shown(each, root, has_results=has_results, is_known=is_known) for each in found.items],
            "next": page_address(request, path, found.next and cursors.seal(found.next, query.scope)),
        }
        if not self.is_page:
            return Response(answer)
        cans, has_facts = database.ask(lambda: facts_of({each.change.can_id for each in found.items}))
        page = AlertsPage(answer, query, asked(request, "cursor", "format"), has_results, cans or {}, has_facts)
        return Response(page)

    @extend_schema(
        operation_id="acknowledge_alerts",
        request=alert_schemas.Acknowledge,
        responses={200: alert_schemas.Acknowledged, **UNREAD, **REFUSALS},
        tags=["alerts"],
    )
    def post(self, request: Request) -> Response | HttpResponseBase:
        """Acknowledge alerts. The first who does is kept; `unknown` names those that there are not any more."""
        data = request.data
        keys = _keys({"acknowledge": data.getlist("acknowledge")} if isinstance(data, QueryDict) else data)
        by, now = request.user.get_username(), timezone.now()
        done = [key for key in keys if store.acknowledge(key, by, now)]
        if not (self.is_page and isinstance(data, QueryDict)):
            return Response({"acknowledged": done, "unknown": [key for key in keys if key not in done]})
        if len(done) == len(keys):
            messages.success(request._request, "Acknowledged.")
        else:
            messages.warning(request._request, "Some of these alerts are older than 30 days, and gone.")
        back = data.get("back", "")[:500]
        address = reverse("alerts")
        return HttpResponseRedirect(f"{address}?{back}" if back else address, status=303)


def _keys(data: Any) -> list[str]:
    """Return the alerts that are to be acknowledged, each once. Raises InvalidFields."""
    change = alert_schemas.Acknowledge(data=data)
    if not change.is_valid():
        raise InvalidFields.of("Nothing was acknowledged.", change.errors)
    keys = list(dict.fromkeys(change.validated_data["acknowledge"]))
    if not all(_KEY.fullmatch(key) for key in keys):
        raise InvalidFields("Nothing was acknowledged.", [("acknowledge", "must be keys as the list of alerts gives")])
    return keys


def _shown(alert: Alert, root: str, *, has_results: bool, is_known: bool) -> dict[str, Any]:
    told = alert.told()
    return {
        **told,
        "acknowledged_by": told["acknowledged_by"] if is_known else None,
        "results": told["results"] if has_results else None,
        "links": {"can": can_links(root, alert.change.can_id)["self"]},
    }
