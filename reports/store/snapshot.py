"""Snapshots of the fleet, shared by all web processes: the last one, and whose turn it is to take the next."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from reports.store.errors import as_store_errors
from reports.store.items import PIPELINE, READ_WITHIN_S, dynamodb
from trashsite.aws import AwsError
from trashsite.names import full_name

#: An item holds 400 KB, and bytes travel as base64 inside JSON only, not in the table.
MAX_BYTES = 350_000


def snapshot(name: str) -> tuple[bytes, datetime] | None:
    """Return the last snapshot of this name and when it was taken. Raises StoreUnavailable."""
    request = {"TableName": full_name(PIPELINE), "Key": {"kind": {"S": "snapshot"}, "id": {"S": name}}}
    with as_store_errors():
        item = dynamodb().patiently("GetItem", request, within_s=READ_WITHIN_S).get("Item", {})
    if "body" not in item:
        return None
    return base64.b64decode(item["body"]["B"]), datetime.fromtimestamp(float(item["taken_at"]["N"]), UTC)


def claim_snapshot(name: str, now: datetime, for_s: int) -> bool:
    """Say whether the caller may take the next snapshot: one at a time, for so long. Raises StoreUnavailable."""
    request = {
        "TableName": full_name(PIPELINE),
        "Key": {"kind": {"S": "snapshot"}, "id": {"S": name}},
        "UpdateExpression": "SET claimed_until = :until",
        "ConditionExpression": "attribute_not_exists(claimed_until) OR claimed_until < :now",
        "ExpressionAttributeValues": {
            ":until": {"N": repr((now + timedelta(seconds=for_s)).timestamp())},
            ":now": {"N": repr(now.timestamp())},
        },
    }
    with as_store_errors():
        try:
            dynamodb().patiently("UpdateItem", request, within_s=READ_WITHIN_S)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return False
    return True


def keep_snapshot(name: str, body: bytes, now: datetime) -> None:
    """Keep a snapshot of at most 350 KB, and let the next be taken. Raises StoreUnavailable."""
    if len(body) > MAX_BYTES:
        raise ValueError(f"a snapshot may be {MAX_BYTES} bytes long, not {len(body)}")
    item = {
        "kind": {"S": "snapshot"},
        "id": {"S": name},
        "body": {"B": base64.b64encode(body).decode()},
        "taken_at": {"N": repr(now.timestamp())},
    }
    with as_store_errors():
        dynamodb().patiently("PutItem", {"TableName": full_name(PIPELINE), "Item": item})
