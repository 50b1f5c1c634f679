"""
What this process has counted since it started, and how it goes; the heartbeat carries it to the pipeline table.

messages           messages worked off
postponed          messages given back to the queue for a while, since DynamoDB throttles their can
stored             reports that became their can's newest
stale              reports older than their can's newest, kept in the history
repeated           reports that were stored before
set_aside          reports that can never be stored, now dead letters
stored_per_minute  reports kept in the last minute, stale ones too
lag_ms             how old the oldest message of the last batch was when it was stored
last_stored_at_s   when that was, epoch seconds
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

NAMES = ("messages", "postponed", "stored", "stale", "repeated", "set_aside")
MINUTE_S = 60.0

_lock = threading.Lock()
_counters: Counter[str] = Counter(dict.fromkeys(NAMES, 0))
#: How it goes: figures that the next ones replace.
_gauges: dict[str, int] = {}
#: When reports were kept, and how many, over the last minute.
_kept: deque[tuple[float, int]] = deque()


def add(**counts: int) -> None:
    """Count; the names are those above, from messages to set_aside."""
    with _lock:
        _counters.update(counts)
        if kept := counts.get("stored", 0) + counts.get("stale", 0):
            _kept.append((time.monotonic(), kept))
            _forget()


def note(**figures: int) -> None:
    """Put figures in the place of the last ones: lag_ms, last_stored_at_s."""
    with _lock:
        _gauges.update(figures)


def counters() -> dict[str, int]:
    """Return all counts so far, and how it goes."""
    with _lock:
        _forget()
        return {**_counters, **_gauges, "stored_per_minute": sum(kept for _, kept in _kept)}


def _forget() -> None:
    oldest = time.monotonic() - MINUTE_S
    while _kept and _kept[0][0] < oldest:
        _kept.popleft()
