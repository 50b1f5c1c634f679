"""When one can was emptied, as its levels show."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.insight.cycles import Emptied
from reports.insight.fold import Row
from reports.web import cursors, examples, queries, schemas
from reports.web.answers import can_links, emptied_json
from reports.web.csv_cells import harmless
from reports.web.known_can import known_row, undecided
from reports.web.rendering import CSVRenderer, JSONRenderer, Page, PageRenderer
from reports.web.view import REFUSALS, UNKNOWN, ApiView, page_address, page_parameters, root_address

#: Emptyings of a CSV file at most: a can that is emptied daily has as many in 27 years.
MOST_IN_CSV = 10_000
COLUMNS = ("can_id", "at", "before", "after", "stage", "known_at")


@dataclass(frozen=True)
class EmptyingsPage(Page):
    """The emptyings of one can as a page. next: the address of the next one."""

    template: ClassVar[str] = "reports/emptyings.html"

    can_id: str
    items: Sequence[Emptied]
    next: str | None
    csv_address: str


class EmptyingsView(ApiView):
    """When one can was emptied."""

    renderer_classes = (JSONRenderer, PageRenderer, CSVRenderer)

    @extend_schema(
        operation_id="emptyings",
        parameters=page_parameters(cursors.MAX_SIZE),
        responses={
            (200, "application/json"): schemas.EmptyingsAnswer,
            (200, "text/csv"): str,
            **UNKNOWN,
            **REFUSALS,
        },
        examples=[examples.EMPTYINGS, examples.UNKNOWN],
        tags=["reports"],
    )
    def get(self, request: Request, can_id: str) -> Response | HttpResponseBase:
        """
        When one can was emptied, as its levels show, the newest first.

        PROVISIONAL: the newest report shows it. CONFIRMED: a later one did, too. TAKEN_BACK: the level came back.
        """
        query = queries.emptyings_query(request.query_params, can_id)
        row, now = known_row(can_id), timezone.now()
        if isinstance(request.accepted_renderer, CSVRenderer):
            return _csv(can_id, row, now)
        items, after = _page_of(can_id, row, query.after, query.size, now)
        links = can_links(root_address(request), can_id)
        next_ = page_address(request, links["emptyings"], after and cursors.seal(after, query.scope))
        answer = {
            "can_id": can_id,
            "page_size": query.size,
            "results": [emptied_json(each) for each in items],
            "next": next_,
            "links": {"self": links["emptyings"], "can": links["self"]},
        }
        if self.is_page:
            return Response(EmptyingsPage(answer, can_id, items, next_, f"{request.path}?format=csv"))
        return Response(answer)


def _page_of(
    can_id: str, row: Row | None, after: str | None, size: int, now: datetime
) -> tuple[list[Emptied], str | None]:
    """Return some emptyings, the newest first, and the position after the last. Raises StoreUnavailable."""
    found = store.emptyings(can_id, after=after, size=size, now=now)
    return [*(undecided(row) if after is None else ()), *found.items], found.next


def _csv(can_id: str, row: Row | None, now: datetime) -> HttpResponse:
    """Answer with all emptyings of a can: a whole file, or no file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for each in _all(can_id, row, now):
        cells = (can_id, *(str(value) for value in emptied_json(each).values()))
        writer.writerow([harmless(cell) for cell in cells])
    headers = {"Content-Disposition": 'attachment; filename="emptyings.csv"'}
    body = text.getvalue().encode(errors="backslashreplace")
    return HttpResponse(body, content_type="text/csv; charset=utf-8", headers=headers)


def _all(can_id: str, row: Row | None, now: datetime) -> Iterator[Emptied]:
    after, count = None, 0
    while count < MOST_IN_CSV:
        items, after = _page_of(can_id, row, after, cursors.MAX_SIZE, now)
        yield from items
        count += len(items)
        if after is None:
            return
