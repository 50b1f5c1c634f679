"""The fleet over time: each hour kept by one process, shown as page, JSON and CSV, and made from the history."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from reports import store
from reports.insight.over_time import HOUR, begin_of
from reports.report import Report
from reports.store import Claim, Minute
from reports.web import fleet_count, hour_keeper, over_time
from tests.support.cans import a_can

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(suffix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hour_keeper, "_kept", hour_keeper._Kept())
    # The cans are counted now, and the hour has ended just now.
    monkeypatch.setattr(fleet_count, "RENEWED_AFTER", timedelta(0))
    for module in (fleet_count, over_time):
        module.forget()
    yield
    for module in (fleet_count, over_time):
        module.forget()


def put(*levels: str, at: datetime) -> None:
    place = (Decimal("50.1"), Decimal("14.4"))
    reports = [Report(f"can-{n}", level, at, at, "{}", "paper", place) for n, level in enumerate(levels)]
    store.put_reports(reports, now=at)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The time at which the pages are asked for: no hour ends during a test."""
    now = datetime.now(UTC)
    monkeypatch.setattr(over_time, "timezone", SimpleNamespace(now=lambda: now))
    return now


def test_an_hour_is_kept_once_with_what_workers_told_and_shown_in_every_form(client: Client, now: datetime) -> None:
    put("95", "10", at=now)
    # As if the hour had ended two minutes ago.
    settled = begin_of(now, HOUR) + hour_keeper.SETTLED
    begins_at = begin_of(settled, HOUR) - HOUR
    for worker, stored in (("a:1", 5), ("b:2", 7)):
        counts = {"received": stored, "stored": stored, "older": 1, "emptied": 1}
        store.put_minute(Minute(begins_at + timedelta(minutes=7), worker, counts))
    store.put_minute(Minute(begins_at + HOUR, "a:1", {"stored": 100}))
    store.put_minute(Minute(begins_at - timedelta(minutes=1), "a:1", {"stored": 1000}))

    hour_keeper.keep(settled)
    kept = store.fleet_hours(begins_at - HOUR, begins_at + HOUR)
    put("95", "99", "99", at=now)
    hour_keeper._kept.hour = None
    hour_keeper.keep(settled + timedelta(minutes=1))

    assert store.fleet_hours(begins_at - HOUR, begins_at + HOUR) == kept
    before, hour = kept
    assert (before.counted_at, before.reports) == (None, 1000)
    assert (hour.by_status, hour.by_stream, hour.reports, hour.emptied) == (
        {"FULL": 1, "NEW": 1}, {"paper": (2, 1)}, 10, 2,
    )  # fmt: skip
    answer = client.get("/over-time?range=24h").json()
    assert answer["missing_hours"] == 23
    assert (answer["points"][-1]["full_percent"], answer["points"][-2]["full_percent"]) == (50.0, None)
    rows = list(csv.DictReader(io.StringIO(client.get("/over-time?range=24h&format=csv").content.decode())))
    assert (rows[-1]["full_percent"], rows[-1]["full_percent paper"], rows[-2]["full"]) == ("50.0", "50.0", "")
    page = client.get("/over-time", headers={"Accept": "text/html"}).content.decode()
    assert "50.0 %" in page
    assert "not counted" in page
    told = client.get("/over-time/map").json()
    # In the order in which the store hands out its rows.
    assert {told["statuses"][int(digit)] for digit in told["frames"][-1]["digits"]} == {"FULL", "NEW"}


def test_an_hour_is_left_to_the_process_that_has_it_and_uncounted_where_it_is_over_for_long() -> None:
    now = datetime.now(UTC)
    put("95", at=now)
    late = begin_of(now, HOUR) + hour_keeper.COUNTED_WITHIN + timedelta(minutes=3)
    begins_at = begin_of(late, HOUR) - HOUR
    assert Claim(hour_keeper.NAME).take(late)
    hour_keeper.keep(late + timedelta(seconds=1))
    assert store.fleet_hours(begins_at, begins_at + HOUR) == []

    hour_keeper.keep(late + timedelta(seconds=11))

    (hour,) = store.fleet_hours(begins_at, begins_at + HOUR)
    assert (hour.counted_at, hour.reports, hour.emptied) == (None, None, None)


@pytest.mark.parametrize("path", ["/over-time?range=2d", "/over-time/map?range=24h", "/over-time?since=1"])
def test_what_is_not_known_is_refused(client: Client, path: str) -> None:
    assert client.get(path).status_code == 400


def test_hours_that_nobody_counted_are_made_from_the_history(
    client: Client, now: datetime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: now)
    a_can("can-1", retired_at=now - timedelta(hours=5))
    for back in range(60, 0, -3):
        put("95" if back > 30 else "8", "50", at=now - timedelta(hours=back))

    call_command("fill-hours", days=3)
    points = client.get("/over-time?range=7d").json()["points"]

    assert capsys.readouterr().out.startswith("made 6")
    counted = [point for point in points if point["hours"]]
    assert 58 <= len(counted) <= 61
    assert all(point["from_history"] for point in counted)
    assert {point["full"] for point in counted} == {0.0, 1.0}
    # One was emptied once. Each of two reported once in three hours, and both are counted, in service or not.
    assert sum(point["emptied"] for point in counted) == 1
    assert {point["reports"] for point in counted} == {0, 2}
    assert [frame["digits"] != "" for frame in client.get("/over-time/map").json()["frames"]] == [True] * 24
    call_command("fill-hours", days=3)
    assert "made 0" in capsys.readouterr().out
