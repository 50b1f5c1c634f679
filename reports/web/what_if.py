"""Other rounds, tried on the fleet's own past: a sample of cans, and a bounded number of requests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from operator import add
from types import MappingProxyType
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.insight.cycles import Stage
from reports.insight.fold import Row, reading_in
from reports.insight.what_if import Outcome, WhatIf, what_if
from reports.report import iso
from reports.web import collection_queries, collection_schemas, examples
from reports.web.answers import can_links
from reports.web.collection_queries import WhatIfQuery, what_if_query
from reports.web.part_of_fleet import LOOKED_AT, cans_of
from reports.web.problems import InvalidQuery, answered
from reports.web.rendering import Page
from reports.web.view import REFUSALS, ApiView, root_address, whole_number
from trashsite.aws import side_by_side

#: Reports of one can that are read at most: 60 days of one in half an hour.
MOST_REPORTS = 3_000
#: Parameters of the page's form that may break a rule.
FIELDS = ("threshold", "days", "hour", "days_back", "area", "cans")
#: Emptyings of one can that are read at most: five a day.
MOST_EMPTYINGS = 450
_WEEK_H = 7 * 24


@dataclass(frozen=True, slots=True)
class TriedCan:
    """One can of the sample. is_shortened: it has more reports than were read."""

    can_id: str
    root: str
    told: WhatIf
    is_shortened: bool

    def json(self) -> dict[str, Any]:
        return {"can_id": self.can_id, **_json(self.told), "links": can_links(self.root, self.can_id)}


@dataclass(frozen=True, slots=True)
class Trial:
    """
    Other rounds, tried on some cans. chosen_from: how many there were to choose from; is_cut: whether there are more.
    """

    query: WhatIfQuery
    until: datetime
    root: str
    cans: Sequence[TriedCan]
    chosen_from: int
    is_cut: bool

    @property
    def told(self) -> WhatIf:
        return reduce(add, (can.told for can in self.cans), WhatIf())

    @property
    def shortened(self) -> int:
        return sum(can.is_shortened for can in self.cans)

    def a_week(self, outcome: Outcome) -> tuple[float, float]:
        """Return the collections and the overflow hours of a can in a week."""
        weeks = self.told.known_h / _WEEK_H
        return (outcome.collections / weeks, outcome.overflow_h / weeks) if weeks else (0.0, 0.0)

    def json(self) -> dict[str, Any]:
        query, site = self.query, self.root.removesuffix("reports/")
        return {
            "threshold": query.threshold,
            "days": list(query.days),
            "hour": query.hour,
            "since": iso(query.since),
            "until": iso(self.until),
            "rounds": len(query.rounds),
            "cans": len(self.cans),
            "chosen_from": self.chosen_from,
            "complete": not self.is_cut,
            "shortened": self.shortened,
            **_json(self.told),
            "results": list(self.cans),
            "links": {"self": f"{site}collections/what-if", "list": f"{site}collections"},
        }


@dataclass(frozen=True)
class WhatIfPage(Page):
    """
    A trial as a page; trial: None where what was asked for breaks a rule. rows: what happened and what would have, each
    with its collections and overflow hours, in all and for a can and week.
    """

    template: ClassVar[str] = "reports/what_if.html"

    trial: Trial | None
    query: WhatIfQuery
    rows: Sequence[tuple[str, Outcome, tuple[float, float]]]
    typed: Mapping[str, str]
    wrong: Mapping[str, str]
    day_names: Sequence[str]
    most_reports: int = MOST_REPORTS
    looked_at: int = LOOKED_AT


class WhatIfView(ApiView):
    """What other rounds would have made of the past."""

    @extend_schema(
        operation_id="what_if",
        parameters=[
            OpenApiParameter(
                "threshold",
                {"type": "number", "minimum": 0, "maximum": 100},
                description="Percent from which on a round empties a can (default: 70).",
            ),
            OpenApiParameter("days", str, description="Days of the rounds, as mon,thu (default)."),
            whole_number("hour", 0, 23, "Of the rounds, in the site's time zone (default: 6)."),
            whole_number("days_back", 1, collection_queries.MOST_DAYS_BACK, "How far to look back (default: 60)."),
            OpenApiParameter("stream", str, description="The waste stream, in any case."),
            OpenApiParameter("area", {"type": "string", "maxLength": 128}, description="As in the collection list."),
            whole_number("cans", 1, collection_queries.MOST_CANS, "Cans of the sample at most (default: 20)."),
        ],
        responses={200: collection_schemas.WhatIfAnswer, **REFUSALS},
        examples=[examples.WHAT_IF],
        tags=["collections"],
    )
    def get(self, request: Request) -> Response:
        """
        Other rounds and another threshold, tried on what was reported: collections and overflow hours, beside what
        happened.

        A sample of cans, the same each time: chosen by a digest of their ids from the first thousand by id, or from
        those in an area. Of each the newest 3,000 reports of the time are read.
        """
        now = timezone.now()
        try:
            query = what_if_query(request.query_params, now)
        except InvalidQuery as error:
            problem = answered(error)
            if not self.is_page or problem is None:
                raise
            page = _page(request, what_if_query({}, now), None, problem.data, error.beside(FIELDS))
            return Response(page, status=problem.status_code)
        trial = _tried(query, root_address(request), now)
        return Response(_page(request, query, trial, trial) if self.is_page else trial)


def _tried(query: WhatIfQuery, root: str, now: datetime) -> Trial:
    """Return the trial. Costs two Queries a can, as a rule. Raises StoreUnavailable, and the database's errors."""
    found = cans_of(query.part, "id")
    rows = sorted(found.rows.values(), key=lambda row: _digest(row.report.can_id))[: query.cans]
    cans = side_by_side(partial(_tried_on, query, root, now), rows)
    known = sorted((can for can in cans if can.told.known_h), key=lambda can: can.can_id)
    return Trial(query, now, root, known, len(found.rows), found.is_cut)


