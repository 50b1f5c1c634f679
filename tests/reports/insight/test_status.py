"""Statuses by the newest report alone, and by the outlook that a row keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from reports.insight.status import Outlook, Status, is_old, outlook_of, status
from reports.report import Report, percent
from tests.support.cans import a_report

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("level", "age", "expected"),
    [
        ("80", timedelta(), Status.FULL),
        ("79.99999999999999999", timedelta(), Status.OK),
        ("1e2", timedelta(), Status.FULL),
        ("80.0", DAY * 9, Status.FULL),
        ("5", DAY, Status.OK),
        ("5", DAY + timedelta(microseconds=1), Status.SILENT),
        ("5", -timedelta(minutes=5), Status.OK),
        ("a lot", timedelta(), Status.OK),
        ("NaN", timedelta(), Status.OK),
    ],
)
def test_a_status_by_the_newest_report_alone_is_full_else_silent_else_ok(
    level: str, age: timedelta, expected: Status
) -> None:
    assert status(Report("1", level, NOW - age, NOW), NOW) == expected


def test_a_level_without_a_time_is_neither_old_nor_silent() -> None:
    report = Report("1", "5", None, None)
    assert status(report, NOW) == Status.OK
    assert not is_old(report, NOW)
    assert [percent(text) for text in ("Infinity", "x", "1E999999", "1.50")] == [None, None, None, Decimal("1.50")]


def test_a_row_says_which_status_holds_from_when_on() -> None:
    at = int(NOW.timestamp())
    outlook = Outlook(at + 7200, ((at, Status.SUSPECT), (at + 3600, Status.OK), (at + 7200, Status.SILENT)))
    assert outlook.text(at) == f"{at} 7200 SUSPECT 3600 OK 7200 SILENT"
    doubted = replace(outlook, is_doubted=True)
    assert doubted.text(at) == f"{outlook.text(at)} DOUBTED"
    assert outlook_of(a_report("1", "99", NOW, outlook=doubted.text(at))) == doubted
    report = a_report("1", "99", NOW, outlook=outlook.text(at))

    assert outlook_of(report) == outlook
    seen = [status(report, NOW + timedelta(seconds=seconds)) for seconds in (0, 3600, 3600.5, 7200, 7201)]
    assert seen == ["SUSPECT", "SUSPECT", "OK", "OK", "SILENT"]
    assert [is_old(report, NOW + timedelta(seconds=seconds)) for seconds in (7200, 7201)] == [False, True]


@pytest.mark.parametrize("outlook", ["", "x", "1 2", "1 2 OK 3", "1 2 MERRY", "1 7200 OK 7200 SILENT", "DOUBTED"])
def test_an_outlook_that_is_none_or_of_an_earlier_report_is_not_believed(outlook: str) -> None:
    assert status(a_report("1", "99", NOW, outlook=outlook), NOW) == Status.FULL
