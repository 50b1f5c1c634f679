"""
The row that the peers write of a can: its newest report, and one slot of a ring for its trend.

It needs to read nothing first: what a good engineer writes by hand, and what the worker wrote until November 2026. The
worker reads it as it is.
"""

from __future__ import annotations

from decimal import Decimal

from reports.report import Report, iso
from reports.store.dynamodb import Item
from reports.store.keys import index_keys


def latest_values(report: Report, key: str) -> Item:
    """Return the attributes of a can's row, all but its id."""
    assert report.received_at is not None
    assert report.measured_at is not None
    place = report.location
    slot = int(report.measured_at.timestamp()) // 7200
    return {
        "level": {"S": report.level},
        "received_at": {"S": iso(report.received_at)},
        "order_key": {"S": key},
        "attributes": {"S": report.attributes},
        "stream": {"S": report.stream or ""},
        "location": {"S": f"{place[0]},{place[1]}" if place else ""},
        **index_keys(report.can_id, report.level, report.measured_at),
        f"t{slot % 12:x}": {"N": str(slot * 128 + int(Decimal(report.level)))},
    }
