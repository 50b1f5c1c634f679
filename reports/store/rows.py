"""
The levels table's rows: read, folded, and written on the condition that they are still the ones that were read.

`version` counts the writes of a row. Version 0.1 of this program, and the lab's own service, write rows without it,
or leave it as it is: so the condition holds `order_key` as well, which each of their writes changes or removes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from reports.formats import native
from reports.insight import entered as entering
from reports.insight.change import Change
from reports.insight.cycles import Reading
from reports.insight.entered import Entered, Limits
from reports.insight.fold import (
    NO_LIMITS,
    Row,
    caught_up,
    enter,
    fold,
    fold_again,
    reading_in,
    trend_begins,
    without_late,
)
from reports.register_kinds import CAN
from reports.report import Report
from reports.store.batches import CHANGED, CONTENDED, READS, error_code, get_items, is_throttled, pause
from reports.store.behind import is_just_caught_up, note_behind, note_catch_up
from reports.store.dynamodb import LEVELS, Item
from reports.store.emptying_rows import Decided, Decisions, before_late, put_emptyings, reconciled
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.keys import Keyed, instant_key
from reports.store.reading import query_history
from reports.store.register import read_entry, register_entries
from reports.store.report_items import report_of
from reports.store.row_items import row_of, row_values, version_of
from reports.store.row_statements import write_rows
from reports.store.told_changes import Watch, note_changes, seconds_of
from reports.store.written_rows import remember, row_in, standing_item
from trashsite.names import full_name

#: Of writes on which other workers' come in between.
ROUNDS = 8
#: Cans that a round catches up, each by two Queries in turn: after an outage nearly every can of a batch has late
#: reports, and a batch took four times as long (2026-11-26). The others' rows stay marked until there is time for them.
CATCH_UPS = 3
#: Reports read to catch up, at most: two or three pages of a megabyte, half a second of CPU.
MOST_CAUGHT_UP = 20_000
log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """
    A can that is done: the sort key that its row held before, "" where there was none, its reports, if it is new.

    emptied: how many emptyings these have confirmed; not those that reports which came late told of. changes: of its
    status, that are to be told.
    """

    standing: str
    reports: Sequence[Keyed]
    is_new: bool = False
    emptied: int = 0
    changes: Sequence[Change] = ()


def read_rows(can_ids: Sequence[str], items: dict[str, Item | None], *, consistent: bool = False) -> set[str]:
    """Put the items of up to a hundred cans into `items`, None where there is none; return the throttled cans."""
    keys = [{"id": {"S": can_id}} for can_id in can_ids]
    found, unread = get_items(full_name(LEVELS), keys, tries=1, consistent=consistent)
    throttled = {key["id"]["S"] for key in unread}
    items.update(dict.fromkeys(can_id for can_id in can_ids if can_id not in throttled))
    items.update((item["id"]["S"], item) for item in found)
    return throttled


@dataclass(slots=True)
class Folded:
    """
    A can's row after its reports. item: to be written, None where it stands as it is.

    Where a catch-up has decided on emptyings, `row` is still marked as late: the mark goes once they are kept.
    """

    item: Item | None
    row: Row | None
    decided: list[Decided] = field(default_factory=list)
    is_caught_up: bool = False
    changes: Sequence[Change] = ()

    @property
    def has_kept_its_mark(self) -> bool:
        return self.is_caught_up and self.row is not None and bool(self.row.late)


def put_rows(
    cans: Mapping[str, Sequence[Keyed]],
    items: dict[str, Item | None],
    now: datetime,
    by_stream: Mapping[str, Limits] = NO_LIMITS,
    watch: Watch | None = None,
    *,
    until_s: float,
) -> tuple[dict[str, Folded], list[str]]:
    """
    Fold each can's reports into its row and write it. In the steady state one request for 25 cans.

    cans: each with its reports in the order of measurement; they are in the history already. items: their rows as they
    were read, replaced where they turn out to have changed. by_stream: the limits that were entered of streams. watch:
    of which changes of a status to tell, None for none. until_s: a monotonic clock's time, after which nothing is tried
    again. Returns what stands now of the cans that are written, for `keep_decisions`, and why others could not be;
    those in neither are throttled, or written by so many at once that they had better wait. Our own write whose answer
    was lost is found to stand there.
    """
    waiting, done, reasons = dict(cans), dict[str, Folded](), list[str]()
    entered = dict[str, Entered]()
    for attempt in range(1, ROUNDS + 1):
        try:
            _ask([can_id for can_id in waiting if can_id not in entered and _asks(items[can_id])], entered)
        except StoreUnavailable as error:
            return done, [*reasons, str(error) or "the register is away"]
        folded, unfolded = _fold_all(waiting, items, now, entered, by_stream, watch)
        tried = _write_all(folded, items)
        done |= {can_id: folded[can_id] for can_id in tried.written}
        reasons += [*unfolded, *tried.reasons]
        throttled = tried.throttled
        unread = [can_id for can_id in tried.changed if can_id not in items]
        try:
            with as_store_errors():
                for at in range(0, len(unread), READS):
                    throttled |= read_rows(unread[at : at + READS], items, consistent=True)
        except StoreUnavailable as error:
            return done, [*reasons, str(error)]
        waiting = {can_id: waiting[can_id] for can_id in tried.changed if can_id not in throttled}
        if not waiting or time.monotonic() > until_s:
            break
        if attempt > 1:
            # The first who come in between are let pass; where there are many, each waits for a moment of its own.
            pause(attempt - 1, CONTENDED)
    return done, reasons


def _fold_all(
    cans: Mapping[str, Sequence[Keyed]],
    items: Mapping[str, Item | None],
    now: datetime,
    entered: Mapping[str, Entered],
    by_stream: Mapping[str, Limits],
    watch: Watch | None,
) -> tuple[dict[str, Folded], list[str]]:
    """Return what each can's row becomes with its reports, and why others cannot be folded."""
    folded, reasons = dict[str, Folded](), list[str]()
    catch_ups = CATCH_UPS
    # All rows are read, then all are folded, then all are made anew: one by one that took a sixth more CPU.
    stands = {can_id: row_in(items[can_id]) for can_id in cans}
    for can_id, mine in cans.items():
        try:
            found = _folded(can_id, stands[can_id], mine, now if catch_ups else None, entered, by_stream)
        except StoreUnavailable as error:
            reasons.append(str(error))
            continue
        catch_ups -= found.is_caught_up
        folded[can_id] = found
    for can_id, found in folded.items():
        if found.row is not None and found.row != stands[can_id]:
            found.item = item_of(items[can_id], found.row)
    if watch:
        for can_id, found in folded.items():
            found.changes = _changes(items[can_id], stands[can_id], found, cans[can_id], now, watch)
    return folded, reasons


