"""
What a worker process has counted since it started, and its latest figures, as the heartbeat writes them.

messages           messages processed and deleted
postponed          messages made invisible for a while: their can is throttled, or dead letters or new cans are limited
stored             reports newly stored, whether or not they are their can's newest
older              those of the stored that are older than their can's newest, so in the history only
repeated           reports that equal their can's newest, or another one of their batch, and frames of a sensor that
                   came again: already stored
set_aside          reports that can never be stored, now dead letters
held               readings of sensors without a level: an error, an open lid, no calibration; the state is noted
ignored            what sensors and servers send that is no measurement: joins, status, settings
waiting            readings of sensors that nobody has registered, or that were mounted nowhere then
unlisted           messages of such sensors that were not kept, since the list of waiting sensors is full
new_cans           cans of which a report was stored for the first time
stored_per_minute  reports stored in the last minute
lag_ms             how old the oldest message of the last batch was when its reports were stored
last_stored_at_s   when that was, in epoch seconds
new_cans_wait_until_s  when the last of the new cans that wait has its turn (reports.worker.new_can_limit), likewise

The log line of a batch uses the same names. An earlier report that comes again, after a newer one of its can, counts
as stored and older: its row in the history is written over by its equal, unread.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

NAMES = (
    "messages", "postponed", "stored", "older", "repeated", "set_aside", "held", "ignored", "waiting", "unlisted",
    "new_cans",
)  # fmt: skip
MINUTE_S = 60.0

_lock = threading.Lock()
_counters: Counter[str] = Counter(dict.fromkeys(NAMES, 0))
#: Figures that the next ones replace.
_gauges: dict[str, int] = {}
#: When reports were stored, and how many, over the last minute.
_stored: deque[tuple[float, int]] = deque()


def add(**counts: int) -> None:
    """Add to counts; the names are those above, from messages to new_cans."""
    with _lock:
        _counters.update(counts)
        if stored := counts.get("stored"):
            _stored.append((time.monotonic(), stored))
            _drop_before_the_last_minute()


def set_gauges(**figures: int) -> None:
    """Replace lag_ms, last_stored_at_s or new_cans_wait_until_s."""
    with _lock:
        _gauges.update(figures)


def counters() -> dict[str, int]:
    """Return all counts so far, and the latest figures."""
    with _lock:
        _drop_before_the_last_minute()
        return {**_counters, **_gauges, "stored_per_minute": sum(stored for _, stored in _stored)}


def _drop_before_the_last_minute() -> None:
    oldest = time.monotonic() - MINUTE_S
    while _stored and _stored[0][0] < oldest:
        _stored.popleft()
