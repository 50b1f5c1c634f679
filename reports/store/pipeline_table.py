"""Rows of the pipeline table: each is of a kind, and has an id by which those of its kind are in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from reports.store.dynamodb import PIPELINE, READ_WITHIN_S, Item, epoch_seconds
from reports.store.errors import as_store_errors
from reports.store.queries import answers
from trashsite.names import full_name


def row_key(kind: str, id_: str) -> Item:
    """Return the key of a row."""
    return {"kind": {"S": kind}, "id": {"S": id_}}


def rows(kind: str, *, between: tuple[str, str] | None = None, now: datetime | None = None) -> Iterator[Item]:
    """
    Yield the rows of a kind by their ids, asking for more as they are taken.

    between: the least and the greatest id, both included; None for all. now: skips what has expired then, since
    DynamoDB sweeps it days later. Raises StoreUnavailable.
    """
    condition, values = "kind = :kind", {":kind": {"S": kind}}
    if between:
        condition += " AND id BETWEEN :least AND :most"
        values |= {":least": {"S": between[0]}, ":most": {"S": between[1]}}
    request: dict[str, Any] = {
        "TableName": full_name(PIPELINE),
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
    }
    if now:
        request["FilterExpression"] = "expires_at > :now"
        values[":now"] = epoch_seconds(now)
    with as_store_errors():
        for answer in answers(request, within_s=READ_WITHIN_S):
            yield from answer["Items"]
