"""All of the fleet: row by row in no order, or in numbers by its indexes. For what needs all of it, not for a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from reports.report import MAX_CAN_ID, Report
from reports.store.conditions import passes
from reports.store.dynamodb import LEVELS, Item, dynamodb
from reports.store.errors import as_store_errors
from reports.store.keys import INDEXES, SHARDS, index_keys, level_part, minute_part
from reports.store.queries import answers
from reports.store.report_items import report_of
from trashsite.aws import Answer, side_by_side
from trashsite.names import full_name

#: Rows that one request reads, and keys that one counts. Without a limit the embedded store reads all that is left of
#: the table for each request, of which it answers a megabyte (dynoxide 1.2.1).
ROWS = 500
KEYS = 5_000
#: Sort before and after every key: a trimmed id without control characters begins with `!` or higher, and has no more
#: than 128 characters.
FIRST, LAST = " ", "\U0010ffff" * (MAX_CAN_ID + 1)
_SHARD = INDEXES["by-id"][0]
_READ = (
    "id", "level", "order_key", "received_at", "stream", "location", "status", _SHARD, "level_key", "heard_key",
)  # fmt: skip


class Met(NamedTuple):
    """
    A can on the way through the table; attributes are left out.

    keys: by index its key there, where it has one. lacking: of one that is in no index, its level as it is written.
    """

    report: Report
    keys: Mapping[str, str]
    lacking: Item | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some cans on the way through the table, and from where it goes on, None at the end."""

    cans: Sequence[Met]
    position: str | None


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The cans whose key in an index lies between two, both included: as coarse as the keys are."""

    index: str
    least: str = FIRST
    most: str = LAST

    def holds(self, can: Met) -> bool:
        return self.index in can.keys and self.least <= can.keys[self.index] <= self.most


def every_can() -> KeyRange:
    """Return the range of all cans that are in the indexes."""
    return KeyRange("by-id")


def from_level(level: int) -> KeyRange:
    """Return the range of those with at least so many percent, where a band of the index begins there."""
    return KeyRange("by-level", f"{level_part(level)}#")


def last_of(prefix: str) -> str:
    """Return what sorts behind every id that begins so, as short as a key may be."""
    return (prefix + LAST)[: len(LAST)]


def id_begins(text: str) -> KeyRange:
    """Return the range of those whose ids begin so."""
    return KeyRange("by-id", text, last_of(text))


def silent_until(instant: datetime) -> KeyRange:
    """Return the range of those whose last report may be from then or before: right to half a day."""
    return KeyRange("by-heard", most=f"{minute_part(instant)}$")


def walk(after: str | None = None) -> Iterator[Stretch]:
    """
    Walk through the table from a position on, 500 rows a request: about a read unit for ten cans.

    A can that is stored meanwhile may be missing, none comes twice. Raises StoreUnavailable.
    """
    request: dict[str, Any] = {
        "TableName": full_name(LEVELS),
        "Limit": ROWS,
        "ProjectionExpression": ", ".join(f"#{name}" for name in _READ),
        "ExpressionAttributeNames": {f"#{name}": name for name in _READ},
    }
    start = after and {"id": {"S": after}}
    while True:
        with as_store_errors():
            answer = dynamodb().patiently("Scan", {**request, "ExclusiveStartKey": start} if start else request)
        start = answer.get("LastEvaluatedKey")
        made = [_stretch(answer["Items"], start["id"]["S"] if start else None)]
        # 2 MB, and the rows made of them 1 MB, would be held while a slow reader takes what follows from them.
        del answer
        yield made.pop()
        if not start:
            return


def _stretch(items: Sequence[Item], position: str | None) -> Stretch:
    return Stretch([_met(item, report) for item in items if (report := report_of(item))], position)


def _met(item: Item, report: Report) -> Met:
    if _SHARD not in item:
        return Met(report, {}, item["level"])
    return Met(report, {index: item[key]["S"] for index, (_, key) in INDEXES.items() if key in item}, None)


def count(keys: KeyRange) -> Iterator[int]:
    """
    Yield how many cans each request finds in a range, 5,000 at most: their sum is the number of cans.

    Costs about 50 read units for 10,000 keys. Cans that another service wrote are missing until `mend` has seen them.
    Raises StoreUnavailable.
    """
    for shard in range(SHARDS):
        for answer in _counted(keys, str(shard)):
            yield answer["Count"]


def _counted(keys: KeyRange, shard: str) -> Iterator[Answer]:
    hash_name, range_name = INDEXES[keys.index]
    request: dict[str, Any] = {
        "TableName": full_name(LEVELS),
        "IndexName": keys.index,
        "Select": "COUNT",
        "KeyConditionExpression": "#hash = :shard AND #range BETWEEN :least AND :most",
        "ExpressionAttributeNames": {"#hash": hash_name, "#range": range_name},
        "ExpressionAttributeValues": {":shard": {"S": shard}, ":least": {"S": keys.least}, ":most": {"S": keys.most}},
        "Limit": KEYS,
    }
    with as_store_errors():
        yield from answers(request)


def mend(cans: Sequence[Met]) -> int:
    """
    Bring into the indexes those cans that another service wrote without our keys; return how many.

    One that was written anew meanwhile is left alone, as is one whose id no report may have: no index takes a key of
    more than 1,024 bytes. Raises StoreUnavailable.
    """
    with as_store_errors():
        return sum(side_by_side(_mend, [can for can in cans if can.lacking and len(can.report.can_id) <= MAX_CAN_ID]))


def _mend(can: Met) -> bool:
    report = can.report
    keys = index_keys(report.can_id, report.level, report.measured_at)
    request = {
        "TableName": full_name(LEVELS),
        "Key": {"id": {"S": report.can_id}},
        "UpdateExpression": "SET " + ", ".join(f"#{at} = :{at}" for at in range(len(keys))),
        # The level that the key was made of, as it was written: S by the lab's own service, perhaps N by another.
        "ConditionExpression": "attribute_not_exists(#0) AND #level = :level",
        "ExpressionAttributeNames": {"#level": "level", **{f"#{at}": name for at, name in enumerate(keys)}},
        "ExpressionAttributeValues": {
            ":level": can.lacking,
            **{f":{at}": value for at, value in enumerate(keys.values())},
        },
    }
    return passes("UpdateItem", request)
