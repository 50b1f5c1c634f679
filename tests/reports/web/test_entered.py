"""What operators enter of emptyings and thresholds, by page and API, until the store and a worker know of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from reports import register_sources, store
from reports.entered_models import Correction, StreamLimits
from reports.insight.entered import Limits
from reports.insight.fold import Row, reading_in
from reports.insight.standing import expected, standing
from reports.insight.state import rebuild
from reports.insight.status import status
from reports.kept_changes import CanChange
from reports.models import Can
from reports.pending_entries import PendingEntry
from reports.report import Report, iso
from reports.web.emptying_form import EmptyingForm
from reports.worker import limits, register
from tests.support.cans import a_can, a_report

pytestmark = [pytest.mark.usefixtures("suffix"), pytest.mark.django_db]

NOW = datetime.now(UTC).replace(microsecond=0)
HTML = {"Accept": "text/html"}
Commit = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def commit(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Commit:
    """What is changed within is committed at its end."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def sent(*levels: float, stream: str | None = None) -> list[Report]:
    """Store a level an hour of can 420, the last one an hour ago; return the reports."""
    reports = [
        a_report("420", f"{level}", hours_ago(len(levels) - at), stream=stream) for at, level in enumerate(levels)
    ]
    for report in reports:
        store.put_reports([report], now=NOW, by_stream=known())
    return reports


def known() -> Any:
    """What a worker knows of streams, some seconds later."""
    register.forget_versions()
    limits.LIMITS.forget()
    return limits.by_stream()


def row() -> Row:
    found = store.latest_row("420")
    assert found
    return found


def made_anew() -> Any:
    """The state by the row's rules, of all reports."""
    reports = store.history("420", size=100, now=NOW).items
    readings = [reading_in(each.measured_at or NOW, each.level) for each in reports]
    return rebuild([each for each in readings if each], row().rules)[0]


def enter(client: Client, action: str, at: datetime, note: str = "seen by the driver") -> Any:
    return client.post(
        "/reports/420/emptyings", {"action": action, "at": iso(at), "note": note}, content_type="application/json"
    )


def emptied(client: Client) -> list[tuple[str, str, bool]]:
    results = client.get("/reports/420/emptyings").json()["results"]
    return [(each["at"], each["stage"], each["by_operator"]) for each in results]


def test_a_struck_emptying_counts_nowhere_and_counts_again_once_that_is_taken_back(
    admin_client: Client, commit: Commit
) -> None:
    reports = sent(10, 40, 60, 70, 5, 8, 20)
    at = hours_ago(3)
    assert admin_client.get("/reports/420").json()["emptied"]["at"] == iso(at)

    with commit():
        answer = enter(admin_client, "strike", at)

    assert (answer.status_code, emptied(admin_client)) == (200, [(iso(at), "TAKEN_BACK", True)])
    assert admin_client.get("/reports/420").json()["emptied"] is None
    struck = row()
    assert struck.state
    assert struck.state.course.started_at == int(hours_ago(7).timestamp())
    # Also after a report that came late, and after all of its history was folded again.
    store.put_reports([a_report("420", "65", hours_ago(4.5))], now=NOW + timedelta(minutes=2))
    assert row().state is not None and row().state.emptied is None  # type: ignore[union-attr]
    store.fold_can_again("420", NOW)
    assert (row().entered.struck, emptied(admin_client)) == ((int(at.timestamp()),), [(iso(at), "TAKEN_BACK", True)])

    with commit():
        enter(admin_client, "add", at, "it was emptied after all")
    assert emptied(admin_client) == [(iso(at), "CONFIRMED", False)]
    assert (Correction.objects.count(), PendingEntry.objects.count(), len(reports)) == (0, 0, 7)
    changes = [each.facts["emptying"] for each in CanChange.objects.filter(can_id="420").order_by("id")]
    assert changes[0] == [iso(at), f"struck {iso(at)}: seen by the driver"]
    assert changes[1] == [f"struck {iso(at)}: seen by the driver", "counts again: it was emptied after all"]


