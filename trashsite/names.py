"""How queues and tables are named in AWS."""

from __future__ import annotations

REPORTS_QUEUE = "trash-level"


def with_suffix(name: str, suffix: str) -> str:
    """Return a queue's or table's name in the deployment of that suffix, as the lab's `trash-level-wra`."""
    return f"{name}-{suffix}" if suffix else name
