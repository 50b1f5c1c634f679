"""What heartbeats and the queues' depth say of the pipeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reports.insight.health import pipeline_troubles, worker_troubles, works
from reports.store import Heartbeat

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def heartbeat(seconds_ago: int, problem: str = "", name: str = "host:1") -> Heartbeat:
    return Heartbeat(name, NOW - timedelta(seconds=seconds_ago), {}, problem)


def texts(*heartbeats: Heartbeat) -> list[str]:
    return [trouble.text for trouble in worker_troubles(heartbeats, NOW)]


def test_a_fresh_heartbeat_is_no_trouble() -> None:
    assert texts(heartbeat(25)) == []


def test_no_worker_at_all_is_a_trouble_that_says_what_to_do() -> None:
    (trouble,) = worker_troubles([], NOW)
    assert (trouble.text, trouble.remedy) == ("No worker is running.", "Start one with `celery -A trashsite worker`.")


def test_a_silent_worker_is_a_trouble_even_beside_one_that_works() -> None:
    assert texts(heartbeat(31), heartbeat(1, name="host:2")) == ["Worker host:1 has been silent for 31 s."]


def test_a_worker_that_was_replaced_ten_minutes_ago_is_no_trouble() -> None:
    assert texts(heartbeat(601), heartbeat(1, name="host:2")) == []


def test_a_worker_that_is_stuck_reports_it_in_its_heartbeat() -> None:
    problem = "trash-level has answered no receive for 25 s"
    assert texts(heartbeat(1, problem)) == [f"Worker host:1: {problem}."]


def test_the_pipeline_works_as_soon_as_others_do_after_a_worker_died() -> None:
    dead, stuck, fine = heartbeat(31), heartbeat(1, "hangs", "host:2"), heartbeat(1, name="host:3")
    assert [works(beats, NOW) for beats in ([], [dead], [fine], [dead, fine])] == [False, False, True, True]
    # A stuck one keeps its messages invisible to the others.
    assert not works([stuck, fine], NOW)


def test_troubles_are_listed_the_worst_first() -> None:
    fine = heartbeat(0)

    def listed(**given: object) -> list[str]:
        usual = {"waiting": 0, "in_flight": 0, "dead": 0, "dead_alerts": 0, "workers": [fine], "now": NOW}
        return [f"{trouble.weight}: {trouble.text}" for trouble in pipeline_troubles(**{**usual, **given})]

    assert listed() == []
    assert listed(workers=[]) == ["bad: No worker is running."]
    assert listed(workers=[fine, heartbeat(31)]) == ["bad: Worker host:1 has been silent for 31 s."]
    silent = listed(waiting=None, dead_alerts=None, workers=None)
    assert silent == ["bad: SQS does not answer.", "bad: DynamoDB does not answer."]
    assert listed(dead=1) == ["warning: 1 dead letter: reports that could not be stored."]
    told = ["warning: 1 alert was set aside: those whom its rule names were not told."]
    assert listed(dead_alerts=1) == told
    assert listed(dead_alerts=None) == ["warning: SQS does not tell how many alerts were set aside."]
    waits = Heartbeat("host:1", NOW, {"new_cans_wait_until_s": int(NOW.timestamp()) + 200})
    assert listed(workers=[waits]) == [
        "warning: More new cans came than TRASH_NEW_CANS allows: their reports wait, the last for about 4 min."
    ]
    assert (
        listed(workers=[replace(waits, seen_at=NOW + timedelta(seconds=201))], now=NOW + timedelta(seconds=201)) == []
    )
    assert [text.split(":")[0] for text in listed(in_flight=110_000, waiting=30_000)] == ["bad", "warning"]
