"""What was changed in a can's facts: by whom, when, and from what to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from reports.can_id import is_can_id
from reports.kept_changes import changes_of
from reports.models import Can
from reports.web import facts_schemas, queries
from reports.web.answers import instant
from reports.web.rendering import Page
from reports.web.view import REFUSALS, UNKNOWN, ApiView


@dataclass(frozen=True)
class ChangesPage(Page):
    template: ClassVar[str] = "reports/changes.html"


class ChangesView(ApiView):
    """The changes of one can's facts."""

    @extend_schema(
        operation_id="can_changes", responses={200: facts_schemas.ChangesAnswer, **UNKNOWN, **REFUSALS}, tags=["cans"]
    )
    def get(self, request: Request, can_id: str) -> Response:
        """
        The last hundred changes of one can's facts, the newest first, also of facts that were deleted.

        Who made them is told to whoever has signed in.
        """
        queries.known(request.query_params, set())
        changes = changes_of(can_id) if is_can_id(can_id) else ()
        if not changes and not (is_can_id(can_id) and Can.objects.filter(can_id=can_id).exists()):
            raise NotFound("No details of this can are known, nor were any.")
        answer = {
            "can_id": can_id,
            "results": [
                {
                    "at": instant(change.at),
                    "kind": change.kind,
                    "by": change.by if request.user.is_authenticated else None,
                    "via": change.via,
                    "facts": [
                        {"name": name, "before": before, "after": after}
                        for name, (before, after) in change.facts.items()
                    ],
                }
                for change in changes
            ],
            "links": {"facts": request.build_absolute_uri(reverse("can-facts", args=[can_id]))},
        }
        return Response(ChangesPage(answer) if self.is_page else answer)
