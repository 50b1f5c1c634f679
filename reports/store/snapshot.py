"""Snapshots of the fleet, shared by all web processes: the last one, and whose turn it is to take the next."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reports.store.batches import get_items
from reports.store.conditions import passes
from reports.store.dynamodb import PIPELINE, READ_WITHIN_S, Item, dynamodb
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.pipeline_table import row_key
from trashsite.names import full_name

#: An item holds 400 KB, and bytes travel as base64 inside JSON only, not in the table.
MAX_BYTES = 350_000
#: How long a claim lasts, and how often it is renewed.
CLAIMED_S = 10
RENEWED_EVERY_S = 3.0
#: Who pauses while it has a claim calls `hold` so often at least.
HELD_EVERY_S = 2.0
#: Of a BatchGetItem of which DynamoDB leaves items unread: it answers 16 MB.
TRIES = 5


def snapshot(name: str) -> tuple[bytes, datetime] | None:
    """Return the last snapshot of this name and when it was taken. Raises StoreUnavailable."""
    request = {"TableName": full_name(PIPELINE), "Key": row_key("snapshot", name)}
    with as_store_errors():
        item = dynamodb().patiently("GetItem", request, within_s=READ_WITHIN_S).get("Item", {})
    return _taken(item) if "body" in item else None


def snapshots(names: Sequence[str]) -> dict[str, tuple[bytes, datetime]]:
    """Return those of up to 100 snapshots that there are, by name, and when each was taken. Raises StoreUnavailable."""
    keys = [row_key("snapshot", name) for name in names]
    with as_store_errors():
        items, unread = get_items(full_name(PIPELINE), keys, tries=TRIES, pauses=(0.05, 0.5), within_s=READ_WITHIN_S)
    if unread:
        raise StoreUnavailable(f"{len(unread)} snapshots are still unread after {TRIES} tries")
    return {item["id"]["S"]: _taken(item) for item in items}


def _taken(item: Item) -> tuple[bytes, datetime]:
    return base64.b64decode(item["body"]["B"]), datetime.fromtimestamp(float(item["taken_at"]["N"]), UTC)


def keep_snapshot(name: str, body: bytes, now: datetime) -> None:
    """Keep a snapshot of at most MAX_BYTES. Raises StoreUnavailable."""
    if len(body) > MAX_BYTES:
        raise ValueError(f"a snapshot may be {MAX_BYTES} bytes long, not {len(body)}")
    item = {
        **row_key("snapshot", name),
        "body": {"B": base64.b64encode(body).decode()},
        "taken_at": {"N": repr(now.timestamp())},
    }
    with as_store_errors():
        dynamodb().patiently("PutItem", {"TableName": full_name(PIPELINE), "Item": item})


@dataclass(slots=True)
class Claim:
    """
    The right to do something alone among all processes: for ten seconds, unless `hold` is called meanwhile.

    So what a process that dies had begun is begun anew ten seconds later.
    """

    name: str
    holder: str = field(default_factory=lambda: secrets.token_hex(8))
    _renew_at_s: float = 0.0

    def take(self, now: datetime) -> bool:
        """Say whether the caller has the right from now on: nobody else has it. Raises StoreUnavailable."""
        self._renew_at_s = time.monotonic() + RENEWED_EVERY_S
        until = now + timedelta(seconds=CLAIMED_S)
        request = {
            **self._key(),
            "UpdateExpression": "SET claimed_until = :until, holder = :holder",
            "ConditionExpression": "attribute_not_exists(claimed_until) OR claimed_until < :now OR holder = :holder",
            "ExpressionAttributeValues": {
                ":until": {"N": repr(until.timestamp())},
                ":now": {"N": repr(now.timestamp())},
                ":holder": {"S": self.holder},
            },
        }
        return _passes("UpdateItem", request)

    def hold(self, clock: Callable[[], datetime]) -> bool:
        """Say whether the caller still has the right, and keep it: to be called once in HELD_EVERY_S at least."""
        return time.monotonic() < self._renew_at_s or self.take(clock())

    def give_back(self) -> None:
        """Let others have it at once. Raises StoreUnavailable."""
        request = {
            "TableName": full_name(PIPELINE),
            "Item": row_key("claim", self.name),
            "ConditionExpression": "holder = :holder",
            "ExpressionAttributeValues": {":holder": {"S": self.holder}},
        }
        _passes("PutItem", request)

    def _key(self) -> dict[str, Any]:
        return {"TableName": full_name(PIPELINE), "Key": row_key("claim", self.name)}


def _passes(operation: str, request: Mapping[str, Any]) -> bool:
    """Send a write, and say whether its condition was met. Raises StoreUnavailable."""
    with as_store_errors():
        return passes(operation, request, within_s=READ_WITHIN_S)