def test_an_added_emptying_counts_everywhere_until_it_is_struck(admin_client: Client, commit: Commit) -> None:
    sent(10, 40, 60, 62, 64)
    with commit():
        answer = enter(admin_client, "add", hours_ago(3.5))

    assert answer.json()["entered"] == [
        {
            "at": iso(hours_ago(3.5)), "action": "add", "note": "seen by the driver", "by": "admin",
            "entered_at": answer.json()["entered"][0]["entered_at"],
        }
    ]  # fmt: skip
    assert emptied(admin_client) == [(iso(hours_ago(3)), "CONFIRMED", True)]
    page = admin_client.get("/reports/420", headers=HTML).content.decode()
    assert "as an operator entered" in page
    # The next report goes on from there, and says nothing else.
    store.put_reports([a_report("420", "66", NOW)], now=NOW)
    assert row().state is not None and row().state.course.started_at == int(hours_ago(3).timestamp())  # type: ignore[union-attr]

    with commit():
        enter(admin_client, "strike", hours_ago(3), "the wrong can")
    assert emptied(admin_client) == [(iso(hours_ago(3)), "TAKEN_BACK", True)]
    assert admin_client.get("/reports/420").json()["emptied"] is None


def test_a_time_without_a_zone_is_the_sites(settings: Settings) -> None:
    settings.TRASH_TIME_ZONE = "Europe/Prague"
    for text in ("2026-07-01 09:30", "2026-07-01 09:30:00 Europe/Prague", "2026-07-01T07:30Z"):
        form = EmptyingForm({"action": "add", "at": text, "note": "why"})
        assert form.is_valid() and form.cleaned_data["at"] == datetime(2026, 7, 1, 7, 30, tzinfo=UTC)


def test_what_cannot_be_entered_says_why_beside_its_field(admin_client: Client, client: Client) -> None:
    sent(10, 40, 60, 70, 5, 8, 20)
    wrong = {
        "strike": (hours_ago(2), "No emptying with this first report after it is known."),
        "add": (NOW - timedelta(minutes=1), "It must lie between two reports of this can"),
    }
    for action, (at, rule) in wrong.items():
        answer = enter(admin_client, action, at)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "at")
        assert rule in answer.json()["errors"][0]["rule"]
        form = admin_client.post("/cans/420/emptying/", {"action": action, "at": iso(at), "note": "why"})
        assert rule in form.context["form"].errors["at"][0]
    assert "known already" in enter(admin_client, "add", hours_ago(3.2)).json()["errors"][0]["rule"]
    assert enter(admin_client, "add", hours_ago(3.2), "").json()["errors"][0]["field"] == "note"
    form = admin_client.post("/cans/420/emptying/", {"action": "add", "at": "soon", "note": ""})
    assert form.context["form"].errors.keys() == {"at", "note"}
    client.force_login(User.objects.create_user("viewer"))
    assert enter(client, "strike", hours_ago(3)).status_code == 403
    assert (Correction.objects.count(), CanChange.objects.count()) == (0, 0)


def test_the_form_enters_as_the_api_does(admin_client: Client, commit: Commit) -> None:
    sent(10, 40, 60, 70, 5, 8, 20)
    page = admin_client.get("/reports/420/emptyings", headers=HTML).content.decode()
    address = f"/cans/420/emptying/?action=strike&amp;at={iso(hours_ago(3))}"
    assert address in page

    with commit():
        # As the list shows it, in the site's zone.
        shown = f"{hours_ago(3):%Y-%m-%d %H:%M:%S} UTC"
        sent_form = {"action": "strike", "at": shown, "note": "a wild sample"}
        answer = admin_client.post("/cans/420/emptying/", sent_form)

    assert answer.status_code == 302
    page = admin_client.get("/reports/420/emptyings", headers=HTML).content.decode()
    assert "a wild sample" in page and "Count again" in page
    assert "a wild sample" in admin_client.get("/cans/420/changes", headers=HTML).content.decode()


