"""
What a worker process has counted since it started, and its latest figures, as the heartbeat writes them.

messages           messages processed, which are then deleted
postponed          messages made invisible for a while: their can is throttled, or slow to store, or dead letters or
                   new cans are limited
received           reports, and readings of sensors, in the messages of all batches; the next seven sum to it
stored             reports newly stored, whether or not they are their can's newest
repeated           reports that equal their can's newest, or another one of their batch, and frames of a sensor that
                   came again: already stored
held               readings of sensors without a level: an error, an open lid, no calibration; the state is noted
ignored            what sensors and servers send that is no measurement: joins, status, settings
waiting            readings of sensors that nobody has registered, or that were mounted nowhere then
set_aside          reports that can never be stored, now dead letters; one letter may hold a whole array
again              reports whose message comes again: of postponed messages, and what an outage left unstored
unlisted           messages of waiting sensors that were not kept, since the list of waiting sensors is full
new_cans           cans of which a report was stored for the first time
emptied            emptyings that reports which came in order have confirmed
older              those of the stored that are older than their can's newest, so in the history only
stored_per_minute  reports stored in the last minute
lag_ms             how old the oldest message of the last batch was when its reports were stored
last_stored_at_s   when that was, in epoch seconds
new_cans_wait_until_s  when the last of the new cans that wait has its turn (reports.worker.new_can_limit), likewise

The log line of a batch uses the same names. An earlier report that comes again, after a newer one of its can, counts
as stored and older: its row in the history is written over by its equal, unread. A batch that fails by an error of
ours, or dies with its process before it is counted, counts nowhere: its messages come again whole. One that dies
between its counts and the delete counts again. trashsite.telemetry keeps the counts.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, fields

from reports.report import InvalidReport
from trashsite import telemetry
from trashsite.outcomes import OUTCOMES

MINUTE_S = 60.0
#: Why a message is made invisible for a while.
POSTPONED = ("throttled", "limited", "unadmitted", "unread")


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """
    What became of one batch, or of several that are added up, by the names above.

    throttled, limited, unadmitted (new cans), unread (a sensor's entry cannot be read), failed: messages that
    come again, and why; all but the last are postponed. letters: dead letters written. ages_s: how old the youngest
    and the oldest message was, of those that were not sent again; None where there is none.
    """

    messages: int = 0
    throttled: int = 0
    limited: int = 0
    unadmitted: int = 0
    unread: int = 0
    failed: int = 0
    received: int = 0
    stored: int = 0
    older: int = 0
    repeated: int = 0
    held: int = 0
    ignored: int = 0
    waiting: int = 0
    unlisted: int = 0
    new_cans: int = 0
    emptied: int = 0
    set_aside: int = 0
    again: int = 0
    letters: int = 0
    ages_s: tuple[float, float] | None = None

    def __add__(self, other: BatchCounts) -> BatchCounts:
        added = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        ages = [each for each in (self.ages_s, other.ages_s) if each]
        span = (min(age for age, _ in ages), max(age for _, age in ages)) if ages else None
        return BatchCounts(**added, ages_s=span)

    def numbers(self) -> dict[str, int]:
        """Return its counts by name, those that are not 0."""
        return {name: count for name in _NUMBERS if (count := getattr(self, name))}

    @property
    def postponed(self) -> int:
        return sum(getattr(self, name) for name in POSTPONED)


_NUMBERS = tuple(field.name for field in fields(BatchCounts) if field.name != "ages_s")
_lock = threading.Lock()
#: Figures that the next ones replace.
_gauges: dict[str, int] = {}
#: When reports were stored, and how many, over the last minute.
_stored: deque[tuple[float, int]] = deque()


def add(batch: BatchCounts) -> None:
    """Count what became of a batch."""
    postponed = {name: getattr(batch, name) for name in POSTPONED}
    for outcome, count in {"settled": batch.messages, "failed": batch.failed, **postponed}.items():
        if count:
            telemetry.MESSAGES.add(count, outcome)
    telemetry.REPORTS_RECEIVED.add(batch.received)
    for outcome in OUTCOMES:
        if count := getattr(batch, outcome):
            telemetry.REPORTS.add(count, outcome)
    if batch.older:
        telemetry.REPORTS_OLDER.add(batch.older)
    if batch.unlisted:
        telemetry.MESSAGES_UNLISTED.add(batch.unlisted)
    if batch.new_cans:
        telemetry.NEW_CANS.add(batch.new_cans)
    if batch.emptied:
        telemetry.EMPTYINGS.add(batch.emptied)
    if batch.letters:
        telemetry.LETTERS.add(batch.letters)
    if batch.messages:
        now_s = time.time()
        telemetry.LAST_STORED.set(now_s)
        with _lock:
            _gauges["last_stored_at_s"] = int(now_s)
            if batch.ages_s:
                telemetry.OLDEST_AGE.set(batch.ages_s[1])
                _gauges["lag_ms"] = max(0, int(batch.ages_s[1] * 1000))
            if batch.stored:
                _stored.append((time.monotonic(), batch.stored))
            _drop_before_the_last_minute()


def set_gauges(**figures: int) -> None:
    """Replace lag_ms, last_stored_at_s or new_cans_wait_until_s."""
    with _lock:
        _gauges.update(figures)


def add_invalid(invalid: Iterable[InvalidReport]) -> None:
    """Count reports that were set aside, by the field that broke a rule."""
    named = (each.field if each.field in telemetry.FIELDS else "other" for each in invalid)
    for field, count in Counter(named).items():
        telemetry.REPORTS_INVALID.add(count, field)


def counters() -> dict[str, int]:
    """Return all counts so far, and the latest figures."""
    counted = {outcome: telemetry.REPORTS.counted(outcome) for outcome in OUTCOMES}
    with _lock:
        _drop_before_the_last_minute()
        return {
            "messages": telemetry.MESSAGES.counted("settled"),
            "postponed": sum(map(telemetry.MESSAGES.counted, POSTPONED)),
            "received": telemetry.REPORTS_RECEIVED.counted(),
            **counted,
            "older": telemetry.REPORTS_OLDER.counted(),
            "unlisted": telemetry.MESSAGES_UNLISTED.counted(),
            "new_cans": telemetry.NEW_CANS.counted(),
            "emptied": telemetry.EMPTYINGS.counted(),
            **_gauges,
            "stored_per_minute": sum(stored for _, stored in _stored),
        }


def _drop_before_the_last_minute() -> None:
    oldest = time.monotonic() - MINUTE_S
    while _stored and _stored[0][0] < oldest:
        _stored.popleft()
