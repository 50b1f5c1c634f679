"""Reports and cans as tests need them: a test says only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reports.models import Can
from reports.report import Report


def a_report(can_id: str = "420", level: str = "50", at: datetime | None = None, **more: Any) -> Report:
    """Return a report measured and received at an instant, now where none is said; more: other fields of Report."""
    at = at or datetime.now(UTC)
    return Report(can_id, level, at, **{"received_at": at, **more})


def a_can(can_id: str = "420", **facts: Any) -> Can:
    """Store what is known of a can, and return it."""
    return Can.objects.create(can_id=can_id, **facts)
