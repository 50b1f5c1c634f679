"""A can's history by the hour, on a real store: always what its reports say, whatever comes late."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

import boto3
import pytest

from reports import store
from reports.insight.hours import LevelSummary, by_day, by_hour
from reports.report import Report
from reports.store import hourly_history, summaries
from reports.store.dynamodb import HISTORY
from reports.store.keys import day_key
from reports.store.summaries import HourlyHistory
from trashsite import aws
from trashsite.names import full_name

pytestmark = pytest.mark.usefixtures("shared_suffix")

NOW = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0)
ids = (f"summed-{number}" for number in count())


def put(can_id: str, *times: datetime, level: str = "") -> list[Report]:
    chance = random.Random(3)
    reports = [Report(can_id, level or f"{chance.randrange(10000) / 100}", at, NOW) for at in times]
    store.put_reports(reports, now=NOW)
    return reports


def every(minutes: int, days: float) -> list[datetime]:
    return [NOW - timedelta(minutes=minutes * turn) for turn in range(int(days * 1440 / minutes))]


def all_of(can_id: str, since: datetime | None = None) -> list[LevelSummary]:
    for _ in range(20):
        found = hourly_history(can_id, since=since, now=NOW)
        if found.complete:
            return list(found.hours)
    raise AssertionError("it never came to its end")


def test_hours_say_how_low_how_high_and_how_it_ended() -> None:
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    levels = (("9.5", 0), ("10", 30), ("1.0", 59), ("77.10", 60), ("odd", 61))
    reports = [Report("1", level, at + timedelta(minutes=minute), at) for level, minute in levels]

    hours = by_hour(reports)

    assert hours == [
        LevelSummary(at, "1.0", "10", "1.0", 3),
        LevelSummary(at + timedelta(hours=1), "77.10", "77.10", "77.10", 1),
    ]
    assert by_day(hours) == [LevelSummary(at.replace(hour=0), "1.0", "77.10", "77.10", 4)]


def test_the_hours_are_what_the_reports_say_at_the_first_look_and_later() -> None:
    can_id = next(ids)
    reports = put(can_id, *every(37, 12))
    expected = by_hour(sorted(reports, key=lambda report: report.measured_at))

    assert all_of(can_id) == expected
    assert all_of(can_id) == expected


def test_a_second_look_reads_no_report_of_a_day_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    can_id = next(ids)
    put(can_id, *every(60, 30))
    since = NOW - timedelta(days=30)
    all_of(can_id, since)
    asked: list[str] = []
    monkeypatch.setattr(aws, "subscribers", [lambda sent: asked.append(sent.operation)])

    all_of(can_id, since)

    assert Counter(asked) == {"Query": 2} or Counter(asked) == {"Query": 3}


def test_a_late_report_is_seen_in_a_day_that_was_summed_up() -> None:
    can_id = next(ids)
    reports = put(can_id, *every(120, 5))
    all_of(can_id)

    reports += put(can_id, NOW - timedelta(days=3, minutes=7), level="99.99")

    assert all_of(can_id) == by_hour(sorted(reports, key=lambda report: report.measured_at))
    assert all_of(can_id) == by_hour(sorted(reports, key=lambda report: report.measured_at))


def test_a_report_that_comes_while_its_day_is_summed_up_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    can_id = next(ids)
    reports = put(can_id, *every(120, 3))
    finish = summaries._finish

    def late(*arguments: object) -> None:
        # The reports are read, the hours not yet written.
        reports.extend(put(can_id, NOW - timedelta(days=2, minutes=7), level="98.76"))
        finish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(summaries, "_finish", late)
    hourly_history(can_id, since=None, now=NOW)
    monkeypatch.undo()

    assert all_of(can_id) == by_hour(sorted(reports, key=lambda report: report.measured_at))


def test_one_that_died_in_the_middle_is_made_good_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    can_id = next(ids)
    reports = put(can_id, *every(120, 3))
    monkeypatch.setattr(summaries, "_finish", lambda *arguments: None)
    hourly_history(can_id, since=None, now=NOW)
    monkeypatch.undo()

    expected = by_hour(sorted(reports, key=lambda report: report.measured_at))
    assert all_of(can_id) == expected
    assert all_of(can_id) == expected


def test_days_without_reports_do_not_end_the_hours() -> None:
    can_id = next(ids)
    times = [NOW - timedelta(days=days) for days in (0, 1, 5, 6, 40, 130)]
    reports = put(can_id, *times)

    assert all_of(can_id) == by_hour(sorted(reports, key=lambda report: report.measured_at))
    assert all_of(can_id) == by_hour(sorted(reports, key=lambda report: report.measured_at))


def test_a_long_history_comes_in_several_parts_none_of_them_wrong() -> None:
    can_id = next(ids)
    reports = put(can_id, *every(360, 200))
    expected = by_hour(sorted(reports, key=lambda report: report.measured_at))

    parts = [hourly_history(can_id, since=None, now=NOW)]
    while not parts[-1].complete:
        parts.append(hourly_history(can_id, since=None, now=NOW))

    assert len(parts) > 2
    for part in parts:
        assert list(part.hours) == expected[len(expected) - len(part.hours) :]
    assert list(parts[-1].hours) == expected


def test_of_more_than_one_call_reads_only_whole_hours_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said = '{"note":"' + "x" * 16_000 + '"}'
    times = [NOW - timedelta(minutes=7 * turn) for turn in range(80)]
    reports = [Report("fat", str(turn), at, NOW, said) for turn, at in enumerate(times)]
    store.put_reports(reports, now=NOW)
    monkeypatch.setattr(summaries, "FRESH_PAGES", 1)

    found = hourly_history("fat", since=None, now=NOW)

    hours = by_hour(reversed(reports))
    assert not found.complete
    assert 5 < len(found.hours) < len(hours)
    assert list(found.hours) == hours[-len(found.hours) :]


def test_summaries_of_more_than_one_page_are_all_read(settings) -> None:
    settings.TRASH_HISTORY_DAYS = 1_000
    can_id, level = next(ids), "12.345678901234567890123456789"
    days = [(NOW - timedelta(days=number)).date() for number in range(1, 600)]
    hours = json.dumps([[hour, level, level, level, 1] for hour in range(24)])
    history = boto3.resource("dynamodb").Table(full_name(HISTORY))
    with history.batch_writer() as batch:
        for day in days:
            batch.put_item({"id": can_id, "order_key": day_key(day.isoformat()), "hours": hours, "dirty": False})

    found = hourly_history(can_id, since=None, now=NOW)

    assert found.complete
    assert len(found.hours) == 24 * len(days)


def test_an_unknown_can_has_no_hours() -> None:
    assert hourly_history("nobody", since=None, now=NOW) == HourlyHistory([], True)


def test_where_no_history_is_kept_there_is_none(settings) -> None:
    settings.TRASH_HISTORY_DAYS = 0

    assert hourly_history("nobody", since=None, now=NOW).hours == ()
