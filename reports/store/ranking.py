"""The fleet in an order: read from sharded indexes that hold keys alone, merged here, without a scan of the table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from reports.insight.fold import trend
from reports.report import Report, percent
from reports.store.batches import READS, get_items
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.items import (
    INDEXES,
    LEVELS,
    READ_WITHIN_S,
    SHARDS,
    Item,
    dynamodb,
    index_keys,
    is_band,
    level_part,
    minute_part,
    report_of,
    row_of,
)
from trashsite.aws import AwsError, side_by_side
from trashsite.names import full_name

Keep = Callable[[Report], bool]
Order = Literal["fullest", "emptiest", "silent", "id"]

TRIES = 5
#: Rows that a filtered page looks at before it stops: with eight queries, at most 11 requests.
BUDGET = 300

_INDEX = {"fullest": "by-level", "emptiest": "by-level", "silent": "by-heard", "id": "by-id"}
#: Sort before and after every key: a trimmed id without control characters begins with `!` or higher.
_FIRST, _LAST = " ", "\U0010ffff"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ranked:
    """
    A page of the fleet in an order.

    trends: per can its whole percents over a day, one in two hours, the newest last; None where nothing came.
    first, last: positions of the first and last row looked at. more: there are rows beyond, in the direction
    asked. stopped: the page is short only because enough rows were looked at: search on from `last`
    (or, where it was asked for what is before a position, from `first`).
    """

    items: Sequence[Report]
    first: str | None
    last: str | None
    more: bool
    stopped: bool = False
    trends: Mapping[str, Sequence[int | None]] = field(default_factory=dict)


def ranked(
    order: Order,
    *,
    after: str | None = None,
    before: str | None = None,
    low: int | None = None,
    high: int | None = None,
    until: datetime | None = None,
    prefix: str = "",
    keep: Keep | None = None,
    size: int,
    budget: int = BUDGET,
) -> Ranked:
    """
    Return up to `size` cans in an order, from after a position, or those just before one.

    order: by level either way, the one silent for longest first, or by id. low, high: whole percents, both
    included, where the order is by level. until: last reported then or before, where it is `silent`.
    prefix: of the id, where it is `id`. keep: which rows are wanted. The indexes are coarse (reports.store.items):
    within a page the rows are put into their exact order, from 80 % on it is exact to the percent across pages too,
    and bounds are exact. Costs a Query a shard and a BatchGetItem a hundred rows looked at; an `until` of less than
    twelve hours ago looks also at cans that have reported since.
    Cans that another service wrote are missing until `mend` has seen them. Raises StoreUnavailable.
    """
    keep = _exactly(keep, order, low, high, until)
    backwards = before is not None
    forwards = (order != "fullest") != backwards
    least, most = _bounds(order, low, high, until, prefix)
    position = before if backwards else after
    found: list[tuple[Report, Item]] = []
    looked: list[str] = []
    ahead: list[str] = []
    beyond = True
    while len(found) < size and (ahead or beyond):
        room = budget - len(looked) if keep else size - len(found)
        if room <= 0:
            break
        if not ahead:
            ahead, beyond = _keys(order, forwards, least, most, looked[-1] if looked else position, room)
        # Of a filtered page the first hundred may be enough; of another, every row is wanted.
        batch = ahead[:READS] if keep else ahead
        rows = _items([_can_of(order, key) for key in batch])
        seen = 0
        while seen < len(batch) and len(found) < size:
            # A row may have gone since its key was read.
            item = rows.get(_can_of(order, batch[seen]))
            report = report_of(item) if item else None
            if item and report and (keep is None or keep(report)):
                found.append((report, item))
            seen += 1
        looked += ahead[:seen]
        ahead = ahead[seen:]
    more = bool(ahead) or beyond
    return _page(order, found, looked[::-1] if backwards else looked, more, stopped=more and len(found) < size)


def _exactly(keep: Keep | None, order: Order, low: int | None, high: int | None, until: datetime | None) -> Keep | None:
    """Return `keep`, and beside it what the order's index knows only coarsely of the bounds."""
    tests = [keep] if keep else []
    if order in ("fullest", "emptiest") and not (is_band(low or 0) and (high is None or is_band(high + 1))):
        tests.append(lambda report: (low or 0) <= int(percent(report.level) or 0) <= (100 if high is None else high))
    if order == "silent" and until:
        tests.append(lambda report: report.measured_at is not None and report.measured_at <= until)
    return (lambda report: all(test(report) for test in tests)) if tests else None


def _page(
    order: Order, found: Sequence[tuple[Report, Item]], looked: Sequence[str], more: bool, stopped: bool
) -> Ranked:
    """Return rows as a page in their exact order. looked: the keys that were looked at, in the index's order."""
    return Ranked(
        sorted((report for report, _ in found), key=_exact(order), reverse=order == "fullest"),
        looked[0] if looked else None,
        looked[-1] if looked else None,
        more,
        stopped,
        {report.can_id: trend(row) for report, item in found if (row := row_of(item))},
    )


def each_can(*, segment: int, segments: int) -> Iterator[list[tuple[Report, bool]]]:
    """
    Walk one of `segments` parts of the fleet, a page at a time: each can, and whether the indexes lack it.

    Attributes are left out. Reads the whole part: for a count of everything, not for a page.
    """
    shard = INDEXES["by-id"][0]
    request: dict[str, Any] = {
        "TableName": full_name(LEVELS),
        "Segment": segment,
        "TotalSegments": segments,
        "ProjectionExpression": "id, #level, order_key, #stream, #location, #shard",
        "ExpressionAttributeNames": {
            "#level": "level", "#stream": "stream", "#location": "location", "#shard": shard,
        },
    }  # fmt: skip
    while True:
        with as_store_errors():
            answer = dynamodb().patiently("Scan", request)
        yield [(report, shard not in item) for item in answer["Items"] if (report := report_of(item))]
        if not (start := answer.get("LastEvaluatedKey")):
            return
        request["ExclusiveStartKey"] = start


