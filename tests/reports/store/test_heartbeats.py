"""Heartbeats of workers: the last of each, none missing, forgotten after a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reports import store
from reports.store import Heartbeat

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_a_workers_heartbeat_is_the_last_it_gave_and_is_forgotten_after_a_day(suffix: str) -> None:
    store.beat(Heartbeat("host:1", NOW, {"stored": 1}))
    later, unusable = NOW + timedelta(seconds=10), frozenset({"email", "sns"})
    last = Heartbeat("host:1", later, {"stored": 2}, problem="receives nothing", unusable=unusable)
    store.beat(last)
    store.beat(Heartbeat("host:2", NOW, {"stored": 0}))
    assert store.workers(NOW + timedelta(minutes=1)) == [last, Heartbeat("host:2", NOW, {"stored": 0})]
    assert store.workers(NOW + timedelta(days=1, seconds=5)) == [last]
    store.leave("host:1")
    assert store.workers(NOW) == [Heartbeat("host:2", NOW, {"stored": 0})]


def test_no_heartbeat_is_missing_where_one_answer_of_dynamodb_cannot_hold_all(suffix: str) -> None:
    # A worker that crashes again and again leaves a row each time, until a day later.
    for number in range(4):
        store.beat(Heartbeat(f"host:{number}", NOW, {}, problem="x" * 300_000))
    assert [each.name for each in store.workers(NOW)] == ["host:0", "host:1", "host:2", "host:3"]
