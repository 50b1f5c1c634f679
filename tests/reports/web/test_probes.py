"""What heartbeats tell of the workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reports.insight.health import worker_problems
from reports.store import Heartbeat

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def seen(seconds_ago: int, problem: str = "", name: str = "host:1") -> Heartbeat:
    return Heartbeat(name, NOW - timedelta(seconds=seconds_ago), {}, problem)


def test_a_fresh_heartbeat_is_well() -> None:
    assert worker_problems([seen(25)], NOW) == []


def test_no_worker_at_all_is_told_with_what_to_do() -> None:
    assert worker_problems([], NOW) == ["no worker is running: start one with `celery -A trashsite worker`"]


def test_a_worker_that_fell_silent_is_missed_even_beside_one_that_works() -> None:
    assert worker_problems([seen(31), seen(1, name="host:2")], NOW) == ["worker host:1 has been silent for 31 s"]


def test_a_worker_that_was_replaced_ten_minutes_ago_is_missed_no_more() -> None:
    assert worker_problems([seen(601), seen(1, name="host:2")], NOW) == []


def test_a_worker_that_is_stuck_says_so_itself() -> None:
    assert worker_problems([seen(1, "trash-level has answered no receive for 25 s")], NOW) == [
        "worker host:1: trash-level has answered no receive for 25 s"
    ]