@dataclass(slots=True)
class _Tried:
    """
    What became of rows that were to be written, by their cans.

    changed: another worker has written them meanwhile. reasons: why rows that are in none of the others cannot be.
    """

    written: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    throttled: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)


def _write_all(folded: Mapping[str, Folded], items: dict[str, Item | None]) -> _Tried:
    """Write the rows that do not stand already. items: gets what is there instead, nothing where that is unread."""
    tried = _Tried([can_id for can_id, found in folded.items() if found.item is None])
    replacements = [(items[can_id], item) for can_id, found in folded.items() if (item := found.item)]
    for can_id, result in write_rows(replacements):
        code = error_code(result)
        if not code:
            tried.written.append(can_id)
            if (found := folded[can_id]).item and found.row:
                remember(found.item, found.row)
        elif code in CHANGED:
            tried.changed.append(can_id)
            items[can_id] = standing_item(can_id, items[can_id], result["Error"].get("Item"))
            if items[can_id] is None:
                del items[can_id]
        elif is_throttled(result):
            tried.throttled.add(can_id)
        else:
            tried.reasons.append(f"{code} {result['Error'].get('Message')}")
    return tried


def keep_decisions(
    written: Mapping[str, Folded], cans: Mapping[str, Sequence[Keyed]], items: Mapping[str, Item | None], now: datetime
) -> tuple[list[Judged], list[str]]:
    """
    Keep what was decided of cans whose rows are written; return the cans that are done, and why others are not.

    After the row: who writes it last decides, and who dies here comes again with the same reports. items: the rows that
    stood before. Those that are neither done nor told of are throttled.
    """
    judged, reasons = list[Judged](), list[str]()
    kept = put_emptyings(
        {can_id: decisions_of(items[can_id], found) for can_id, found in written.items() if found.decided}
    )
    for can_id, found in written.items():
        if found.is_caught_up:
            note_catch_up(can_id, now)
        elif found.row and found.row.late:
            note_behind(can_id)
        if reason := kept.failed.get(can_id):
            reasons.append(reason)
        elif reason is None:
            emptied = 0 if found.is_caught_up else kept.confirmed[can_id]
            stood = items[can_id]
            judged.append(Judged(_order_key(stood), cans[can_id], stood is None, emptied, found.changes))
    unmark(
        [
            found.item or items[can_id]
            for can_id, found in written.items()
            if found.has_kept_its_mark and can_id not in kept.failed
        ]
    )
    return judged, reasons


