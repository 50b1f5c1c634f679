"""Writing: each report once into the history, then folded into its can's row."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

from django.conf import settings

from reports.insight.change import Change
from reports.insight.entered import Limits
from reports.insight.fold import NO_LIMITS
from reports.report import Report
from reports.store.batches import READS, WRITES, ask, error_code, execute_once, pause, put_once, sent_again
from reports.store.dynamodb import HISTORY, LEVELS, Item
from reports.store.errors import Outcome, StoreUnavailable, as_store_errors
from reports.store.keys import Keyed, day_key, instant_key, order_key
from reports.store.reading import AFTER_ALL
from reports.store.report_items import history_item
from reports.store.rows import Judged, keep_decisions, put_rows, read_rows
from reports.store.told_changes import Watch
from reports.store.turns import Turn
from reports.store.written_rows import refresh
from trashsite.aws import side_by_side
from trashsite.names import full_name

#: A day's summary is made an hour after its end (reports.store.summaries); half of that is for clocks that differ.
SETTLED = timedelta(minutes=30)
#: Cans of which this process remembers that they have a row, at most.
MOST_KNOWN = 65_536
#: Tries of what is throttled. It then waits in the queue, for in a worker it would hold up what is not.
TRIES = 4
#: Nothing is tried again after that: the last requests take some seconds more where the store is slow, and a task of
#: 18 s counts as one that hangs (trashsite.sqs.channel.STALLED_S).
WITHIN_S = 8.0

#: Says which of some new cans may be stored.
Admit = Callable[[Sequence[str]], Collection[str]]


def put_reports(
    reports: Sequence[Report],
    *,
    now: datetime,
    tries: int = TRIES,
    admit: Admit | None = None,
    by_stream: Mapping[str, Limits] = NO_LIMITS,
    watch: Watch | None = None,
) -> Outcome:
    """
    Store each report once, and keep, per can, the one measured last and what it leaves unsaid (reports.insight.fold).

    reports: any number, any order, repeats allowed; `level` in percent, 0-100. now: the time, by which the
    summary of a day that is over is told that a report came late. tries: of what is throttled. admit: asked about cans
    that have no row; nothing is stored of those that it leaves out. by_stream: the limits that were entered of streams.
    watch: asked of which changes of a can's status to tell; the outcome, and that of an error, holds them, and once
    more where a report that made one comes again.
    Returns counts of which stored, repeated, throttled and refused sum to len(reports). Safe to call again with the
    same ones. Costs, where no other worker writes the same can: half a read unit a can, and of write units one a report
    for the history, one a can for its row, and two for each index row that moves. A can's first two reports ask the
    register what was entered of it.

    Raises StoreUnavailable; its `unsaved` holds exactly those not yet known to be stored, its `outcome` the others.
    """
    keyed = [Keyed(report, order_key(report)) for report in reports]
    left = {each.key: each for each in keyed}
    put = _Put(left, now, admit, repeated=len(reports) - len(left))
    until_s = put.began_s + WITHIN_S
    for attempt in range(1, tries + 1):
        reasons = _store_what_is_left(put, by_stream, watch, until_s)
        if not put.left or reasons or time.monotonic() > until_s:
            break
        # What is throttled is tried again once all else is stored.
        if attempt < tries:
            pause(attempt)
    outcome = _outcome(put, keyed)
    if reasons:
        unsaved = (*outcome.throttled, *outcome.refused)
        raise StoreUnavailable(reasons[0], unsaved, replace(outcome, throttled=(), refused=()))
    return outcome


@dataclass(slots=True)
class _Put:
    """
    Reports on their way into the store, by their sort keys, and what has become of them so far.

    left: neither stored nor refused. safe: the keys of those whose history needs no more. refused: of new cans that
    were not admitted. items: the rows of their cans as they were read, None where there is none.
    """

    left: dict[str, Keyed]
    now: datetime
    admit: Admit | None
    safe: set[str] = field(default_factory=set)
    refused: dict[str, Keyed] = field(default_factory=dict)
    items: dict[str, Item | None] = field(default_factory=dict)
    began_s: float = field(default_factory=time.monotonic)
    stored: int = 0
    older: int = 0
    repeated: int = 0
    new: int = 0
    emptied: int = 0
    changes: list[Change] = field(default_factory=list)


#: Reports by their cans, each can's in the order of measurement.
_Cans = dict[str, list[Keyed]]


def _store_what_is_left(
    put: _Put, by_stream: Mapping[str, Limits], watch: Watch | None, until_s: float
) -> Sequence[str]:
    """Store what DynamoDB takes of what is left; return why the store is away: nothing where it throttles alone."""
    cans = _by_can(put.left.values())
    with Turn(cans) as turn:
        reasons = _read_and_write_history(put, cans, turn)
        ready = {
            can_id: safely
            for can_id, mine in cans.items()
            if can_id in put.items and (safely := [each for each in mine if each.key in put.safe])
        }
        written, reasons_of_rows = put_rows(ready, put.items, put.now, by_stream, watch, until_s=until_s)
    # Others need not wait for what is kept beside the rows.
    judged, reasons_of_decisions = keep_decisions(written, ready, put.items, put.now)
    _count(put, judged)
    return [*reasons, *reasons_of_rows, *reasons_of_decisions]


def _read_and_write_history(put: _Put, cans: _Cans, turn: Turn) -> list[str]:
    """
    Read the rows of cans and write the history of their reports, side by side, then wait for the batch's turn.

    The history comes first: who folds a row again from it finds there all that was folded into the row. Of cans that
    may be new it waits for their rows, which tell whether they are: those that are not admitted leave `cans`.
    Returns why the store is away.
    """
    unread = [can_id for can_id in cans if can_id not in put.items]
    unknown = set(unread) - _known_cans() if put.admit else set()
    reasons = _run(
        [
            *_history(put, [mine for can_id, mine in cans.items() if can_id not in unknown]),
            *_in_parts(partial(read_rows, items=put.items), unread, READS),
        ]
    )
    turn.wait()
    refresh(put.items, put.began_s)
    _know(can_id for can_id in unread if put.items.get(can_id))
    if put.admit and unknown:
        for can_id in _not_admitted([can_id for can_id in cans if can_id in unknown], put.items, put.admit):
            put.refused |= {key: put.left.pop(key) for _, key in cans.pop(can_id)}
        reasons += _run([*_history(put, [cans[can_id] for can_id in unknown & cans.keys() & put.items.keys()])])
    return reasons


def _not_admitted(unknown: Iterable[str], items: Mapping[str, Item | None], admit: Admit) -> set[str]:
    without_row = [can_id for can_id in unknown if can_id in items and items[can_id] is None]
    return set(without_row).difference(admit(without_row)) if without_row else set()


def _count(put: _Put, judged: Iterable[Judged]) -> None:
    """Count the reports of cans that are done: they are left no more."""
    for each in judged:
        fresh = 0
        for _, key in each.reports:
            del put.left[key]
            fresh += key != each.standing
        put.stored += fresh
        put.repeated += len(each.reports) - fresh
        put.older += fresh - (each.reports[-1].key > each.standing)
        put.emptied += each.emptied
        put.changes += each.changes
        if each.is_new:
            put.new += 1
            _know([each.reports[0].report.can_id])


def _outcome(put: _Put, keyed: Sequence[Keyed]) -> Outcome:
    """Return what has become of all reports: what is left is throttled."""
    throttled, refused = (tuple(each.report for each in keyed if each.key in some) for some in (put.left, put.refused))
    # A repeat of what is throttled is throttled, too, and one of what is refused is refused.
    repeated = put.repeated - (len(throttled) - len(put.left)) - (len(refused) - len(put.refused))
    return Outcome(put.stored, put.older, repeated, throttled, refused, put.new, put.emptied, tuple(put.changes))


# -- cans that this process knows to have a row: their history need not wait for it ------------------------------------

#: By the table's name.
_known: dict[str, set[str]] = {}


def _known_cans() -> set[str]:
    return _known.setdefault(full_name(LEVELS), set())


def _know(can_ids: Iterable[str]) -> None:
    known = _known_cans()
    if len(known) >= MOST_KNOWN:
        known.clear()
    known.update(can_ids)


# -- requests ----------------------------------------------------------------------------------------------------------


def _by_can(keyed: Iterable[Keyed]) -> _Cans:
    """Return reports by their cans, each can's in the order of measurement."""
    cans: _Cans = defaultdict(list)
    for each in keyed:
        cans[each.report.can_id].append(each)
    for mine in cans.values():
        mine.sort(key=attrgetter("key"))
    return cans


