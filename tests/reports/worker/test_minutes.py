"""Each minute of a worker becomes one row, and what it counts now is in its heartbeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reports import store
from reports.store import Heartbeat
from reports.worker.minutes import MinuteBook

BEGIN = datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.mark.usefixtures("suffix")
def test_counts_that_grow_become_counts_of_minutes() -> None:
    book = MinuteBook("host:1", BEGIN)
    present = [
        book.note(
            {"received": received, "stored": received, "messages": received, "lag_ms": lag_ms},
            {"backlog": backlog},
            BEGIN + timedelta(seconds=second),
        )
        for second, received, lag_ms, backlog in ((10, 5, 40, 2), (20, 9, 30, 7), (70, 12, 90, 0), (80, 12, 90, 0))
    ]
    assert [each.counts.get("received", 0) for each in present] == [5, 9, 0, 0]
    book.write()
    book.write()
    store.beat(Heartbeat("host:1", BEGIN, {}, minute=present[-1]))
    (kept,) = store.minutes(BEGIN)
    assert (kept.begins_at, kept.worker) == (BEGIN, "host:1")
    assert kept.counts == {"received": 12, "stored": 12, "backlog": 7, "lag_ms": 40}
    (heartbeat,) = store.workers(BEGIN)
    assert heartbeat.minute == present[-1]

    book.end({"received": 13, "stored": 13})
    assert [each.counts["received"] for each in store.minutes(BEGIN)] == [12, 1]
    assert store.minutes(BEGIN + timedelta(minutes=1)) == store.minutes(BEGIN)[1:]
