"""The fleet hour by hour: a row for each, in the pipeline table, kept for more than a year."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from reports.insight.over_time import FleetHour
from reports.report import iso
from reports.store.dynamodb import PIPELINE, dynamodb, epoch_seconds
from reports.store.errors import as_store_errors
from reports.store.pipeline_table import row_key, rows
from trashsite.names import full_name

#: So long an hour is kept: at most 9,600 rows of about 300 bytes, whatever the number of cans.
KEPT = timedelta(days=400)
KIND = "fleet-hour"


def put_fleet_hour(hour: FleetHour) -> None:
    """Keep an hour's row in the place of the one that there was, if any. Raises StoreUnavailable."""
    item = {
        **row_key(KIND, _key(hour.begins_at)),
        "counts": {"S": hour.packed()},
        "expires_at": epoch_seconds(hour.begins_at + KEPT),
    }
    with as_store_errors():
        dynamodb().patiently("PutItem", {"TableName": full_name(PIPELINE), "Item": item})


def fleet_hours(since: datetime, until: datetime) -> list[FleetHour]:
    """
    Return the hours that are kept of those that begin from `since` on and before `until`, oldest first.

    What another version of this program wrote is left out. Costs a Query, and some 40 read units for a month; three
    Queries and 330 units for a year. Raises StoreUnavailable.
    """
    # Sorts after the hour before, and before this one.
    last = _key(until - timedelta(microseconds=1))
    return [hour for item in rows(KIND, between=(_key(since), last)) if (hour := _hour(item))]


def _key(at: datetime) -> str:
    """Return the sort key of the hour that an instant is in, as `2026-11-24T09`."""
    return iso(at)[:13]


def _hour(item: Mapping[str, Any]) -> FleetHour | None:
    with suppress(KeyError, TypeError, ValueError):
        return FleetHour.unpacked(datetime.fromisoformat(f"{item['id']['S']}:00:00+00:00"), item["counts"]["S"])
    return None
