"""What the overview says of the most urgent cans beside their levels: who they are, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from reports import store
from reports.insight.fleet_counts import Urgent
from reports.insight.fold import Row
from reports.insight.since import Since, since
from reports.insight.standing import Standing, standing
from reports.insight.status import SILENT_AFTER, Status
from reports.models import Facts, facts_of
from reports.web import database
from reports.web.answers import facts_or_not, instant


@dataclass(frozen=True, slots=True)
class UrgentRow:
    """
    A can that needs attention.

    standing: its status as it was counted, without the reason. facts, has_facts: as in reports.web.answers.Row. since:
    None where it is not known.
    """

    urgent: Urgent
    measured_at: datetime | None
    standing: Standing
    facts: Facts | None
    has_facts: bool
    since: Since | None

    def json(self) -> dict[str, Any]:
        return {
            **asdict(self.urgent),
            "since": instant(self.since.at) if self.since else None,
            "or_earlier": bool(self.since and self.since.or_earlier),
            **facts_or_not(self.facts, self.has_facts),
        }


#: When the last count was, and its rows, as old as all else that the overview shows. One value, so that no thread reads
#: the time of one count and the rows of another.
_held: tuple[datetime, Sequence[UrgentRow]] | None = None


def rows(urgent: Sequence[Urgent], counted_at: datetime) -> Sequence[UrgentRow]:
    """Return what is known of these cans; asks once a count, by a BatchGetItem and a query. Raises StoreUnavailable."""
    global _held  # noqa: PLW0603
    held = _held
    if held and held[0] == counted_at:
        return held[1]
    can_ids = [each.can_id for each in urgent]
    found = store.latest_rows(can_ids) if can_ids else {}
    cans, has_facts = database.ask(lambda: facts_of(can_ids))
    made = [
        UrgentRow(
            each,
            at := datetime.fromisoformat(each.measured_at) if each.measured_at else None,
            _standing(each, at, found.get(each.can_id), counted_at),
            can.facts if cans and (can := cans.get(each.can_id)) else None,
            has_facts,
            since(row, Status(each.status)) if (row := found.get(each.can_id)) else None,
        )
        for each in urgent
    ]
    if has_facts:
        _held = counted_at, made
    return made


def _standing(urgent: Urgent, at: datetime | None, row: Row | None, counted_at: datetime) -> Standing:
    """Return how a can stood when it was counted; its row, if it was read, tells what the count does not."""
    status = Status(urgent.status)
    is_old = status is Status.SILENT or bool(at and counted_at - at > SILENT_AFTER)
    if row is None:
        return Standing(status, "", is_old, None)
    return replace(standing(row, counted_at), status=status, is_old=is_old)


def forget() -> None:
    """Ask anew when next asked: as between tests."""
    global _held  # noqa: PLW0603
    _held = None
