"""Since when a can is full, silent or suspect, as its row tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reports.insight.fold import Row, fold_all, hold
from reports.insight.since import Since, since
from reports.insight.status import Status
from reports.report import Report
from reports.store.keys import order_key
from tests.support.cans import a_report

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def a_row(*levels: tuple[float, str]) -> Row:
    """The row of a can whose levels were so many hours ago: (5, "70")."""
    reports = [a_report("1", level, at) for hours, level in levels for at in [NOW - timedelta(hours=hours)]]
    row = fold_all(None, [(report, order_key(report)) for report in reports])
    assert row
    return row


@pytest.mark.parametrize(
    ("levels", "hours", "or_earlier"),
    [
        ([(9, "60"), (7, "79"), (5, "80"), (3, "90"), (0, "99")], 5, False),
        # Only the newest report says so.
        ([(9, "79.9"), (0, "80")], 0, False),
        # It was full when it reported first.
        ([(90, "81"), (12, "90"), (0, "99")], 90, True),
        # Longer ago than the trend reaches.
        ([(200, "70"), (150, "85"), (99, "86"), (50, "86"), (0, "87")], 150, False),
        ([(9, "60"), (7, "85"), (0, "77")], 0, True),
    ],
)
def test_a_full_can_is_so_since_the_report_that_first_said_so(
    levels: list[tuple[float, str]], hours: int, or_earlier: bool
) -> None:
    assert since(a_row(*levels), Status.FULL) == Since(NOW - timedelta(hours=hours), or_earlier)


def test_a_silent_can_is_so_since_its_last_report() -> None:
    assert since(a_row((90, "5"), (30, "7")), Status.SILENT) == Since(NOW - timedelta(hours=30))


def test_a_suspect_can_is_so_since_its_level_stands_still_or_an_item_is_before_the_sensor() -> None:
    stuck = a_row((300, "30"), (290, "40"), *((hours, "40") for hours in range(280, 0, -10)))
    blocked = a_row((30, "20"), (20, "25"), (10, "100"), (0, "100"))

    assert since(stuck, Status.SUSPECT) == Since(NOW - timedelta(hours=290))
    assert since(blocked, Status.SUSPECT) == Since(NOW - timedelta(hours=10))


def test_fire_is_since_the_last_measurement_that_told_so_or_earlier() -> None:
    row = hold(a_row((9, "20"), (5, "25")), NOW - timedelta(hours=2), ["fire"])

    assert since(row, Status.FIRE) == Since(NOW - timedelta(hours=2), or_earlier=True)
    assert since(row, Status.TILT) is None


def test_where_nothing_is_known_nothing_is_told() -> None:
    without_time = Row(Report("1", "99", None, None), "")

    assert since(a_row((0, "5")), Status.OK) is None
    assert [since(without_time, status) for status in (Status.FULL, Status.SILENT, Status.SUSPECT)] == [None] * 3
