"""One worker at a time looks at the queues for all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from reports import queue
from reports.store import Heartbeat
from reports.worker.overseer import Overseer, is_first, states
from tests.support.fault_proxy import FaultProxy

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def heartbeat(name: str, ago_s: float = 0, *, problem: str = "", is_main: bool = True) -> Heartbeat:
    return Heartbeat(name, NOW - timedelta(seconds=ago_s), {}, problem, is_main)


def test_the_first_main_process_that_still_beats_is_the_one_that_looks() -> None:
    beats = [heartbeat("a:1", is_main=False), heartbeat("b:1", ago_s=60), heartbeat("c:1"), heartbeat("d:1")]
    assert [name for name in ("b:2", "c:1", "d:1") if is_first(name, beats[2:], NOW)] == ["b:2", "c:1"]
    assert [name for name in ("c:1", "d:1") if is_first(name, beats, NOW)] == ["c:1"]
    assert is_first("d:1", [], NOW), "its own first heartbeat may not be written yet"


def test_workers_are_counted_by_what_they_last_said() -> None:
    beats = [heartbeat("a:1"), heartbeat("b:1", problem="hangs"), heartbeat("c:1", 60), heartbeat("d:1", 3600)]
    assert states(beats, NOW) == {"working": 1, "problem": 1, "silent": 1}


@pytest.mark.usefixtures("impatient", "suffix")
def test_while_dynamodb_is_away_every_worker_tells_how_many_messages_wait(
    proxy_to: Callable[[str], FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.store.pipeline_table.READ_WITHIN_S", 0.2)
    queue.publish(['{"can_id":"1","level":"2"}'])
    proxy_to("dynamodb").refuse()
    overseer = Overseer("b:1")
    overseer.look()
    told = {family.name: {sample.labels.get("state"): sample.value for sample in family.samples}
            for family in overseer.collect()}  # fmt: skip
    queues = {"trashsite_queue_messages": {"waiting": 1, "in_flight": 0, "dead": 0}}
    assert told == {**queues, "trashsite_dead_alerts": {None: 0}}
    assert overseer.levels() == {"backlog": 1, "dead": 0}
