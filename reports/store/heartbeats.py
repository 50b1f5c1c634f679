"""The workers' heartbeats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reports.report import iso
from reports.store.dynamodb import PIPELINE, dynamodb, epoch_seconds
from reports.store.errors import as_store_errors
from reports.store.minutes import Minute, minute_of
from reports.store.pipeline_table import row_key, rows
from trashsite.names import full_name

#: How long a worker that is gone is remembered.
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """
    One worker process, as it last said.

    name: host:pid. counters: since its start, as stored or set_aside (reports.worker.counters). problem: what it cannot
    do although it should, "" where nothing is wrong. is_main: False for a process of a prefork pool. minute: what
    it has done in the present minute, which has no row of its own yet. unusable: the channels of alerts for which it
    has no setting, so it can tell nobody by them.
    """

    name: str
    seen_at: datetime
    counters: Mapping[str, int]
    problem: str = ""
    is_main: bool = True
    minute: Minute | None = None
    unusable: frozenset[str] = frozenset()


def beat(heartbeat: Heartbeat) -> None:
    """Say that a worker process is alive. Raises StoreUnavailable."""
    with as_store_errors():
        dynamodb().call(
            "PutItem",
            {
                "TableName": full_name(PIPELINE),
                "Item": {
                    **row_key("worker", heartbeat.name),
                    "seen_at": {"S": iso(heartbeat.seen_at)},
                    "counters": {"S": json.dumps(dict(heartbeat.counters))},
                    "problem": {"S": heartbeat.problem},
                    "unusable": {"S": " ".join(sorted(heartbeat.unusable))},
                    "is_main": {"BOOL": heartbeat.is_main},
                    "minute": {"S": heartbeat.minute.key if heartbeat.minute else ""},
                    "minute_counts": {"S": json.dumps(dict(heartbeat.minute.counts) if heartbeat.minute else {})},
                    "expires_at": epoch_seconds(heartbeat.seen_at + KEPT),
                },
            },
        )


def leave(name: str) -> None:
    """Say that a worker process has ended as it should, so that nobody misses it. Raises StoreUnavailable."""
    with as_store_errors():
        dynamodb().call("DeleteItem", {"TableName": full_name(PIPELINE), "Key": row_key("worker", name)})


def workers(now: datetime) -> list[Heartbeat]:
    """Return the last heartbeat of each worker process of the past day, by name. Raises StoreUnavailable."""
    return [
        Heartbeat(
            name=item["id"]["S"],
            seen_at=datetime.fromisoformat(item["seen_at"]["S"]),
            counters=json.loads(item["counters"]["S"]),
            problem=item.get("problem", {}).get("S", ""),
            is_main=item.get("is_main", {}).get("BOOL", True),
            minute=minute_of(key, item["minute_counts"]["S"]) if (key := item.get("minute", {}).get("S")) else None,
            # A worker of an earlier version does not say it.
            unusable=frozenset(item.get("unusable", {}).get("S", "").split()),
        )
        for item in rows("worker", now=now)
    ]
