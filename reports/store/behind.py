"""Which cans' rows this process left marked as late, and which it has just caught up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reports.store.dynamodb import LEVELS
from reports.store.keys import row_place
from trashsite.names import full_name

#: A can whose reports keep coming late is caught up once in this time by a process; until then its row is marked.
CATCH_UP_EVERY = timedelta(seconds=60)
#: Cans that a process knows to be marked, at most; others wait for their next report.
MOST_BEHIND = 10_000
#: Cans of which a process remembers when it caught them up, at most.
REMEMBERED = 512

#: By table and can: the cans whose rows this process left marked, in the order in which it did.
_behind: dict[tuple[str, str], None] = {}
#: By table and can: when this process caught it up last.
_caught_up_at: dict[tuple[str, str], datetime] = {}


def note_catch_up(can_id: str, now: datetime) -> None:
    """Remember that a can was caught up, for `is_just_caught_up`."""
    if len(_caught_up_at) >= REMEMBERED:
        _caught_up_at.clear()
    _caught_up_at[row_place(can_id)] = now


def forget_catch_up(can_id: str) -> None:
    """Let a can catch up at once, though it just did."""
    _caught_up_at.pop(row_place(can_id), None)


def is_just_caught_up(can_id: str, now: datetime) -> bool:
    """Say whether this process caught a can up less than CATCH_UP_EVERY ago."""
    return now - _caught_up_at.get(row_place(can_id), datetime.min.replace(tzinfo=UTC)) < CATCH_UP_EVERY


def note_behind(can_id: str) -> None:
    """Remember that a can's row is marked, for `next_behind`."""
    if len(_behind) < MOST_BEHIND:
        _behind[row_place(can_id)] = None


def next_behind(now: datetime) -> str | None:
    """Take the can that has been marked for longest from those that this process remembers, and may catch up again."""
    table = full_name(LEVELS)
    for place in list(_behind):
        if place[0] == table and not is_just_caught_up(place[1], now):
            _behind.pop(place, None)
            return place[1]
    return None
