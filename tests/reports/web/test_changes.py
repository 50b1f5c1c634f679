"""The changes of a can's facts: who changed what from what to what, by whichever way."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from reports.kept_changes import MOST_CHANGES, CanChange, note_changes
from reports.models import Can
from tests.support.cans import a_can
from tests.support.people import signed_in

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

HTML = {"Accept": "text/html"}


@pytest.fixture
def admin(settings: Settings) -> Client:
    settings.TRASH_READS = "open"
    return signed_in("olga", "admin")


def told(client: Client, can_id: str = "420") -> list[tuple[str, str, str | None, dict[str, tuple[str, str]]]]:
    """Kind, way, name and facts of each change, the newest first."""
    results = client.get(f"/cans/{can_id}/changes").json()["results"]
    return [
        (one["kind"], one["via"], one["by"], {fact["name"]: (fact["before"], fact["after"]) for fact in one["facts"]})
        for one in results
    ]


def send(client: Client, method: str, body: Any) -> Any:
    return getattr(client, method)("/cans/420", body, content_type="application/json")


def test_each_way_to_change_facts_is_kept_with_what_stood_there_before(admin: Client) -> None:
    admin.post("/cans/420/facts/", {"name": "Market", "latitude": "50.1", "longitude": "14.4"})
    send(admin, "patch", {"name": "Square", "latitude": 50.10, "longitude": 14.4})
    admin.post("/cans", "can_id,stream\n420,paper\n421,glass\n", content_type="text/csv")
    admin.post("/cans/import/", {"text": "can_id,address\n420,Street 1\n", "apply": "yes"})
    admin.post("/admin/reports/can/420/change/", {"name": "Old", "address": "Street 1", "stream": "paper"})
    send(admin, "delete", None)

    assert told(admin) == [
        ("deleted", "API", "olga", {"name": ("Old", ""), "address": ("Street 1", ""), "stream": ("paper", "")}),
        ("changed", "admin", "olga", {"name": ("Square", "Old"), "latitude": ("50.1", ""), "longitude": ("14.4", "")}),
        ("changed", "CSV", "olga", {"address": ("", "Street 1")}),
        ("changed", "CSV", "olga", {"stream": ("", "paper")}),
        ("changed", "API", "olga", {"name": ("Market", "Square")}),
        ("added", "form", "olga", {"name": ("", "Market"), "latitude": ("", "50.1"), "longitude": ("", "14.4")}),
    ]
    assert told(admin, "421") == [("added", "CSV", "olga", {"stream": ("", "glass")})]


def test_out_of_service_is_a_change_and_deleting_by_the_admins_list_too(admin: Client) -> None:
    send(admin, "put", {"retired": True})
    since = Can.objects.get().retired_at
    admin.post("/admin/reports/can/", {"action": "delete_selected", "_selected_action": "420", "post": "yes"})

    deleted, added = told(admin)
    assert (added[3]["retired_at"][1][:19], since.isoformat()[:19]) == (since.isoformat()[:19],) * 2
    assert deleted[:3] == ("deleted", "admin", "olga")


def test_what_changes_nothing_is_no_change(admin: Client) -> None:
    send(admin, "put", {"name": "Market"})
    send(admin, "put", {"name": "Market"})
    send(admin, "patch", {})
    admin.post("/cans/420/facts/", {"name": "Market"})

    assert len(told(admin)) == 1


def test_the_newest_hundred_of_each_can_are_kept(admin: Client) -> None:
    states = [Can(can_id="420", name=str(number)) for number in range(MOST_CHANGES + 30)]
    pairs = list(pairwise(states))
    note_changes([*pairs, (None, Can(can_id="421"))], by="olga", via="API", now=timezone.now())
    note_changes(pairs[-1:], by="olga", via="API", now=timezone.now())

    assert CanChange.objects.filter(can_id="420").count() == MOST_CHANGES
    assert told(admin)[1][3] == {"name": (str(MOST_CHANGES + 28), str(MOST_CHANGES + 29))}
    assert len(told(admin, "421")) == 1


def test_who_made_a_change_is_told_to_those_who_signed_in(admin: Client, settings: Settings) -> None:
    send(admin, "put", {"name": "<b>Market</b>"})

    assert told(Client())[0][2] is None
    page = Client().get("/cans/420/changes", headers=HTML).content.decode()
    assert "olga" not in page
    assert "&lt;b&gt;Market&lt;/b&gt;" in page
    assert "olga" in admin.get("/cans/420/changes", headers=HTML).content.decode()
    settings.TRASH_READS = "authenticated"
    assert Client().get("/cans/420/changes").status_code == 401


def test_a_can_of_which_nothing_was_ever_known_has_no_changes(admin: Client) -> None:
    a_can("before")

    assert told(admin, "before") == []
    for can_id in ("nobody", "%0a", "x" * 129):
        assert admin.get(f"/cans/{can_id}/changes").status_code == 404
    assert admin.get("/cans/before/changes?since=2026").status_code == 400
