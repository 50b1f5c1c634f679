"""The fleet in an order: read from sharded indexes that hold keys alone, merged here, without a scan of the table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from reports.insight.fold import Row
from reports.report import Report, percent
from reports.store.batches import READS
from reports.store.can_lists import CanList, listed_cans
from reports.store.dynamodb import LEVELS, READ_WITHIN_S, Item, dynamodb
from reports.store.errors import as_store_errors
from reports.store.keys import BANDS, EXACT_FROM, INDEXES, SHARDS, is_band, level_part, minute_part
from reports.store.reading import PAGE_CHARS, items_of
from reports.store.report_items import report_of
from reports.store.row_items import row_of
from reports.store.walking import FIRST, LAST, last_of
from trashsite.aws import side_by_side
from trashsite.names import full_name

#: Given some rows, it returns the ids of those that are wanted.
Keep = Callable[[Sequence[Report]], Collection[str]]
Order = Literal["fullest", "emptiest", "silent", "id"]

#: Rows that a filtered page looks at before it stops: with eight queries, at most 11 requests.
BUDGET = 300

#: Rows that are read beyond those wanted where none is filtered out, since some may be out of service: else a page that
#: lacks one can asks all shards again. More keys than rows, since they cost nothing more.
SPARE_ROWS, SPARE_KEYS = 3, 10

_INDEX = {"fullest": "by-level", "emptiest": "by-level", "silent": "by-heard", "id": "by-id"}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ranked:
    """
    A page of the fleet in an order.

    rows: where wanted, per can all that its row keeps. first, last: positions of the first and last row looked at.
    more: there are rows beyond, in the direction asked. stopped: the page is short only because enough rows were looked
    at, or their attributes are large (PAGE_CHARS): search on from `last` (or, where it was asked for what is before a
    position, from `first`).
    """

    items: Sequence[Report]
    first: str | None
    last: str | None
    more: bool
    stopped: bool = False
    rows: Mapping[str, Row] = field(default_factory=dict)


def ranked(
    order: Order,
    *,
    after: str | None = None,
    before: str | None = None,
    low: int | None = None,
    high: int | None = None,
    until: datetime | None = None,
    prefix: str = "",
    among: CanList | None = None,
    keep: Keep | None = None,
    selective: bool = True,
    size: int,
    budget: int = BUDGET,
    with_rows: bool = False,
) -> Ranked:
    """
    Return up to `size` cans in an order, from after a position, or those just before one.

    order: by level either way, the one silent for longest first, or by id. low, high: whole percents, both
    included, where the order is by level. until: last reported then or before, where it is `silent`.
    before: "" stands for the end. prefix: of the id, where it is `id`. among: there, only cans that
    are on a list, by one Query in place of a shard's. keep: which rows are wanted, asked with up to a
    hundred, or a page of them. selective: whether `keep` may drop many; then up to `budget` rows are looked at, else up
    to so many more than `size`. The indexes are coarse (reports.store.keys): within a page the rows are put into their
    exact order, from 80 % on it is exact to the percent across pages too, and bounds are exact. with_rows: they cost
    some CPU. Costs a Query a shard and a BatchGetItem a hundred rows looked at; an `until` of less than twelve hours
    ago looks also at cans that have reported since.
    Cans that another service wrote are missing until `mend` has seen them. Raises StoreUnavailable.
    """
    test = _exactly(order, low, high, until)
    is_filtered = test is not None or (keep is not None and selective)
    most_looked = budget if is_filtered else size + budget
    backwards = before is not None
    forwards = (order != "fullest") != backwards
    least, most = _bounds(order, low, high, until, prefix)
    position = before if backwards else after
    keys = partial(listed_cans, among) if among else partial(_keys, order)
    found: list[tuple[Report, Item]] = []
    looked: list[str] = []
    ahead: list[str] = []
    beyond = True
    chars = PAGE_CHARS
    while len(found) < size and chars >= 0 and (ahead or beyond):
        left = most_looked - len(looked)
        wanted = left if is_filtered else min(left, size - len(found))
        if wanted <= 0:
            break
        if not ahead:
            at = looked[-1] if looked else position
            ahead, beyond = keys(forwards, least, most, at, wanted if is_filtered else wanted + SPARE_KEYS)
        # Of a filtered page the first hundred may be enough; of another, every row is wanted, and a few that cost no
        # request more.
        batch = ahead[: READS if is_filtered else wanted + min(SPARE_ROWS, -wanted % READS)]
        rows = items_of([_can_of(order, key) for key in batch])
        kept = _kept(rows.values(), test, keep)
        for key in batch:
            if len(found) == size or chars < 0:
                break
            looked.append(ahead.pop(0))
            if report := kept.get(_can_of(order, key)):
                found.append((report, rows[report.can_id]))
                chars -= len(report.attributes)
    more = bool(ahead) or beyond
    return Ranked(
        sorted((report for report, _ in found), key=_exact(order), reverse=order == "fullest"),
        first=looked[-1 if backwards else 0] if looked else None,
        last=looked[0 if backwards else -1] if looked else None,
        more=more,
        stopped=more and len(found) < size,
        rows=_rows(found) if with_rows else {},
    )


def whole_from(fullest: Ranked) -> int:
    """
    Return the percent from which on every can was looked at, given a first page of the fullest; 0: all were.

    The index knows bands below 80 %: of the band in which the page ends, some may not have been looked at.
    """
    if not fullest.more or fullest.last is None:
        return 0
    reached = int(fullest.last.partition("#")[0])
    return reached + 1 if reached >= EXACT_FROM else min(band for band in (*BANDS, EXACT_FROM) if band > reached)


def _kept(rows: Iterable[Item], test: Callable[[Report], bool] | None, keep: Keep | None) -> dict[str, Report]:
    """Return, by can, the reports of those rows that pass the test, and are wanted."""
    # A row may have gone since its key was read, or hold no level.
    passed = [report for item in rows if (report := report_of(item)) and (test is None or test(report))]
    wanted = None if keep is None else keep(passed)
    return {report.can_id: report for report in passed if wanted is None or report.can_id in wanted}


def _exactly(
    order: Order, low: int | None, high: int | None, until: datetime | None
) -> Callable[[Report], bool] | None:
    """Return a test of what the order's index knows only coarsely of the bounds, None where it knows all."""
    if order in ("fullest", "emptiest") and not (is_band(low or 0) and (high is None or is_band(high + 1))):
        return lambda report: (low or 0) <= int(percent(report.level) or 0) <= (100 if high is None else high)
    if order == "silent" and until:
        return lambda report: report.measured_at is not None and report.measured_at <= until
    return None


def _rows(found: Iterable[tuple[Report, Item]]) -> dict[str, Row]:
    return {report.can_id: row for report, item in found if (row := row_of(item, report))}


def _bounds(order: Order, low: int | None, high: int | None, until: datetime | None, prefix: str) -> tuple[str, str]:
    """Return the least and the greatest key that the filter allows; `$` sorts right behind `#`."""
    if order in ("fullest", "emptiest"):
        # Keys that version 0.1 wrote hold the percent where today's hold the band, which is never higher.
        return f"{level_part(low or 0)}#", f"{100 if high is None else high:03d}$"
    if order == "silent":
        return FIRST, f"{minute_part(until)}$" if until else LAST
    return prefix or FIRST, last_of(prefix)


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