def test_a_cans_threshold_counts_at_once_in_status_reason_and_forecast(admin_client: Client, commit: Commit) -> None:
    sent(*[10, 40, 64, 5] * 5, 50, 66)
    assert admin_client.get("/reports/420").json()["status"] == "FILLING"

    with commit():
        answer = admin_client.put(
            "/cans/420", {"name": "Market", "full_from": 65, "hysteresis": 2}, content_type="application/json"
        )

    assert (answer.json()["full_from"], answer.json()["hysteresis"]) == (65, 2)
    can = admin_client.get("/reports/420").json()
    assert (can["status"], can["reason"]) == ("FULL", "At 66 %; its threshold is 65 %.")
    assert can["forecast"]["threshold"] == 65
    assert [each["can_id"] for each in admin_client.get("/reports/?status=FULL").json()["results"]] == ["420"]
    assert "65 %" in admin_client.get("/reports/420", headers=HTML).content.decode()
    # The next report keeps it, by the can's own hysteresis, and so does the state made anew.
    for level, hours, wanted in (("63.5", 0, "FULL"), ("62.9", -1, "FILLING")):
        store.put_reports([a_report("420", level, hours_ago(hours))], now=NOW)
        assert standing(row(), NOW).status == wanted == status(row().report, NOW)
    store.fold_can_again("420", NOW)
    assert row().limits == Limits(65, 2)
    # The state is as if the threshold had always been so.
    with commit():
        admin_client.patch("/cans/420", {"full_from": 60}, content_type="application/json")
    assert row().state == made_anew()
    with commit():
        Can.objects.get(pk="420").delete()
    assert row().limits == Limits()
    assert expected(row(), standing(row(), NOW).status)


def test_a_streams_threshold_counts_with_the_next_report_and_at_once_where_the_stream_is_entered(
    admin_client: Client, commit: Commit
) -> None:
    sent(*[10, 40, 64, 5] * 3, 50, 66, stream="Paper")
    with commit():
        answer = admin_client.put("/streams/PAPER", {"full_from": 60}, content_type="application/json")
    assert answer.json() == {"stream": "paper", "full_from": 60, "hysteresis": 5}
    assert known() == {"paper": Limits(60, 5)}

    store.put_reports([a_report("420", "61", NOW, stream="Paper")], now=NOW, by_stream=known())
    assert (standing(row(), NOW).status, row().late) == ("FULL", "")
    assert row().state == made_anew()

    with commit():
        a_can("420", stream="Plastic")
        StreamLimits.objects.create(stream="plastic", full_from=90)
    assert row().limits == Limits(90, 5)
    assert "90 %" in admin_client.get("/streams", headers=HTML).content.decode()
    with commit():
        assert admin_client.delete("/streams/plastic").status_code == 204
    assert row().limits == Limits(60, 5)
    # The database is away: a worker goes on with what it knows.
    assert limits.by_stream() == {"paper": Limits(60, 5)}


def test_names_of_streams_that_workers_could_not_be_told_together_are_refused(commit: Commit) -> None:
    StreamLimits.objects.bulk_create(StreamLimits(stream=f"{index:02d}" + '"' * 62) for index in range(52))
    with pytest.raises(ValidationError, match="too long together"):
        StreamLimits.enter('"' * 64, full_from=80, hysteresis=5)
    with commit():
        StreamLimits.enter("paper", full_from=80, hysteresis=5)
    assert known()["paper"] == Limits(80, 5)


def test_what_was_entered_of_a_can_before_its_first_report_counts_from_then_on(commit: Commit) -> None:
    with commit():
        a_can("420", full_from=40)
    sent(45)
    assert (standing(row(), NOW).status, row().asks) == ("FULL", True)

    # Somebody who looks for a row between a worker's question and its writing finds none, and tells nobody.
    Can.objects.filter(pk="420").update(full_from=None)
    store.write_entries("can", ["420"], register_sources.can_texts, NOW)
    store.put_reports([a_report("420", "46", NOW)], now=NOW)
    assert (row().limits, row().asks) == (Limits(), False)
