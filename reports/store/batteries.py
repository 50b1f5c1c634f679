"""
The list of the cans in which a sensor's battery is low (reports.store.can_lists), an index of the sensors' states.

A row for each such sensor in each of its cans, written before its state; after a move that was entered for the past,
within a day. One may be left of a sensor that was taken out of its can, so whoever reads it asks the sensor's state as
well (docs/decisions/0044-a-list-of-low-batteries.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from reports.store.batches import put_all
from reports.store.can_lists import BETWEEN, CanList
from reports.store.dynamodb import PIPELINE, Item, dynamodb, epoch_seconds
from reports.store.errors import as_store_errors
from reports.store.pipeline_table import row_key
from trashsite.names import full_name

#: A row that no frame writes again is of a sensor that was taken out, or of one whose battery ended long ago.
LOW_KEPT = timedelta(days=400)


class LowBattery(NamedTuple):
    """A sensor with a low battery in a can."""

    can_id: str
    key: str


def note_low_batteries(found: Iterable[LowBattery], now: datetime) -> None:
    """Write that these batteries are low; again it is the same row, kept for longer. Raises StoreUnavailable."""
    expires_at = epoch_seconds(now + LOW_KEPT)
    put_all(full_name(PIPELINE), [{**_row_key(each), "expires_at": expires_at} for each in dict.fromkeys(found)])


def forget_low_batteries(found: Iterable[LowBattery]) -> None:
    """Take batteries off that are not low any more. Raises StoreUnavailable."""
    with as_store_errors():
        for each in found:
            dynamodb().patiently("DeleteItem", {"TableName": full_name(PIPELINE), "Key": _row_key(each)})


def _row_key(battery: LowBattery) -> Item:
    return row_key(CanList.LOW_BATTERY, f"{battery.can_id}{BETWEEN}{battery.key}")
