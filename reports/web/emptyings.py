"""When one can was emptied, as its levels show, and as operators entered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reports import emptying_changes, store
from reports.emptying_changes import MAX_NOTE
from reports.entered_models import Correction
from reports.insight.cycles import Emptied
from reports.insight.fold import Row
from reports.web import cursors, database, examples, queries, schemas
from reports.web.access import MayEditFacts
from reports.web.answers import can_links, emptied_json, instant
from reports.web.csv_files import csv_file
from reports.web.known_can import known_row, undecided
from reports.web.parsers import ChoiceParser
from reports.web.problems import InvalidFields
from reports.web.rendering import CSVRenderer, JSONRenderer, Page, PageRenderer
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView, page_address, page_parameters, root_address

#: Emptyings of a CSV file at most: a can that is emptied daily has as many in 27 years.
MOST_IN_CSV = 10_000
COLUMNS = ("can_id", "at", "before", "after", "stage", "known_at", "by_operator")


@dataclass(frozen=True)
class EmptyingsPage(Page):
    """
    The emptyings of one can as a page. next: the address of the next one.

    entered: what operators added and struck; None where the database does not tell.
    """

    template: ClassVar[str] = "reports/emptyings.html"

    can_id: str
    items: Sequence[Emptied]
    next: str | None
    csv_address: str
    entered: Sequence[Correction] | None


class CorrectionChange(schemas.Strict):
    """An emptying that is added or struck, and why."""

    action = serializers.ChoiceField(
        schemas.EMPTYING_ACTIONS,
        help_text="To add one that was struck lets it count again; to strike one that was added takes it back.",
    )
    at = serializers.DateTimeField(
        help_text="ISO 8601. To add: when it was. To strike: the first report after it, as the list says."
    )
    note = serializers.CharField(max_length=MAX_NOTE)


class EmptyingsView(ApiView):
    """When one can was emptied."""

    permission_classes = (MayEditFacts,)
    parser_classes = (ChoiceParser,)
    samples = MappingProxyType(
        {"POST": '{"action": "strike", "at": "2026-11-24T09:30:00Z", "note": "the lid stood open"}'}
    )
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

        PROVISIONAL: the newest report shows it. CONFIRMED: a later one did, too, or an operator added it. TAKEN_BACK:
        the level came back, or an operator struck it. Only what is not TAKEN_BACK counts.
        """
        query = queries.emptyings_query(request.query_params, can_id)
        row, now = known_row(can_id), timezone.now()
        if isinstance(request.accepted_renderer, CSVRenderer):
            # All emptyings: a whole file, or no file.
            return csv_file("emptyings.csv", COLUMNS, [_cells(can_id, each) for each in _all(can_id, row, now)])
        items, after = _page_of(can_id, row, query.after, query.size, now)
        entered, _ = database.ask(lambda: list(Correction.objects.filter(can_id=can_id)))
        links = can_links(root_address(request), can_id)
        next_ = page_address(request, links["emptyings"], after and cursors.seal(after, query.scope))
        answer = {
            "can_id": can_id,
            "page_size": query.size,
            "results": [emptied_json(each) for each in items],
            **_entered_json(entered, request.user.is_authenticated),
            "next": next_,
            "links": {"self": links["emptyings"], "can": links["self"]},
        }
        if self.is_page:
            return Response(EmptyingsPage(answer, can_id, items, next_, f"{request.path}?format=csv", entered))
        return Response(answer)

    @extend_schema(
        operation_id="correct_emptyings",
        request=CorrectionChange,
        responses={200: schemas.EmptyingsAnswer, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["reports"],
    )
    def post(self, request: Request, can_id: str) -> Response | HttpResponseBase:
        """
        Add an emptying that no level showed, or strike one that was none, and say why.

        Status, forecast and counts follow at once; the changes of the can keep who did it. Answers as GET does.
        """
        change = CorrectionChange(data=request.data)
        if not change.is_valid():
            raise InvalidFields.of("Nothing was entered.", change.errors)
        known_row(can_id)
        sent = change.validated_data
        enter = emptying_changes.add if sent["action"] == "add" else emptying_changes.strike
        try:
            enter(can_id, sent["at"], sent["note"], by=request.user.get_username(), via="API", now=timezone.now())
        except ValidationError as error:
            raise InvalidFields.of("Nothing was entered.", error.message_dict) from None
        return self.get(request, can_id)


def _entered_json(entered: Sequence[Correction] | None, is_known: bool) -> dict[str, Any]:
    if entered is None:
        return {"unavailable": ["entered"]}
    return {
        "entered": [
            {
                "at": instant(each.at),
                "action": "strike" if each.is_struck else "add",
                "note": each.note,
                "by": each.by if is_known else None,
                "entered_at": instant(each.entered_at),
            }
            for each in entered
        ]
    }


def _page_of(
    can_id: str, row: Row | None, after: str | None, size: int, now: datetime
) -> tuple[list[Emptied], str | None]:
    """Return some emptyings, the newest first, and the position after the last. Raises StoreUnavailable."""
    found = store.emptyings(can_id, after=after, size=size, now=now)
    return [*(undecided(row) if after is None else ()), *found.items], found.next


def _cells(can_id: str, event: Emptied) -> list[str]:
    return [can_id, *map(str, emptied_json(event).values())]


def _all(can_id: str, row: Row | None, now: datetime) -> Iterator[Emptied]:
    after, count = None, 0
    while count < MOST_IN_CSV:
        items, after = _page_of(can_id, row, after, cursors.MAX_SIZE, now)
        yield from items
        count += len(items)
        if after is None:
            return
