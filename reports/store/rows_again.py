"""
A can's row changed by something else than a report: what an operator entered, what a held measurement told, new levels.

Each is folded into the row that stands, and written on the condition that it still does (reports.store.rows).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from reports.insight.alarms import Told
from reports.insight.change import Change
from reports.insight.entered import Entered, Limits
from reports.insight.fold import ALL, NO_LIMITS, Row, enter, fold, hold
from reports.store.batches import CHANGED, CONTENDED, READS, error_code, is_throttled, pause
from reports.store.behind import forget_catch_up, next_behind, note_behind, note_catch_up
from reports.store.dynamodb import Item
from reports.store.emptying_rows import put_emptyings
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.keys import Keyed
from reports.store.reading import AFTER_ALL, query_history
from reports.store.row_items import row_of, row_values
from reports.store.row_statements import Replacement, write_rows
from reports.store.rows import (
    ROUNDS,
    Folded,
    catch_up,
    decisions_of,
    item_of,
    least_key,
    read_rows,
    sent_in,
    unmark,
)
from reports.store.told_changes import Watch, note_changes, seconds_of

#: Sends alerts of changes, and says whether that was possible.
Tell = Callable[[Sequence[Change]], bool]

# -- what a measurement told of which no report came -------------------------------------------------------------------


def hold_in_rows(told: Mapping[str, Told], now: datetime, watch: Watch | None = None) -> list[Change]:
    """
    Keep in each can's row what a measurement without a level told of fire and tilt, unless a later one is known.

    A can that has no row yet has none for that. Costs half a read unit a can, and a write unit. Safe to call again.
    Returns the changes of statuses that are to be told, as `watch` says. Raises StoreUnavailable.
    """
    left, items, changes = list(told), dict[str, Item | None](), list[Change]()
    for attempt in range(1, ROUNDS + 1):
        with as_store_errors():
            throttled = _read_all(left, items, consistent=attempt > 1)
        replacements, changed = list[Replacement](), dict[str, list[Change]]()
        for can_id in left:
            item = items.get(can_id)
            stands = row_of(item) if item else None
            row = hold(stands, told[can_id].at, told[can_id].events) if stands else None
            new: Item | None = None
            if item and row and row != stands:
                new = item_of(item, row)
            if row and watch:
                seconds = [math.floor(told[can_id].at.timestamp())]
                changed[can_id] = note_changes(new, (item, stands), row, seconds, now, watch)
            if item and new:
                replacements.append((item, new))
            else:
                changes += changed.get(can_id, ())
        left = list(throttled)
        for can_id, result in write_rows(replacements):
            code = error_code(result)
            if code in CHANGED or is_throttled(result):
                left.append(can_id)
            elif code:
                raise StoreUnavailable(f"{code} {result['Error'].get('Message')}")
            else:
                changes += changed.get(can_id, ())
        if not left:
            return changes
        pause(attempt, CONTENDED)
    raise StoreUnavailable(f"the rows of {len(left)} cans are written by many at once, or throttled")


def _read_all(can_ids: Sequence[str], items: dict[str, Item | None], *, consistent: bool) -> set[str]:
    """Read any number of rows as `read_rows` does."""
    parts = [can_ids[at : at + READS] for at in range(0, len(can_ids), READS)]
    return {can_id for part in parts for can_id in read_rows(part, items, consistent=consistent)}


# -- what operators entered -------------------------------------------------------------------------------------------


def put_entered(
    can_id: str,
    entered: Callable[[], Entered],
    by_stream: Callable[[], Mapping[str, Limits]],
    now: datetime,
    watch: Watch | None = None,
) -> list[Change]:
    """
    Bring a can's row and its emptyings to what was entered of it: its state is made again from the history.

    entered, by_stream: are asked after the row is read, and again where another writer came between: the last word is
    of whoever read last. A can without a row has its first two reports ask the register, so its entry there comes
    first. Returns the changes of its status that are to be told, as `watch` says, those of an earlier call once more.
    Safe to call again. Raises StoreUnavailable.
    """

    def entered_in(item: Item | None) -> list[Change] | None:
        stands = row_of(item) if item else None
        if item is None or stands is None:
            return []
        row = enter(stands, entered(), by_stream(), least_key)
        if row == stands:
            return note_changes(None, (item, stands), row, None, now, watch) if watch else []
        return _made_again(can_id, item, row, now, watch)

    return _until_done(can_id, entered_in)


def _until_done(can_id: str, change: Callable[[Item | None], list[Change] | None]) -> list[Change]:
    """
    Read a row, give it to `change` and return its answer; again where that is None, as another writer came between.

    Raises StoreUnavailable, also where the row is throttled for long.
    """
    for attempt in range(1, ROUNDS + 1):
        items: dict[str, Item | None] = {}
        with as_store_errors():
            throttled = read_rows([can_id], items, consistent=True)
            if not throttled and (changes := change(items[can_id])) is not None:
                return changes
        pause(attempt, CONTENDED)
    raise StoreUnavailable(f"the row of can {can_id} is written by many at once, or throttled")


# -- what came late, where there is time for it -----------------------------------------------------------------------


def catch_up_some(
    now: datetime, within_s: float, watching: Callable[[], Watch | None] | None = None, tell: Tell | None = None
) -> int:
    """
    Take in what came late of cans whose rows this process left marked, and return of how many.

    within_s: none is begun after that, in seconds. A can costs two Queries of its history at least, and a write of its
    row. watching: returns of which changes of a status to tell, and is asked once there is such a can. tell: sends
    alerts and says whether it could; until then the row stays marked. Never raises StoreUnavailable: a can that is not
    caught up stays marked, for its next report.
    """
    until_s, done = time.monotonic() + within_s, 0
    while time.monotonic() < until_s and (can_id := next_behind(now)):
        items: dict[str, Item | None] = {}
        try:
            watch = watching() if watching else None
            with as_store_errors():
                throttled = read_rows([can_id], items, consistent=True)
                item = items.get(can_id)
                row = row_of(item) if item else None
                if throttled or (
                    item and row and row.late and _made_again(can_id, item, row, now, watch, tell) is None
                ):
                    note_behind(can_id)
                    return done
        except StoreUnavailable:
            note_behind(can_id)
            return done
        note_catch_up(can_id, now)
        done += 1
    return done


# -- a can's row made anew ---------------------------------------------------------------------------------------------


def fold_can_again(can_id: str, now: datetime, watch: Watch | None = None) -> list[Change]:
    """
    Make a can's row and its emptyings anew from all of its history, after reports in it were replaced.

    They are as if each report had come in the order of measurement; what only expired reports told is forgotten.
    Returns the changes of its status that are to be told, as `put_entered` does. Raises StoreUnavailable.
    """
    return _until_done(can_id, lambda item: _folded_again(can_id, item, now, watch))


def _folded_again(can_id: str, item: Item | None, now: datetime, watch: Watch | None) -> list[Change] | None:
    """Fold a row again, write it and return its changes; None where it was written meanwhile, or is throttled."""
    row: Row | None = None
    stood = row_of(item) if item else None
    # What was entered stays, and the limits that follow from it.
    by_stream = {(stood.report.stream or "").casefold(): stood.limits} if stood else NO_LIMITS
    for answer in query_history(can_id, "0", AFTER_ALL, consistent=True):
        for report, key in (keyed for each in answer["Items"] for keyed in sent_in(each)):
            row = fold(row, report, key, by_stream)
            if stood and row.entered != stood.entered:
                row = enter(row, stood.entered, by_stream, least_key)
    if row is None or item is None:
        return []
    # As if all had come too late: so the emptyings that were kept are compared with those that follow now.
    row = replace(row, late=ALL)
    if stood:
        row = replace(row, held=stood.held, asks=stood.asks)
    return _made_again(can_id, item, row, now, watch)


def _made_again(
    can_id: str, item: Item, row: Row, now: datetime, watch: Watch | None, tell: Tell | None = None
) -> list[Change] | None:
    """
    Catch up a row, write it with its emptyings and return the changes of its status that are to be told.

    tell: sends them before the row loses its mark, by which they are found again; None where the caller does, whom an
    operator has told. None where it was written meanwhile, or is throttled, or they could not be sent.
    """
    forget_catch_up(can_id)
    found = catch_up(can_id, Folded(None, row), row, now) if row.late else Folded(None, row)
    assert found.row is not None
    found.item = item_of(item, found.row)
    seconds = seconds_of([Keyed(row.report, row.key)]) if tell else None
    changes = note_changes(found.item, (item, row_of(item)), found.row, seconds, now, watch) if watch else []
    if changes and tell and found.is_caught_up:
        found.row = replace(found.row, late=row.late)
        found.item |= row_values(found.row)
    ((_, result),) = write_rows([(item, found.item)])
    code = error_code(result)
    if code in CHANGED or is_throttled(result):
        return None
    if code:
        raise StoreUnavailable(f"{code} {result['Error'].get('Message')}")
    reason = put_emptyings({can_id: decisions_of(item, found)}).failed.get(can_id)
    if reason:
        raise StoreUnavailable(reason)
    if reason is not None or (changes and tell and not tell(changes)):
        return None
    if found.has_kept_its_mark:
        unmark([found.item])
    return changes