def _history(put: _Put, cans: Iterable[Sequence[Keyed]]) -> Iterator[_Job]:
    """Yield jobs that write the history of those reports of some cans that are not safe yet."""
    if not settings.TRASH_HISTORY_DAYS:
        put.safe |= {each.key for mine in cans for each in mine}
        return
    unsafe = [each for mine in cans for each in mine if each.key not in put.safe]
    over_before = instant_key(put.now - SETTLED)[:10]
    yield from _in_parts(partial(_put_history, safe=put.safe, over_before=over_before), unsafe, WRITES)


_Job = Callable[[], object]


def _in_parts(do: Callable[[Any], object], entries: Sequence[Any], size: int) -> Iterator[_Job]:
    """Yield jobs that do so many of the entries each."""
    for at in range(0, len(entries), size):
        yield partial(do, entries[at : at + size])


def _run(jobs: Sequence[_Job]) -> list[str]:
    """Do jobs side by side; return why the store is away: nothing where all that is left is throttled."""
    return [reason for reason in side_by_side(_attempt, jobs) if reason]


def _attempt(job: _Job) -> str:
    try:
        with as_store_errors():
            job()
    except StoreUnavailable as error:
        return str(error) or "the store is away"
    return ""


def _put_history(batch: Sequence[Keyed], *, safe: set[str], over_before: str) -> None:
    """
    Write up to 25 rows, and add the keys of those to `safe` that need nothing more; the others are throttled.

    A row that is there already is written over by its equal. over_before: days before this one, as "2026-11-24", may
    have been summed up.
    """
    name = full_name(HISTORY)
    rows = [history_item(each.report, each.key) for each in batch]
    unwritten = {item["order_key"]["S"] for item in put_once(name, rows)}
    written = [each for each in batch if each.key not in unwritten]
    # A late report is not safe before its day's summary knows of it.
    unmarked = _outdate({(each.report.can_id, each.key[:10]) for each in written if each.key[:10] < over_before})
    safe.update(each.key for each in written if (each.report.can_id, each.key[:10]) not in unmarked)


