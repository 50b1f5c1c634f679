"""The fleet filtered by whether levels are to be trusted: from a list, also cans that are FULL."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from reports import store
from reports.store import suspects
from reports.web import fleet_csv
from tests.support.cans import a_can, a_report

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

NOW = datetime.now(UTC).replace(microsecond=0)


def put(can_id: str, level: str, *, before: str = "", **more: Any) -> None:
    """Store a report of now, and one of eight days ago."""
    long_ago = [a_report(can_id, before, NOW - timedelta(days=8))] if before else []
    store.put_reports([*long_ago, a_report(can_id, level, NOW, **more)], now=NOW)


def ids(answer: Any) -> list[str]:
    found = answer.json()["results"]
    assert all(each["suspect"] is (each["can_id"] not in ("sus-fine", "sus-full", "sus-never")) for each in found)
    return [each["can_id"] for each in found]


def test_every_can_whose_level_is_not_to_be_trusted_is_found_whatever_its_status(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("sus-b", "91.5", before="91.5")
    put("sus-a", "30", before="30")
    put("sus-c", "40", attributes='{"events":["tilt"]}', stream="glass")
    put("sus-full", "95", before="60")
    put("sus-fine", "41", before="10")
    a_can("sus-never")

    assert ids(client.get("/reports/?suspect=yes&q=sus-")) == ["sus-a", "sus-b", "sus-c"]
    assert ids(client.get("/reports/?suspect=yes&q=sus-&status=FULL")) == ["sus-b"]
    assert ids(client.get("/reports/?suspect=no&q=sus-&status=FULL")) == ["sus-full"]
    assert ids(client.get("/reports/?suspect=no&q=sus-")) == ["sus-fine", "sus-full", "sus-never"]
    assert ids(client.get("/reports/?suspect=yes&q=sus-&order=fullest")) == ["sus-b", "sus-c", "sus-a"]
    assert ids(client.get("/reports/?suspect=yes&q=sus-&stream=glass&level_min=40")) == ["sus-c"]

    pages = [client.get("/reports/?suspect=yes&q=sus-&page_size=2")]
    pages.append(client.get(pages[0].json()["next"]))
    assert [ids(page) for page in pages] == [["sus-a", "sus-b"], ["sus-c"]]
    assert ids(client.get(pages[1].json()["previous"])) == ["sus-a", "sus-b"]

    assert client.get("/reports/?suspect=maybe").json()["errors"][0]["rule"] == "must be one of yes, no"
    page = client.get("/reports/?suspect=yes&q=sus-", headers={"Accept": "text/html"}).content.decode()
    assert '<option value="yes" selected>' in page
    monkeypatch.setattr(fleet_csv, "WHOLE_S", 60)
    text = client.get("/reports/?suspect=yes&status=FULL&q=sus-&format=csv").content.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["can_id"], row["status"], row["suspect"]) for row in rows] == [("sus-b", "FULL", "yes")]


def test_a_can_that_cannot_be_listed_is_not_stored_as_suspect(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise store.StoreUnavailable("the pipeline table is away")

    reports = [a_report("late-listed", "91.5", NOW - timedelta(days=8)), a_report("late-listed", "91.5", NOW)]
    store.put_reports(reports[:1], now=NOW)
    with monkeypatch.context() as patch, pytest.raises(store.StoreUnavailable, match="away"):
        patch.setattr(suspects, "passes", refuse)
        store.put_reports([*reports[1:], a_report("others-go-on", "5", NOW)], now=NOW)
    before, others = store.latest_row("late-listed"), store.latest_row("others-go-on")
    assert before and others and (before.report.measured_at, others.report.level) == (NOW - timedelta(days=8), "5")

    store.put_reports(reports[1:], now=NOW)
    listed = store.ranked("id", among=store.CanList.SUSPECT, prefix="late-listed", size=1).items
    assert [each.measured_at for each in listed] == [NOW]
