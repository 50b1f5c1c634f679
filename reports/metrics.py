"""
What this process has counted since it started; the heartbeat carries it to the pipeline table.

messages    messages worked off
stored      reports that became their can's newest
stale       reports older than their can's newest, kept in the history
repeated    reports that were stored before
set_aside   reports that can never be stored, now dead letters
"""

from __future__ import annotations

import threading
from collections import Counter

NAMES = ("messages", "stored", "stale", "repeated", "set_aside")

_lock = threading.Lock()
_counters: Counter[str] = Counter(dict.fromkeys(NAMES, 0))


def add(**counts: int) -> None:
    """Count; the names are those above."""
    with _lock:
        _counters.update(counts)


def counters() -> dict[str, int]:
    """Return all counts so far."""
    with _lock:
        return dict(_counters)
