"""The workers' heartbeats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reports.store.errors import as_store_errors
from reports.store.items import PIPELINE, READ_WITHIN_S, dynamodb, table
from reports.wire import iso

#: How long a worker that is gone is remembered.
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One worker process, as it last said: `counters` since its start, as stored or set_aside."""

    name: str
    seen_at: datetime
    counters: Mapping[str, int]


def beat(name: str, counters: Mapping[str, int], now: datetime) -> None:
    """Say that the worker process `name` is alive. Raises StoreUnavailable."""
    with as_store_errors():
        dynamodb().call(
            "PutItem",
            {
                "TableName": table(PIPELINE),
                "Item": {
                    "kind": {"S": "worker"},
                    "id": {"S": name},
                    "seen_at": {"S": iso(now)},
                    "counters": {"S": json.dumps(dict(counters))},
                    "expires_at": {"N": str(int((now + KEPT).timestamp()))},
                },
            },
        )


def workers(now: datetime) -> list[Heartbeat]:
    """Return the last heartbeat of each worker process of the past day, by name. Raises StoreUnavailable."""
    with as_store_errors():
        answer = dynamodb().patiently(
            "Query",
            {
                "TableName": table(PIPELINE),
                "KeyConditionExpression": "kind = :kind",
                "FilterExpression": "expires_at > :now",
                "ExpressionAttributeValues": {
                    ":kind": {"S": "worker"},
                    ":now": {"N": str(int(now.timestamp()))},
                },
            },
            within_s=READ_WITHIN_S,
        )
    return [
        Heartbeat(item["id"]["S"], datetime.fromisoformat(item["seen_at"]["S"]), json.loads(item["counters"]["S"]))
        for item in answer["Items"]
    ]
