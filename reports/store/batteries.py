"""
The cans in which a sensor's battery is low: an index of the sensors' states, from which the fleet is filtered.

A row for each such sensor in each of its cans, in one partition of the pipeline table, sorted by the can's id. It says
which cans to look at, not what is so: a row may be left of a sensor that was taken out of its can, so whoever reads it
asks the sensor's state as well. No low battery is missing from it: its row is written before its state
(docs/decisions/0044-a-list-of-low-batteries.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from reports.store.batches import put_all
from reports.store.errors import as_store_errors
from reports.store.items import PIPELINE, READ_WITHIN_S, Item, dynamodb
from reports.store.pipeline_table import row_key
from trashsite.names import full_name

#: A row that no frame writes again is of a sensor that was taken out, or of one whose battery ended long ago.
LOW_KEPT = timedelta(days=400)
_KIND = "battery:low"
#: Between a can's id and a sensor's key: neither holds it, and it sorts before whatever an id may go on with.
_BETWEEN = "\x1f"


class LowBattery(NamedTuple):
    """A sensor with a low battery in a can."""

    can_id: str
    key: str


def note_low_batteries(found: Iterable[LowBattery], now: datetime) -> None:
    """Write that these batteries are low; again it is the same row, kept for longer. Raises StoreUnavailable."""
    expires_at = {"N": str(int((now + LOW_KEPT).timestamp()))}
    put_all(full_name(PIPELINE), [{**_row_key(each), "expires_at": expires_at} for each in dict.fromkeys(found)])


def forget_low_batteries(found: Iterable[LowBattery]) -> None:
    """Take batteries off that are not low any more. Raises StoreUnavailable."""
    with as_store_errors():
        for each in found:
            dynamodb().patiently("DeleteItem", {"TableName": full_name(PIPELINE), "Key": _row_key(each)})


def low_battery_cans(forwards: bool, least: str, most: str, position: str | None, need: int) -> tuple[list[str], bool]:
    """
    Return the ids of the next `need` cans in which a battery may be low, from beyond a position, and whether of more.

    least, most: bounds of the ids. forwards: by rising ids. Costs a Query. Raises StoreUnavailable.
    """
    low, high = least, most
    if position:
        # Behind all rows of the can at the position, or before them.
        low, high = (max(least, position + " "), most) if forwards else (least, min(most, position))
    if low > high:
        return [], False
    request = {
        "TableName": full_name(PIPELINE),
        "KeyConditionExpression": "kind = :kind AND id BETWEEN :low AND :high",
        "ExpressionAttributeValues": {":kind": {"S": _KIND}, ":low": {"S": low}, ":high": {"S": high}},
        "ProjectionExpression": "id",
        "ScanIndexForward": forwards,
        "Limit": need + 1,
    }
    with as_store_errors():
        answer = dynamodb().patiently("Query", request, within_s=READ_WITHIN_S)
    can_ids = list(dict.fromkeys(item["id"]["S"].partition(_BETWEEN)[0] for item in answer["Items"]))
    more = "LastEvaluatedKey" in answer
    return can_ids[:need], more or len(can_ids) > need


def _row_key(battery: LowBattery) -> Item:
    return row_key(_KIND, f"{battery.can_id}{_BETWEEN}{battery.key}")
