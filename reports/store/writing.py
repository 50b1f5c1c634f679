"""Writing: each report once into the history, the newest of each can into the levels table."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import islice
from typing import Any

from django.conf import settings

from reports.report import Report
from reports.store.batches import WRITES, error_code, execute_once, get_items, is_throttled, put_once, sent_again
from reports.store.errors import DEFECTS, StoreThrottled, StoreUnavailable, as_store_errors
from reports.store.items import (
    HISTORY,
    LEVELS,
    Item,
    day_key,
    history_item,
    instant_key,
    latest_values,
    order_key,
)
from trashsite.aws import AwsError, pause_s, side_by_side
from trashsite.names import full_name

#: A day's summary is made an hour after its end (reports.store.summaries); half of that is room for clocks.
SETTLED = timedelta(minutes=30)
#: Tries of what is throttled. It then waits in the queue, for in a worker it would hold up what is not.
TRIES = 4
#: Of writes on which another worker's come in between, or a can is new.
ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of the reports given.

    stored: all that are newly stored. older: of these, those older than their can's newest. repeated: those that
    were stored before, as far as can be told. throttled: those of which DynamoDB takes no more for now, as of a can
    that sends without pause; try them later.
    """

    stored: int = 0
    older: int = 0
    repeated: int = 0
    throttled: tuple[Report, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.stored + other.stored,
            self.older + other.older,
            self.repeated + other.repeated,
            self.throttled + other.throttled,
        )


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A report with its sort key, which costs a digest and is needed often."""

    report: Report
    key: str


def put_reports(reports: Sequence[Report], *, now: datetime, tries: int = TRIES) -> Outcome:
    """
    Store each report once and keep, per can, the one measured last.

    reports: any number, any order, repeats allowed; `level` in percent, 0-100. now: the time, by which the
    summary of a day that is over is told that a report came late. tries: of what is throttled.
    Returns counts of which stored, repeated and throttled sum to len(reports); a throttled one counts twice where only
    its row in the history is missing.
    Safe to call again with the same reports.

    Raises StoreUnavailable; its `unsaved` holds exactly those not yet known to be stored.
    """
    keyed = [_Keyed(report, order_key(report)) for report in reports]
    rows = {each.key: each for each in keyed}
    newest: dict[str, _Keyed] = {}
    for each in rows.values():
        if each.key >= newest.setdefault(each.report.can_id, each).key:
            newest[each.report.can_id] = each

    jobs: list[_Job] = []
    if settings.TRASH_HISTORY_DAYS:
        put_history = partial(_put_history, tries=tries, over_before=instant_key(now - SETTLED)[:10])
        jobs += [(put_history, batch) for batch in _batches(rows)]
    jobs += [(partial(_put_latest, tries=tries), batch) for batch in _batches(newest)]

    results = side_by_side(_attempted, jobs)
    unsaved = {each.key for _, waiting in jobs for each in waiting.values()}
    left = tuple(each.report for each in keyed if each.key in unsaved)
    if reason := next((reason for _, reason in results if reason), ""):
        raise StoreUnavailable(reason, left)
    judged = {each.key for each in newest.values()} | unsaved
    older = len(rows.keys() - judged)
    counted = Outcome(stored=older, older=older, repeated=len(reports) - len(rows), throttled=left)
    return sum((outcome for outcome, _ in results), counted)


_Batch = dict[str, _Keyed]
_Job = tuple[Callable[[_Batch], Outcome], _Batch]


def _batches(rows: Mapping[str, _Keyed]) -> list[_Batch]:
    every = iter(rows.items())
    return list(iter(lambda: dict(islice(every, WRITES)), {}))


def _attempted(job: _Job) -> tuple[Outcome, str]:
    """Return what became of a job's reports, and why the store is away: "" where all that is left is throttled."""
    write, waiting = job
    try:
        with as_store_errors():
            return write(waiting), ""
    except StoreThrottled:
        return Outcome(), ""
    except StoreUnavailable as error:
        return Outcome(), str(error)


def _put_history(waiting: _Batch, *, tries: int, over_before: str) -> Outcome:
    """
    Write each row, taking it out of `waiting`, where the throttled ones stay.

    A row that is there already is written over by its equal.

    over_before: days before this one, as "2026-11-24", may have been summed up.
    """
    name = full_name(HISTORY)
    late = {(each.report.can_id, each.key[:10]) for each in waiting.values() if each.key[:10] < over_before}

    def put(keys: Sequence[str]) -> Sequence[str]:
        left = put_once(name, [history_item(waiting[key].report, key) for key in keys])
        unprocessed = {item["order_key"]["S"] for item in left}
        # A late report is not safe before its day's summary knows of it.
        for key in keys:
            if key not in unprocessed and key[:10] >= over_before:
                del waiting[key]
        return [key for key in keys if key in unprocessed]

    left = sent_again(list(waiting), put, tries=tries)
    throttled = {waiting[key].report.can_id for key in left}
    _outdate([day for day in late if day[0] not in throttled])
    for key in [key for key, each in waiting.items() if each.report.can_id not in throttled]:
        del waiting[key]
    return Outcome()