def _folded(
    can_id: str,
    stands: Row | None,
    mine: Sequence[Keyed],
    now: datetime | None,
    entered: Mapping[str, Entered],
    by_stream: Mapping[str, Limits],
) -> Folded:
    """
    Return what follows from a can's reports, without the item.

    now: None where it is not to catch up. entered: by can, where its row asks. Raises StoreUnavailable.
    """
    row = stands if stands is None or stands.is_whole else _made_whole(stands)
    decided = list[Decided]()
    for report, key in mine:
        before, row = row, fold(row, report, key, by_stream)
        if row.asks and row is not before and can_id in entered:
            # A row that is made here asks once more: who enters something meanwhile finds no row, and tells nobody.
            row = replace(enter(row, entered[can_id], by_stream, least_key), asks=stands is None)
        # Also where it was the last before: a worker may have died before it kept what was decided.
        if row.decided and (key == row.key or _is_last_reading(report, row)):
            decided.append(Decided(row.decided, row.state))
    found = Folded(None, row, decided)
    return catch_up(can_id, found, row, now) if row is not None and row.late and now else found


def item_of(item: Item | None, row: Row) -> Item:
    """Return the item of a row that is to stand where that item was read, None where none stood."""
    version = {"version": {"N": str(version_of(item) + 1)}}
    return {**(item or {"id": {"S": row.report.can_id}}), **row_values(row), **version}


def _changes(
    item: Item | None, stands: Row | None, found: Folded, mine: Sequence[Keyed], now: datetime, watch: Watch
) -> Sequence[Change]:
    """Return what is to be told of a can after its reports, noted in the item that is about to be written."""
    if found.row is None:
        return ()
    # Who caught up a marked row, and died before it told what that changed, left the mark.
    marked = [Keyed(stands.report, stands.key)] if stands and stands.late else []
    return note_changes(found.item, (item, stands), found.row, seconds_of([*marked, *mine]), now, watch)


def _is_last_reading(report: Report, row: Row) -> bool:
    """Say whether a report is the last that the state knows; of one second that need not be the row's newest."""
    if row.state is None or report.measured_at is None:
        return False
    return reading_in(report.measured_at, report.level) == (row.state.at, row.state.level)


