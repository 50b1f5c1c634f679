"""One worker at a time looks at the queues for all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reports.store import Heartbeat
from reports.worker.overseer import is_first, states

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