def _outdate(days: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """
    Mark the summaries of up to 25 cans and days, where there are any, as made before the last report came.

    Returns those that are throttled.
    """
    if not days:
        return set()
    statements = [
        {
            "Statement": f'UPDATE "{full_name(HISTORY)}" SET dirty=? WHERE id=? AND order_key=?',  # noqa: S608
            "Parameters": [{"BOOL": True}, {"S": can_id}, {"S": day_key(day)}],
        }
        for can_id, day in days
    ]
    # No summary, nothing to mark.
    settled = {"", "ConditionalCheckFailed"}
    results = zip(days, execute_once(statements), strict=True)
    return {day for day, result in results if error_code(result) not in settled}


def replace_reports(pairs: Sequence[tuple[Report, Report]]) -> None:
    """
    Put each second report in the place of the first, in the history and in the summaries of its day.

    pairs: of one can, each of one instant. The can's row follows by `fold_can_again`. A new one is written before the
    old one is deleted: where this ends in the middle, do it again. Raises StoreUnavailable.
    """
    for at in range(0, len(pairs), WRITES):
        new = [Keyed(report, order_key(report)) for _, report in pairs[at : at + WRITES]]
        kept = {each.key for each in new}
        old = [key for report, _ in pairs[at : at + WRITES] if (key := order_key(report)) not in kept]
        safe: set[str] = set()
        with as_store_errors():
            for attempt in range(1, TRIES + 1):
                unsafe = [each for each in new if each.key not in safe]
                if not unsafe:
                    break
                if attempt > 1:
                    pause(attempt)
                # Of today, too: a report may wait for hours while its day goes by.
                _put_history(unsafe, safe=safe, over_before=AFTER_ALL)
            if safe != kept or sent_again(old, partial(_delete_once, new[0].report.can_id), tries=TRIES):
                raise StoreUnavailable("DynamoDB throttles writes of the history")


def _delete_once(can_id: str, keys: Sequence[str]) -> Sequence[str]:
    """Delete up to 25 rows of a can's history; return the keys of those that DynamoDB left unprocessed."""
    name = full_name(HISTORY)
    wanted = [{"DeleteRequest": {"Key": {"id": {"S": can_id}, "order_key": {"S": key}}}} for key in keys]
    answer = ask("BatchWriteItem", {"RequestItems": {name: wanted}}) or {"UnprocessedItems": {name: wanted}}
    left = answer.get("UnprocessedItems", {}).get(name, ())
    return [each["DeleteRequest"]["Key"]["order_key"]["S"] for each in left]
