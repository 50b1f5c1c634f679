"""Reading: a can's latest report, and its history in pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports.insight.fold import Row
from reports.report import Report
from reports.store.batches import READS, get_items
from reports.store.dynamodb import HISTORY, LEVELS, READ_WITHIN_S, Item, dynamodb, epoch_seconds
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.keys import instant_key
from reports.store.queries import answers
from reports.store.report_items import report_of
from reports.store.row_items import row_of
from trashsite.aws import Answer, side_by_side
from trashsite.names import full_name

#: No measurement sorts after this: a digit is followed by nothing greater in any order key.
AFTER_ALL = ":"
#: Characters of attributes after which a page ends, however few reports it has: one report may have 16,384.
PAGE_CHARS = 256 * 1024
#: Answers that are read for the levels of one can: DynamoDB reads a megabyte for each, attributes counted, although
#: it sends none of them.
LEVEL_ANSWERS = 16
#: Of a BatchGetItem of which DynamoDB leaves items unread.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Page:
    """Some reports, and the position after the last, None at the end. The position is not secret, nor signed."""

    items: Sequence[Report]
    next: str | None = None


def latest(can_id: str) -> Report | None:
    """
    Return a can's newest report, None where none was ever stored.

    Read as DynamoDB reads by default: a write of the last second may be missing. Costs half a read unit.
    Raises StoreUnavailable.
    """
    item = _item(can_id)
    return report_of(item) if item else None


def latest_row(can_id: str) -> Row | None:
    """
    Return a can's newest report with what the can sent before and the report does not say, None where none was stored.

    Costs and raises as `latest`.
    """
    item = _item(can_id)
    return row_of(item) if item else None


def latest_rows(can_ids: Iterable[str]) -> dict[str, Row]:
    """
    Return what `latest_row` does of several cans, by id; those of which no report was ever stored are missing.

    Costs a BatchGetItem and up to 50 read units for each hundred cans. Raises StoreUnavailable.
    """
    return {can_id: row for can_id, item in items_of(can_ids).items() if (row := row_of(item))}


def items_of(can_ids: Iterable[str]) -> dict[str, Item]:
    """Return the items of these cans in the levels table that there are, by id. Raises StoreUnavailable."""
    wanted = list(dict.fromkeys(can_ids))
    with as_store_errors():
        found = side_by_side(_get, [wanted[at : at + READS] for at in range(0, len(wanted), READS)])
    return {item["id"]["S"]: item for items in found for item in items}


def _get(can_ids: Sequence[str]) -> list[Item]:
    """Return the items of up to a hundred cans."""
    keys = [{"id": {"S": can_id}} for can_id in can_ids]
    items, unread = get_items(full_name(LEVELS), keys, tries=TRIES, pauses=(0.05, 0.5), within_s=READ_WITHIN_S)
    if unread:
        raise StoreUnavailable(f"{len(unread)} levels are still unread after {TRIES} tries")
    return items


def _item(can_id: str) -> Item | None:
    request = {"TableName": full_name(LEVELS), "Key": {"id": {"S": can_id}}}
    with as_store_errors():
        item: Item | None = dynamodb().patiently("GetItem", request, within_s=READ_WITHIN_S).get("Item")
    return item


def history(
    can_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    newest_first: bool = True,
    after: str | None = None,
    size: int,
    now: datetime,
) -> Page:
    """
    Return up to `size` reports of a can measured from `since` and before `until`, from after the position `after`.

    Fewer where their attributes are large (PAGE_CHARS). What has expired at `now` is skipped: DynamoDB sweeps it days
    later. Raises StoreUnavailable.
    """
    least = instant_key(since) if since else "0"
    most = instant_key(until) if until else AFTER_ALL
    items: list[Item] = []
    left_chars = PAGE_CHARS
    with as_store_errors():
        # The filter may leave an answer short, even empty.
        for answer in query_history(can_id, least, most, now=now, newest_first=newest_first, after=after, limit=size):
            for at, item in enumerate(answer["Items"], 1):
                items.append(item)
                left_chars -= attribute_chars(item)
                has_more = at < len(answer["Items"]) or "LastEvaluatedKey" in answer
                if has_more and (len(items) == size or left_chars < 0):
                    return Page(_reports(items), item["order_key"]["S"])
    return Page(_reports(items))


def past_levels(can_id: str, *, since: datetime | None, size: int, now: datetime) -> tuple[Sequence[Report], bool]:
    """
    Return the reports of a can measured from `since`, newest first and without attributes, and whether these are all.

    size: at most so many, and no more than LEVEL_ANSWERS hold. Raises StoreUnavailable.
    """
    least = instant_key(since) if since else "0"
    items: list[Item] = []
    with as_store_errors():
        answers = query_history(
            can_id, least, AFTER_ALL, now=now, newest_first=True, limit=size, names=("id", "order_key", "level")
        )
        for count, answer in enumerate(answers, 1):
            items += answer["Items"]
            has_more = len(items) > size or "LastEvaluatedKey" in answer
            if has_more and (len(items) >= size or count == LEVEL_ANSWERS):
                return _reports(items[:size]), False
    return _reports(items), True


def attribute_chars(item: Item) -> int:
    """Return how many characters of attributes a row holds."""
    return len(item.get("attributes", {}).get("S", ""))


def stored_reports(can_id: str, since: datetime, now: datetime) -> Iterator[list[Report]]:
    """Yield the reports of a can measured at `since` or later, oldest first, by pages of a megabyte."""
    with as_store_errors():
        for answer in query_history(can_id, instant_key(since), AFTER_ALL, now=now, consistent=True):
            yield _reports(answer["Items"])


def query_history(
    can_id: str,
    least: str,
    most: str,
    *,
    now: datetime | None = None,
    newest_first: bool = False,
    after: str | None = None,
    limit: int | None = None,
    names: Sequence[str] = (),
    consistent: bool = False,
) -> Iterator[Answer]:
    """
    Yield the answers to a Query of one can's history, as `queries.answers` does.

    least, most: bounds of the sort key, both included. now: skips what has expired then. after: a sort key. limit: rows
    an answer looks at. names: attributes wanted, all where there are none.
    """
    request: dict[str, Any] = {
        "TableName": full_name(HISTORY),
        "KeyConditionExpression": "id = :id AND order_key BETWEEN :least AND :most",
        "ExpressionAttributeValues": {":id": {"S": can_id}, ":least": {"S": least}, ":most": {"S": most}},
        "ScanIndexForward": not newest_first,
        "ConsistentRead": consistent,
    }
    if now:
        request["FilterExpression"] = "expires_at > :now"
        request["ExpressionAttributeValues"][":now"] = epoch_seconds(now)
    if names:
        request["ProjectionExpression"] = ", ".join(f"#{name}" for name in names)
        request["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if limit:
        request["Limit"] = limit
    if after:
        request["ExclusiveStartKey"] = {"id": {"S": can_id}, "order_key": {"S": after}}
    return answers(request, within_s=READ_WITHIN_S)


def _reports(items: Iterable[Item]) -> list[Report]:
    return [report for item in items if (report := report_of(item))]


def ping() -> None:
    """Ask the levels table for nothing in particular. Raises StoreUnavailable, also where the table is missing."""
    with as_store_errors():
        dynamodb().call("GetItem", {"TableName": full_name(LEVELS), "Key": {"id": {"S": "-"}}}, timeout_s=2)
