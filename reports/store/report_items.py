"""A report as an item of the history, and the report that an item of the history or of the levels table holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from reports.report import Report, iso
from reports.store.dynamodb import Item


def history_item(report: Report, key: str) -> Item:
    """Return the row that the history keeps of a report, to be swept TRASH_HISTORY_DAYS after its receipt."""
    assert report.received_at is not None
    expires_at = report.received_at + timedelta(days=settings.TRASH_HISTORY_DAYS)
    item: Item = {
        "id": {"S": report.can_id},
        "order_key": {"S": key},
        "level": {"S": report.level},
        "received_at": {"S": iso(report.received_at)},
        # As by `epoch_seconds`, without one more call for each report.
        "expires_at": {"N": str(int(expires_at.timestamp()))},
    }
    if report.attributes != "{}":
        item["attributes"] = {"S": report.attributes}
    return item


def report_of(item: Item) -> Report | None:
    """
    Return the report that a row of either table holds, None where it holds no level.

    The lab's own service writes `id` and `level` alone: its times are None.
    """
    sent = item.get("level", {})
    level = sent.get("S") or sent.get("N")
    if not level:
        return None
    key = item.get("order_key", {}).get("S")
    received_at = item.get("received_at", {}).get("S")
    lat, _, lon = item.get("location", {}).get("S", "").partition(",")
    return Report(
        can_id=item["id"]["S"],
        level=level,
        measured_at=datetime.fromisoformat(key.partition("#")[0]) if key else None,
        received_at=datetime.fromisoformat(received_at) if received_at else None,
        attributes=item.get("attributes", {}).get("S") or "{}",
        stream=item.get("stream", {}).get("S") or None,
        location=(Decimal(lat), Decimal(lon)) if lon else None,
        outlook=item.get("status", {}).get("S", ""),
    )