def _outdate(days: Collection[tuple[str, str]]) -> None:
    """Mark the summaries of up to 25 cans and days, where there are any, as made before the last report came."""
    name = full_name(HISTORY)

    def mark(days: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        statements = [
            {
                "Statement": f'UPDATE "{name}" SET dirty=? WHERE id=? AND order_key=?',  # noqa: S608
                "Parameters": [{"BOOL": True}, {"S": can_id}, {"S": day_key(day)}],
            }
            for can_id, day in days
        ]
        # No summary, nothing to mark.
        settled = {"", "ConditionalCheckFailed"}
        results = zip(days, execute_once(statements), strict=True)
        return [day for day, result in results if error_code(result) not in settled]

    if left := sent_again(list(days), mark, tries=TRIES):
        raise StoreThrottled(f"{len(left)} summaries could not be marked after {TRIES} tries")


def _put_latest(waiting: _Batch, *, tries: int) -> Outcome:
    """
    Make each report its can's latest unless the table holds a newer one, taking it out of `waiting` once judged.

    The throttled ones stay there. In the steady state this is one request. Where a condition fails, the row that
    stands there tells why: none (the can is new: insert it), an equal one (a repeat, or our own write whose answer
    was lost), a newer one (ours is older), an older one (another worker was in between: again).
    """
    outcome, absent = Outcome(), set[str]()
    for attempt in range(1, ROUNDS + 1):
        failed: list[_Failed] = []
        for cans, statement in ((waiting.keys() - absent, _update), (waiting.keys() & absent, _insert)):
            passed, refused = _execute([waiting[can_id] for can_id in cans], statement)
            outcome += Outcome(stored=len(passed))
            for can_id in passed:
                del waiting[can_id]
            failed += refused
        throttled = waiting.keys() - {can_id for can_id, _ in failed}
        absent.clear()
        for can_id, standing in _standing(failed).items():
            ours = waiting[can_id].key
            if standing is None:
                absent.add(can_id)
            elif standing >= ours:
                outcome += Outcome(repeated=1) if standing == ours else Outcome(stored=1, older=1)
                del waiting[can_id]
        if not waiting or (attempt >= tries and throttled == waiting.keys()):
            return outcome
        if throttled:
            time.sleep(pause_s(attempt, first_s=0.1, most_s=2.0))
    raise StoreUnavailable(f"{len(waiting)} levels are still refused after {ROUNDS} rounds")


_Failed = tuple[str, Item | None]


def _execute(batch: Sequence[_Keyed], statement: Callable[[_Keyed], dict[str, Any]]) -> tuple[list[str], list[_Failed]]:
    """
    Run one statement a report; return the cans whose statement passed, and those whose condition failed.

    The row that stood in the way comes with the latter, where the answer has it. Cans in neither list were
    throttled. Raises StoreUnavailable where the table is missing or forbidden.
    """
    passed: list[str] = []
    failed: list[_Failed] = []
    if not batch:
        return passed, failed
    results = execute_once([statement(each) for each in batch])
    for each, result in zip(batch, results, strict=True):
        code = error_code(result)
        error = result.get("Error") or {}
        if not code:
            passed.append(each.report.can_id)
        elif code in {"ConditionalCheckFailed", "DuplicateItem"}:
            failed.append((each.report.can_id, error.get("Item")))
        elif code in DEFECTS:
            raise AwsError("ValidationException", f"{error.get('Message')} (can {each.report.can_id!r})")
        elif not is_throttled(result):
            raise StoreUnavailable(f"{code} {error.get('Message')}")
    return passed, failed


@cache
def _update_statement(name: str, attributes: tuple[str, ...]) -> str:
    assignments = ", ".join(f'"{attribute}"=?' for attribute in attributes)
    ours_is_newer = "order_key < ?"
    # An item that the lab's own service wrote has no order_key; that one tells no time, so ours wins.
    it_tells_no_time = "order_key IS MISSING"
    return f'UPDATE "{name}" SET {assignments} WHERE id=? AND ({ours_is_newer} OR {it_tells_no_time})'  # noqa: S608


def _update(each: _Keyed) -> dict[str, Any]:
    values = latest_values(each.report, each.key)
    return {
        "Statement": _update_statement(full_name(LEVELS), tuple(values)),
        "Parameters": [*values.values(), {"S": each.report.can_id}, {"S": each.key}],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _insert(each: _Keyed) -> dict[str, Any]:
    values = {"id": {"S": each.report.can_id}, **latest_values(each.report, each.key)}
    members = ", ".join(f"'{name}': ?" for name in values)
    return {
        "Statement": f'INSERT INTO "{full_name(LEVELS)}" VALUE {{{members}}}',
        "Parameters": list(values.values()),
    }


def _standing(failed: Sequence[_Failed]) -> dict[str, str | None]:
    """
    Return the order key that the table holds for each can, "" where its row has none, None where there is no row.

    AWS sends the row that stood in the way along; where the answer has none, one BatchGetItem tells.
    """
    keys = {can_id: item.get("order_key", {}).get("S", "") if item else None for can_id, item in failed}
    unknown = [{"id": {"S": can_id}} for can_id, item in failed if not item]
    items, unread = get_items(full_name(LEVELS), unknown, tries=TRIES, consistent=True)
    if unread:
        raise StoreThrottled(f"{len(unread)} levels are still unread after {TRIES} tries")
    return keys | {item["id"]["S"]: item.get("order_key", {}).get("S", "") for item in items}
