"""What pages write of any value that a store can hold: never an error, nothing unseen."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from reports import store
from reports.insight.standing import Standing
from reports.insight.status import Status
from reports.report import Report
from reports.templatetags import drawings, trash
from reports.web import fleet_count
from reports.web.csv_files import harmless

HTML = {"Accept": "text/html"}


@pytest.mark.usefixtures("suffix")
@pytest.mark.django_db
def test_a_report_of_the_year_1_breaks_no_page_west_of_utc(client: Client, settings: Settings) -> None:
    settings.TRASH_TIME_ZONE = "America/New_York"
    now = datetime.now(UTC)
    store.put_reports([Report("old", "99", datetime(1, 1, 1, tzinfo=UTC), now)], now=now)
    fleet_count.forget()

    for address in ("/", "/reports/", "/reports/old", "/reports/old/history"):
        answer = client.get(address, headers=HTML)
        assert (answer.status_code, b"0001-01-01" in answer.content) == (200, True), address


@given(st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)), st.text()))
def test_no_time_is_too_odd_to_be_written(at: datetime | str | None) -> None:
    assert trash.ago(at)
    if not isinstance(at, str):
        assert trash.time(at)


@pytest.mark.parametrize("level", ["1e999999999", "-1e7", "NaN", "", "x" * 99, "1E-999999", "99.99"])
def test_no_level_is_too_odd_to_be_written(level: str) -> None:
    assert len(drawings.level(level)) < 500
    assert len(trash.percent(level)) < 100


@pytest.mark.parametrize(
    ("status", "level", "full_from", "is_old", "tone"),
    [
        (Status.FULL, "36", 40, False, "full"),
        (Status.FILLING, "62", 70, False, "nearly"),
        (Status.OK, "85", 95, False, "fine"),
        (Status.SUSPECT, "100", 95, False, "full"),
        (Status.NEW, "32", 40, False, "nearly"),
        (Status.NEW, "29", 40, False, "fine"),
        (Status.FULL, "99", 80, True, "old"),
    ],
)
def test_a_level_has_the_colour_of_its_can_s_status_and_threshold(
    status: Status, level: str, full_from: int, is_old: bool, tone: str
) -> None:
    assert f'"level {tone}"' in drawings.level(level, Standing(status, "", is_old, None, full_from=full_from))


@pytest.mark.parametrize("text", ["[]", "x", "[" * 200_000, "3", '{"a": 1}'])
def test_no_attributes_are_too_odd_to_be_written(text: str) -> None:
    assert trash.attributes(text)


def test_a_long_attribute_is_folded() -> None:
    shown = trash.attributes(json.dumps({"log": "x" * 15_000, "short": "y"}))

    assert shown.count("<details") == 1
    assert "15\u202f000 characters" in shown


def test_what_nobody_sees_is_written_as_its_escape() -> None:
    assert trash.visible("4\u200b2\u202e0\u3164\U000e0041") == "4\\u200b2\\u202e0\\u3164\\U000e0041"
    assert trash.visible("Náměstí Míru 🗑️") == "Náměstí Míru 🗑️"


@pytest.mark.parametrize(("cell", "shown"), [("-1.62046", "-1.62046"), ("-1+1", "'-1+1"), ("-1;-1", "'-1;'-1")])
def test_a_negative_number_of_a_csv_stays_a_number(cell: str, shown: str) -> None:
    assert harmless(cell) == shown


@pytest.mark.parametrize("cell", ["a;=1+1", "a; @x", "=1", "a;\t=1", "a;＝1"])  # noqa: RUF001
def test_no_part_of_a_cell_is_a_formula_after_a_semicolon(cell: str) -> None:
    assert all(part[:1] not in "=+-@\t＝" and part.lstrip()[:1] not in "=+-@＝" for part in harmless(cell).split(";"))  # noqa: RUF001