def mend(reports: Sequence[Report]) -> int:
    """
    Bring cans into the indexes that another service wrote without our keys; return how many.

    One that was written anew meanwhile is left alone. Raises StoreUnavailable.
    """
    with as_store_errors():
        return sum(side_by_side(_mend, reports))


def _mend(report: Report) -> bool:
    keys = index_keys(report.can_id, report.level, report.measured_at)
    request = {
        "TableName": full_name(LEVELS),
        "Key": {"id": {"S": report.can_id}},
        "UpdateExpression": "SET " + ", ".join(f"#{at} = :{at}" for at in range(len(keys))),
        # The level that the key was made of: S from the lab's own service, perhaps N from another.
        "ConditionExpression": "attribute_not_exists(#0) AND #level IN (:text, :number)",
        "ExpressionAttributeNames": {"#level": "level", **{f"#{at}": name for at, name in enumerate(keys)}},
        "ExpressionAttributeValues": {
            ":text": {"S": report.level},
            ":number": {"N": report.level} if percent(report.level) is not None else {"S": report.level},
            **{f":{at}": value for at, value in enumerate(keys.values())},
        },
    }
    try:
        dynamodb().patiently("UpdateItem", request)
    except AwsError as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _bounds(order: Order, low: int | None, high: int | None, until: datetime | None, prefix: str) -> tuple[str, str]:
    """Return the least and the greatest key that the filter allows; `$` sorts right behind `#`."""
    if order in ("fullest", "emptiest"):
        # Keys that version 0.1 wrote hold the percent where today's hold the band, which is never higher.
        return f"{level_part(low or 0)}#", f"{100 if high is None else high:03d}$"
    if order == "silent":
        return _FIRST, f"{minute_part(until)}$" if until else _LAST
    return prefix or _FIRST, prefix + _LAST


def _keys(
    order: Order, forwards: bool, least: str, most: str, position: str | None, need: int
) -> tuple[list[str], bool]:
    """Return the next `need` keys from beyond a position, all shards merged, and whether there are more."""
    found: list[str] = []
    while True:
        low = max(least, position) if position and forwards else least
        high = min(most, position) if position and not forwards else most
        if low > high:
            return found, False
        # A shard's fair part, and some: rarely must it be asked twice. The position itself comes along.
        limit = (need - len(found)) * 3 // (2 * SHARDS) + 10
        ask = partial(_query, order, forwards, low, high, limit)
        answers = side_by_side(ask, [str(shard) for shard in range(SHARDS)])
        merged = sorted((key for keys, _ in answers for key in keys if key != position), reverse=not forwards)
        # Beyond the first shard's end that has more, keys of that shard may be missing from the merge.
        ends = [keys[-1] for keys, ended in answers if keys and not ended]
        end = (min(ends) if forwards else max(ends)) if ends else None
        for key in merged:
            if end is not None and (key > end if forwards else key < end):
                break
            if len(found) == need:
                return found, True
            found.append(key)
        if end is None or len(found) == need:
            return found, end is not None
        position = end


def _query(order: Order, forwards: bool, low: str, high: str, limit: int, shard: str) -> tuple[list[str], bool]:
    """Return the first keys of one shard between two bounds, both included, and whether they are all."""
    index = _INDEX[order]
    hash_name, range_name = INDEXES[index]
    request = {
        "TableName": full_name(LEVELS),
        "IndexName": index,
        "KeyConditionExpression": "#hash = :shard AND #range BETWEEN :low AND :high",
        "ExpressionAttributeNames": {"#hash": hash_name, "#range": range_name},
        "ExpressionAttributeValues": {":shard": {"S": shard}, ":low": {"S": low}, ":high": {"S": high}},
        "ScanIndexForward": forwards,
        "Limit": limit,
    }
    with as_store_errors():
        answer = dynamodb().patiently("Query", request, within_s=READ_WITHIN_S)
    return [item[range_name]["S"] for item in answer["Items"]], "LastEvaluatedKey" not in answer


def _items(can_ids: Collection[str]) -> dict[str, Item]:
    """Return the rows of these cans that there are, by id."""
    wanted = list(dict.fromkeys(can_ids))
    with as_store_errors():
        found = side_by_side(_get, [wanted[at : at + READS] for at in range(0, len(wanted), READS)])
    return {item["id"]["S"]: item for items in found for item in items}


def _get(can_ids: Sequence[str]) -> list[Item]:
    """Return the rows of up to a hundred cans."""
    keys = [{"id": {"S": can_id}} for can_id in can_ids]
    items, unread = get_items(full_name(LEVELS), keys, tries=TRIES, pauses=(0.05, 0.5), within_s=READ_WITHIN_S)
    if unread:
        raise StoreUnavailable(f"{len(unread)} levels are still unread after {TRIES} tries")
    return items


def _can_of(order: Order, key: str) -> str:
    """Return the can's id in an index's range key: behind the coarse part, or the whole of it."""
    return key if order == "id" else key.partition("#")[2]


def _exact(order: Order) -> Callable[[Report], Any]:
    """Return by what a page is sorted: what the index has coarsely, exactly."""
    if order == "id":
        return lambda report: report.can_id.encode()
    if order == "silent":
        # Without a time it has no place in this index; it may have lost it since.
        return lambda report: (report.measured_at or _LONG_AGO, report.can_id.encode())
    return lambda report: (percent(report.level) or Decimal(-1), report.can_id.encode())