def catch_up(can_id: str, found: Folded, row: Row, now: datetime) -> Folded:
    """Return a can's row with all that came late taken in, where it is time for that. Raises StoreUnavailable."""
    if not settings.TRASH_HISTORY_DAYS:
        return Folded(None, without_late(row), found.decided)
    if is_just_caught_up(can_id, now):
        return found
    start, stood = before_late(can_id, row.late, row.rules)
    readings = _readings(can_id, start.at if start else None, row.key)
    if readings is None or (start is None and row.state is not None and len(set(readings)) < row.state.count):
        log.warning(
            "can %r: the history is too long or too short to take in a report that came late", can_id,
            extra={"can_id": can_id},
        )  # fmt: skip
        return Folded(None, without_late(row), found.decided, is_caught_up=True)
    whole, decided = caught_up(row, start, readings)
    known_at = whole.state.at if whole.state else 0
    last = row.state.emptied if row.state else None
    if last and (start is None or start.emptied is None or last.at > start.emptied.at):
        # Another worker may be about to keep it.
        stood.append(last)
    to_keep = reconciled(decided, stood, known_at)
    # Who dies before these are kept leaves the mark, by which the next one decides on them again.
    return Folded(None, replace(whole, late=row.late) if to_keep else whole, to_keep, is_caught_up=True)


def unmark(items: Sequence[Item | None]) -> None:
    """Take the mark of late reports from rows whose emptyings are kept. Where that fails they are caught up again."""
    replacements = [(item, item_of(item, replace(row, late=""))) for item in items if item and (row := row_in(item))]
    unmarked = {new["id"]["S"]: new for _, new in replacements}
    for can_id, result in write_rows(replacements):
        if not error_code(result) and (row := row_of(unmarked[can_id])):
            remember(unmarked[can_id], row)


def _readings(can_id: str, since: int | None, until_key: str) -> list[Reading] | None:
    """Return a can's readings from a second on, up to a sort key; None where they are too many."""
    least = "0" if since is None else instant_key(datetime.fromtimestamp(since, UTC))
    found = list[Reading]()
    with as_store_errors():
        for answer in query_history(can_id, least, until_key, names=("id", "order_key", "level"), consistent=True):
            for report in map(report_of, answer["Items"]):
                if report and report.measured_at and (reading := reading_in(report.measured_at, report.level)):
                    found.append(reading)
            if len(found) > MOST_CAUGHT_UP:
                return None
    return found


def decisions_of(item: Item | None, folded: Folded) -> Decisions:
    """Return what is to be kept of a can whose row is written. item: the one that stood before."""
    row = folded.row
    assert row is not None and row.report.received_at is not None
    expires_at = row.report.received_at + timedelta(days=settings.TRASH_HISTORY_DAYS)
    return Decisions(folded.decided, row.rules, version_of(folded.item or item), expires_at)


def _asks(item: Item | None) -> bool:
    return item is None or '"asks":1' in item.get("fold", {}).get("S", "")


def _ask(can_ids: Sequence[str], entered: dict[str, Entered]) -> None:
    """Put what operators entered of these cans into `entered`, as the register tells. Raises StoreUnavailable."""
    if can_ids:
        texts = register_entries(CAN, can_ids)
        for can_id in can_ids:
            found = read_entry(CAN, can_id, texts.get(can_id, "{}"), entering.from_text)
            # Where another version wrote it the row goes on asking, and stays as it was entered before.
            if found is not None:
                entered[can_id] = found


def least_key(at: int) -> str:
    return instant_key(datetime.fromtimestamp(at, UTC))


def _made_whole(row: Row) -> Row:
    """Return a row that version 0.1 wrote, folded again from the history of its day. Raises StoreUnavailable."""
    if not settings.TRASH_HISTORY_DAYS:
        return fold_again(row, None)
    with as_store_errors():
        answers = query_history(row.report.can_id, instant_key(trend_begins(row)), row.key, consistent=True)
        return fold_again(row, [keyed for answer in answers for item in answer["Items"] for keyed in sent_in(item)])


def sent_in(item: Item) -> list[Keyed]:
    """Return the report of a row of the history as it was sent: with its stream and location."""
    report = report_of(item)
    if report is None or report.received_at is None:
        return []
    return [Keyed(native.with_stream_and_location(report), item["order_key"]["S"])]


def _order_key(item: Item | None) -> str:
    key: str = (item or {}).get("order_key", {}).get("S", "")
    return key
