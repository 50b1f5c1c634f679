"""What workers did, minute by minute: a row for each process and minute, kept for some hours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from reports.report import iso
from reports.store.dynamodb import PIPELINE, dynamodb, epoch_seconds
from reports.store.errors import as_store_errors
from reports.store.pipeline_table import row_key, rows
from trashsite.names import full_name

KEPT = timedelta(hours=3)
#: Rows that one answer may hold: 100 processes for an hour. More are not read.
MOST_MINUTES = 6_000


@dataclass(frozen=True, slots=True)
class Minute:
    """
    What one worker process did in one minute.

    begins_at: the minute, in UTC. worker: the name of its heartbeat. counts: by the names of its counters; what one
    worker found out for all is among them (backlog, dead), and lag_ms, the oldest message's age.
    """

    begins_at: datetime
    worker: str
    counts: Mapping[str, int]

    @property
    def key(self) -> str:
        """Its sort key: rows are read by time."""
        return f"{iso(self.begins_at)[:16]}#{self.worker}"


def put_minute(minute: Minute) -> None:
    """Keep a minute's row, once: the same again changes nothing. Raises StoreUnavailable."""
    with as_store_errors():
        dynamodb().call(
            "PutItem",
            {
                "TableName": full_name(PIPELINE),
                "Item": {
                    **row_key("minute", minute.key),
                    "counts": {"S": json.dumps(dict(minute.counts), separators=(",", ":"))},
                    "expires_at": epoch_seconds(minute.begins_at + KEPT),
                },
            },
        )


def minutes(since: datetime, until: datetime | None = None) -> list[Minute]:
    """Return the minutes from `since` on and before `until`, by time, MOST_MINUTES at most. Raises StoreUnavailable."""
    # A digit sorts before it; a minute's key goes on after its sixteenth character.
    last = iso(until)[:16] if until else ":"
    found = rows("minute", between=(iso(since)[:16], last))
    return [minute_of(item["id"]["S"], item["counts"]["S"]) for item in islice(found, MOST_MINUTES)]


def minute_of(key: str, counts: str) -> Minute:
    """Return the minute of a row's key and the text of its counts."""
    begins_at, _, worker = key.partition("#")
    return Minute(datetime.fromisoformat(f"{begins_at}:00+00:00"), worker, json.loads(counts))
