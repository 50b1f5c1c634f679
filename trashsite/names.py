"""How queues and tables are named in AWS."""

from __future__ import annotations

from django.conf import settings

REPORTS_QUEUE = "trash-level"
ALERTS_QUEUE = "trash-alerts"


def full_name(name: str) -> str:
    """Return a queue's or table's name in this deployment: with the suffix, as the lab's `trash-level-wra`."""
    return with_suffix(name, settings.TRASH_SUFFIX)


def with_suffix(name: str, suffix: str) -> str:
    """Return a name with a suffix, if there is one."""
    return f"{name}-{suffix}" if suffix else name
