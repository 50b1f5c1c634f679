"""
Lists of cans that the indexes of the levels table do not know: from these the fleet is filtered.

Each is a partition of the pipeline table, sorted by the cans' ids. A row says which can to look at, not what is so: one
may be left of a can of which it is so no more, and whoever reads it looks. None is missing: it is written before what
it tells of (docs/decisions/0044-a-list-of-low-batteries.md, 0049-a-list-of-suspect-cans.md).
"""

from __future__ import annotations

from enum import StrEnum

from reports.store.dynamodb import PIPELINE, READ_WITHIN_S, dynamodb
from reports.store.errors import as_store_errors
from trashsite.names import full_name

#: Between a can's id and what else a row's id may hold: no can's id holds it, and it sorts before whatever one may go
#: on with.
BETWEEN = "\x1f"


class CanList(StrEnum):
    """What is listed; the value is the kind of its rows."""

    LOW_BATTERY = "battery:low"
    SUSPECT = "can:suspect"


def listed_cans(
    which: CanList, forwards: bool, least: str, most: str, position: str | None, need: int
) -> tuple[list[str], bool]:
    """
    Return the ids of the next `need` cans of a list, from beyond a position, and whether there may be more.

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
        "ExpressionAttributeValues": {":kind": {"S": which}, ":low": {"S": low}, ":high": {"S": high}},
        "ProjectionExpression": "id",
        "ScanIndexForward": forwards,
        "Limit": need + 1,
    }
    with as_store_errors():
        answer = dynamodb().patiently("Query", request, within_s=READ_WITHIN_S)
    can_ids = list(dict.fromkeys(item["id"]["S"].partition(BETWEEN)[0] for item in answer["Items"]))
    more = "LastEvaluatedKey" in answer
    return can_ids[:need], more or len(can_ids) > need
