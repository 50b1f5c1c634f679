"""The counts of a fleet that is too large to be read each time, over a real store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from reports import store
from reports.insight.alarms import told
from reports.models import Can
from reports.report import Report
from reports.store import Claim, walking
from reports.web import fleet_count, fleet_walk
from tests.support.cans import a_can

pytestmark = pytest.mark.django_db

CANS = 60
SILENT = timedelta(days=3)


@pytest.fixture(autouse=True)
def large(suffix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take 60 cans for a large fleet: each fifth full, each sixth silent, one of each out of service, one on fire."""
    monkeypatch.setattr(fleet_walk, "WHOLE", 20)
    monkeypatch.setattr(fleet_walk, "PACE", 1e6)
    monkeypatch.setattr(fleet_walk, "SHARE", 1)
    monkeypatch.setattr(fleet_count, "RENEWED_AFTER", timedelta(0))
    monkeypatch.setattr(fleet_count, "MAX_AGE_OF_LARGE", timedelta(0))
    monkeypatch.setattr(walking, "ROWS", 7)
    fleet_count.forget()
    now = datetime.now(UTC)
    reports = [
        Report(
            str(number), "90" if number % 5 == 0 else "10", now - SILENT * (number % 6 == 0), now,
            stream="glass" if number % 2 else "paper", location=(Decimal("50.1"), Decimal(14 + number)),
        )
        for number in range(CANS)
    ]  # fmt: skip
    store.put_reports(reports, now=now)
    store.hold_in_rows({"31": told(now + timedelta(minutes=1), ["fire"])}, now)
    for number in (5, 6):
        a_can(str(number), retired_at=now + timedelta(hours=1))
    yield
    fleet_count.forget()


def truth() -> dict[str, int]:
    cans = [number for number in range(CANS) if number not in (5, 6)]
    full = sum(number % 5 == 0 for number in cans)
    silent = sum(number % 6 == 0 and number % 5 != 0 for number in cans)
    # Of each there is one report.
    return {"FIRE": 1, "FULL": full, "SILENT": silent, "NEW": len(cans) - full - silent - 1}


def test_a_large_fleet_is_counted_by_index_and_walked_through(client: Client) -> None:
    first = client.get("/").json()
    # The 14 that were read until it turned out to be large are the beginning of the walk.
    walked = first["walked"]
    assert (first["exact"], first["total"], len(first["places"])) == (False, CANS, 14)
    assert (walked["cans"], walked["complete"]) == (14, False)
    # The most urgent are known all the same, and none of those that are out of service.
    assert len(first["urgent"]) == 10
    # One is on fire, which may be among the 14.
    assert {one["status"] for one in first["urgent"]} - {"FIRE"} == {"FULL"}
    assert "5" not in {one["can_id"] for one in first["urgent"]}

    # That somebody looks again begins the walk; the count after it knows what it saw.
    client.get("/")
    second = client.get("/").json()

    by_status = {name: cans for name, cans in second["by_status"].items() if cans}
    assert (second["exact"], by_status, second["total"]) == (False, truth(), CANS - 2)
    assert second["walked"] | {"since": "", "until": ""} == {"cans": CANS, "since": "", "until": "", "complete": True}
    assert (second["by_stream"], second["located"]) == ({"glass": 29, "paper": 29}, CANS - 2)
    assert len(second["places"]) == CANS - 2
    # No index knows of a fire: the walk met it.
    assert (second["urgent"][0]["can_id"], second["urgent"][0]["status"]) == ("31", "FIRE")
    # What the walk met has reported: no list has to ask the store after it.
    assert not Can.objects.filter(has_reported=False).exists()
    for address in ("/", "/reports/", "/reports/?status=FULL&page_size=1"):
        assert client.get(address, headers={"Accept": "text/html"}).status_code == 200


def test_a_walk_goes_on_where_another_process_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet_count.current()
    add = fleet_walk._add
    stretches = []

    def interrupted(*arguments: object) -> None:
        add(*arguments)  # type: ignore[arg-type]
        stretches.append(arguments)
        if len(stretches) == 4:
            raise fleet_walk.Interrupted

    monkeypatch.setattr(fleet_walk, "KEPT_EVERY_S", -1)
    monkeypatch.setattr(fleet_walk, "_add", interrupted)
    fleet_count.current()
    kept = fleet_walk.Walk.kept(fleet_walk.WALKING)
    assert kept
    assert (kept.count.seen, kept.complete) == (14 + 21, False)

    # Its claim is over ten seconds later.
    assert fleet_walk.Walk.kept(fleet_walk.WALKED) is None
    assert Claim(fleet_walk.WALKING).take(datetime.now(UTC) + timedelta(seconds=11))
    fleet_walk.walk(taken(fleet_walk.WALKING))
    walked = fleet_walk.Walk.kept(fleet_walk.WALKED)

    assert walked
    assert (walked.count.seen, walked.count.total, len(stretches)) == (CANS, CANS - 2, 4 + 4)


def taken(name: str) -> Claim:
    claim = Claim(name)
    assert claim.take(datetime.now(UTC) + timedelta(seconds=22))
    return claim


def test_what_a_dying_process_had_claimed_is_counted_ten_seconds_later(client: Client) -> None:
    now = datetime.now(UTC)
    dead = Claim(fleet_count.NAME)

    assert dead.take(now)
    assert client.get("/").json() == {"taken_at": None}
    assert dead.take(now - timedelta(seconds=10))
    assert client.get("/").json()["total"] == CANS


def test_a_small_fleet_is_searched_whole(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUDGET", 10)
    address = "/reports/?stream=none-such"

    assert client.get(address).json()["stopped"] is True
    fleet_count.current()
    answer = client.get(address).json()

    assert (answer["stopped"], answer["next"], answer["results"]) == (False, None, [])
