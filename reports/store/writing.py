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
from reports.store.errors import DEFECTS, StoreThrottled, StoreUnavailable, as_store_errors
from reports.store.items import (
    HISTORY,
    LEVELS,
    Item,
    day_key,
    dynamodb,
    history_item,
    instant_key,
    latest_values,
    order_key,
    table,
)
from trashsite.aws import Answer, AwsError, AwsThrottled, pause_s, side_by_side

#: Source: AWS, BatchWriteItem and BatchExecuteStatement: 25 a request, no item twice.
BATCH = 25
#: A day's summary is made an hour after its end (reports.store.summaries); half of that is room for clocks.
SETTLED = timedelta(minutes=30)
#: Tries of what is throttled. It then waits in the queue, for in a worker it would hold up what is not.
TRIES = 4
#: Source: AWS, BatchStatementError: codes of a statement that may pass when it is tried again.
THROTTLING = frozenset(
    {
        "InternalServerError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "ThrottlingError",
        "TransactionConflict",
    }
)  # fmt: skip
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
    Returns counts of which stored, repeated and throttled sum to len(reports); a throttled one counts twice where only its row in the history is missing.
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
    return list(iter(lambda: dict(islice(every, BATCH)), {}))


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


def _ask(operation: str, request: Mapping[str, Any]) -> Answer | None:
    """Return DynamoDB's answer, None where it throttles the request as a whole."""
    try:
        return dynamodb().patiently(operation, request, at_once=AwsThrottled)
    except AwsThrottled:
        return None


def _put_history(waiting: _Batch, *, tries: int, over_before: str) -> Outcome:
    """
    Write each row, taking it out of `waiting`, where the throttled ones stay.

    A row that is there already is written over by its equal.

    over_before: days before this one, as "2026-11-24", may have been summed up.
    """
    name = table(HISTORY)
    late = {(each.report.can_id, each.key[:10]) for each in waiting.values() if each.key[:10] < over_before}
    for attempt in range(1, tries + 1):
        wanted = [{"PutRequest": {"Item": history_item(each.report, each.key)}} for each in waiting.values()]
        answer = _ask("BatchWriteItem", {"RequestItems": {name: wanted}}) or {"UnprocessedItems": {name: wanted}}
        unprocessed = {
            request["PutRequest"]["Item"]["order_key"]["S"]
            for request in answer.get("UnprocessedItems", {}).get(name, ())
        }
        throttled = {waiting[key].report.can_id for key in unprocessed}
        if not throttled or attempt == tries:
            # Until its day's summary knows, a late report is not safe.
            _outdate([day for day in late if day[0] not in throttled])
            for key in [key for key, each in waiting.items() if each.report.can_id not in throttled]:
                del waiting[key]
            break
        # The late rows are written over once more.
        for key in [key for key in waiting if key not in unprocessed and key[:10] >= over_before]:
            del waiting[key]
        time.sleep(pause_s(attempt, first_s=0.1, most_s=2.0))
    return Outcome()


def _outdate(days: Collection[tuple[str, str]]) -> None:
    """Mark the summaries of these cans and days, where there are any, as made before the last report came."""
    name = table(HISTORY)
    left = list(days)
    for attempt in range(1, TRIES + 1):
        if not left:
            break
        batch = left[:BATCH]
        statements = [
            {
                "Statement": f'UPDATE "{name}" SET dirty=? WHERE id=? AND order_key=?',  # noqa: S608
                "Parameters": [{"BOOL": True}, {"S": can_id}, {"S": day_key(day)}],
            }
            for can_id, day in batch
        ]
        answer = _ask("BatchExecuteStatement", {"Statements": statements}) or _all_throttled(statements)
        codes = [(result.get("Error") or {}).get("Code") for result in answer["Responses"]]
        # No summary, nothing to outdate.
        settled = {None, "ConditionalCheckFailed", "ConditionalCheckFailedException"}
        again = [each for each, code in zip(batch, codes, strict=True) if code not in settled]
        left = again + left[BATCH:]
        if again:
            time.sleep(pause_s(attempt, first_s=0.1, most_s=2.0))
    if left:
        raise StoreThrottled(f"{len(left)} summaries could not be marked after {TRIES} tries")


def _all_throttled(statements: Sequence[object]) -> Answer:
    return {"Responses": [{"Error": {"Code": "ThrottlingError"}}] * len(statements)}


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
    statements = [statement(each) for each in batch]
    answer = _ask("BatchExecuteStatement", {"Statements": statements}) or _all_throttled(statements)
    for each, result in zip(batch, answer["Responses"], strict=True):
        error = result.get("Error") or {}
        code = error.get("Code", "")
        if not error:
            passed.append(each.report.can_id)
        elif code in {"ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem"}:
            failed.append((each.report.can_id, error.get("Item")))
        elif code in DEFECTS:
            raise AwsError("ValidationException", f"{error.get('Message')} (can {each.report.can_id!r})")
        elif code.removesuffix("Exception") not in THROTTLING:
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
        "Statement": _update_statement(table(LEVELS), tuple(values)),
        "Parameters": [*values.values(), {"S": each.report.can_id}, {"S": each.key}],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _insert(each: _Keyed) -> dict[str, Any]:
    values = {"id": {"S": each.report.can_id}, **latest_values(each.report, each.key)}
    members = ", ".join(f"'{name}': ?" for name in values)
    return {
        "Statement": f'INSERT INTO "{table(LEVELS)}" VALUE {{{members}}}',
        "Parameters": list(values.values()),
    }


def _standing(failed: Sequence[_Failed]) -> dict[str, str | None]:
    """
    Return the order key that the table holds for each can, "" where its row has none, None where there is no row.

    AWS sends the row that stood in the way along; where the answer has none, one BatchGetItem tells.
    """
    keys = {can_id: item.get("order_key", {}).get("S", "") if item else None for can_id, item in failed}
    name = table(LEVELS)
    unknown = [{"id": {"S": can_id}} for can_id, item in failed if not item]
    for attempt in range(1, TRIES + 1):
        if not unknown:
            break
        wanted = {"Keys": unknown, "ProjectionExpression": "id, order_key", "ConsistentRead": True}
        request = {"RequestItems": {name: wanted}}
        answer = _ask("BatchGetItem", request) or {"Responses": {}, "UnprocessedKeys": {name: wanted}}
        for item in answer["Responses"].get(name, ()):
            keys[item["id"]["S"]] = item.get("order_key", {}).get("S", "")
        unknown = answer.get("UnprocessedKeys", {}).get(name, {}).get("Keys", [])
        if unknown:
            time.sleep(pause_s(attempt, first_s=0.1, most_s=2.0))
    if unknown:
        raise StoreThrottled(f"{len(unknown)} levels are still unread after {TRIES} tries")
    return keys