def _tried_on(query: WhatIfQuery, root: str, now: datetime, row: Row) -> TriedCan:
    can_id = row.report.can_id
    reports, is_whole = store.past_levels(can_id, since=query.since, size=MOST_REPORTS, now=now)
    readings = sorted(
        reading
        for report in reports
        if report.measured_at and (reading := reading_in(report.measured_at, report.level))
    )
    events = store.emptyings(can_id, since=query.since, size=MOST_EMPTYINGS, now=now).items
    told = what_if(
        readings,
        [event.at for event in events if event.stage is Stage.CONFIRMED],
        [int(at.timestamp()) for at in query.rounds],
        threshold=query.threshold,
        full_from=row.rules.full_from,
    )
    return TriedCan(can_id, root, told, not is_whole)


def _digest(can_id: str) -> bytes:
    return hashlib.blake2b(can_id.encode(errors="surrogatepass"), digest_size=8).digest()


def _page(
    request: Request,
    query: WhatIfQuery,
    trial: Trial | None,
    answer: object,
    wrong: Mapping[str, str] = MappingProxyType({}),
) -> WhatIfPage:
    told = trial.told if trial else WhatIf()
    named = (("What happened", told.happened), ("With these rounds", told.instead))
    return WhatIfPage(
        answer,
        trial=trial,
        query=query,
        rows=[(name, outcome, trial.a_week(outcome)) for name, outcome in named] if trial else (),
        typed={name: str(value) for name, value in request.query_params.items()},
        wrong=wrong,
        day_names=collection_queries.DAYS,
    )


def _json(told: WhatIf) -> dict[str, Any]:
    return {
        "known_h": round(told.known_h, 1),
        "happened": _outcome(told.happened),
        "instead": _outcome(told.instead),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"collections": outcome.collections, "overflow_h": round(outcome.overflow_h, 1)}
