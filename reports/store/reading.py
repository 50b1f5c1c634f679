"""Reading: a can's latest report, and its history in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports.report import Report
from reports.store.errors import as_store_errors
from reports.store.items import HISTORY, LEVELS, READ_WITHIN_S, dynamodb, instant_key, report_of, table

#: No measurement sorts after this: a digit is followed by nothing greater in any order key.
_AFTER_ALL = ":"


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
    with as_store_errors():
        answer = dynamodb().patiently(
            "GetItem", {"TableName": table(LEVELS), "Key": {"id": {"S": can_id}}}, within_s=READ_WITHIN_S
        )
    return report_of(answer["Item"]) if "Item" in answer else None


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

    What has expired at `now` is skipped: DynamoDB sweeps it days later. Raises StoreUnavailable.
    """
    request: dict[str, Any] = {
        "TableName": table(HISTORY),
        "KeyConditionExpression": "id = :id AND order_key BETWEEN :since AND :until",
        "FilterExpression": "expires_at > :now",
        "ExpressionAttributeValues": {
            ":id": {"S": can_id},
            ":since": {"S": instant_key(since) if since else "0"},
            ":until": {"S": instant_key(until) if until else _AFTER_ALL},
            ":now": {"N": str(int(now.timestamp()))},
        },
        "ScanIndexForward": not newest_first,
    }
    if after:
        request["ExclusiveStartKey"] = {"id": {"S": can_id}, "order_key": {"S": after}}
    items: list[Report] = []
    with as_store_errors():
        # The filter may leave an answer short, even empty.
        while True:
            request["Limit"] = size - len(items)
            answer = dynamodb().patiently("Query", request, within_s=READ_WITHIN_S)
            items += [report for item in answer["Items"] if (report := report_of(item))]
            last = answer.get("LastEvaluatedKey")
            if not last:
                return Page(items)
            if len(items) >= size:
                return Page(items, last["order_key"]["S"])
            request["ExclusiveStartKey"] = last


def ping() -> None:
    """Ask the levels table for nothing in particular. Raises StoreUnavailable, also where the table is missing."""
    with as_store_errors():
        dynamodb().call("GetItem", {"TableName": table(LEVELS), "Key": {"id": {"S": "-"}}}, timeout_s=2)
