"""The facts of cans by API."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Token, digest
from accounts.roles import give_role, make_roles
from reports.models import Can
from tests.support.cans import a_can

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

MARKET = {"name": "Market square", "address": "Market square 3", "latitude": 50.0875, "longitude": 14.4213}


def of_role(role: str) -> Client:
    make_roles()
    user = User.objects.create_user(role)
    give_role(user, role)
    Token.objects.create(user=user, name="test", digest=digest(f"trash_{role}"))
    return Client(headers={"Authorization": f"Bearer trash_{role}"})


@pytest.fixture
def operator(settings: Settings) -> Client:
    settings.TRASH_READS = "authenticated"
    return of_role("operator")


def send(client: Client, method: str, body: Any, address: str = "/cans/420/") -> Any:
    return getattr(client, method)(address, body, content_type="application/json")


def test_put_creates_and_replaces_and_patch_changes_what_it_names(operator: Client) -> None:
    made = send(operator, "put", MARKET)
    assert (made.status_code, made.json()["name"], made.json()["retired"]) == (201, "Market square", False)
    assert made.json()["links"] == {"report": "http://testserver/reports/420"}

    patched = send(operator, "patch", {"stream": "paper", "retired": True})
    assert patched.status_code == 200
    assert MARKET.items() <= patched.json().items()
    since = patched.json()["retired_at"]
    assert since
    assert send(operator, "patch", {"retired": True}).json()["retired_at"] == since

    replaced = send(operator, "put", {"name": "Old town"})
    assert (replaced.status_code, operator.get("/cans/420").json()) == (200, replaced.json())
    expected = {"name": "Old town", "address": "", "stream": "", "latitude": None, "longitude": None}
    assert (expected | {"retired": False, "retired_at": None}).items() <= replaced.json().items()
    assert [entry.user.username for entry in LogEntry.objects.all()] == ["operator"] * 3


def test_facts_are_forgotten_by_whoever_may_delete_cans(operator: Client) -> None:
    admin = of_role("admin")
    send(operator, "put", MARKET)

    assert operator.delete("/cans/420").status_code == 403
    assert admin.delete("/cans/420").status_code == 204
    assert (admin.get("/cans/420").status_code, admin.delete("/cans/420").status_code) == (404, 404)
    assert not Can.objects.exists()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"latitude": 91, "longitude": 14}, ["latitude"]),
        ({"latitude": "1e1000000", "longitude": "nan"}, ["latitude", "longitude"]),
        ({"latitude": 50}, ["longitude"]),
        ({"name": "x" * 121, "stream": ["paper"]}, ["name", "stream"]),
        ({"name": None}, ["name"]),
        ({"name": "a\x00b"}, ["name"]),
        ({"retired": "perhaps"}, ["retired"]),
        ({"adress": "Market square 3"}, ["adress"]),
        ([MARKET], ["message"]),
        ("text", ["message"]),
    ],
)
def test_each_wrong_field_is_named_with_its_rule_and_nothing_is_changed(
    operator: Client, body: Any, fields: list[str]
) -> None:
    for method in ("put", "patch"):
        Can.objects.update_or_create(can_id="420", defaults={"name": "Kept"})
        answer = send(operator, method, body)
        assert answer.status_code == 400, answer.content
        assert [wrong["field"] for wrong in answer.json()["errors"]] == fields
        assert all(wrong["rule"] for wrong in answer.json()["errors"])
        assert Can.objects.get().name == "Kept"


def test_what_is_no_json_or_no_cans_id_is_refused(operator: Client) -> None:
    for body in ("{", "9" * 5000, "[" * 100_000):
        assert operator.put("/cans/420", body, content_type="application/json").status_code == 400
    for can_id in ("%0a", "%00", "x" * 129):
        for method in ("put", "patch"):
            assert send(operator, method, MARKET, f"/cans/{can_id}").status_code == 404


def test_all_known_cans_are_listed_in_pages_whether_they_reported_or_not(operator: Client) -> None:
    Can.objects.bulk_create(Can(can_id=str(number)) for number in range(100, 105))

    ids, address = [], "/cans/?page_size=2"
    while address:
        answer = operator.get(address).json()
        ids += [can["can_id"] for can in answer["results"]]
        address = answer["next"]

    assert ids == ["100", "101", "102", "103", "104"]
    assert operator.get("/cans?page_size=0").status_code == 400


def test_many_are_imported_as_csv_or_none(operator: Client) -> None:
    a_can("1", name="Same")
    text = "can_id,name,latitude,longitude,retired\n1,Same,,,\n2,Two,50,14,yes\n"

    done = operator.post("/cans", text, content_type="text/csv")
    assert (done.status_code, done.json()) == (200, {"new": 1, "changed": 0, "same": 1})
    assert operator.get("/cans/2").json()["retired"] is True

    wrong = operator.post(
        "/cans/", "can_id,latitude,longitude\n3,50,14\n4,95,14\n5,north,14\n", content_type="text/csv"
    )
    assert wrong.status_code == 400
    assert [error["rule"].partition(":")[0] for error in wrong.json()["errors"]] == ["Line 3", "Line 4"]
    assert Can.objects.count() == 2
    for body in (b"", b"\xff\xfe", b"name\nx\n"):
        assert operator.post("/cans", body, content_type="text/csv").status_code == 400
    assert operator.post("/cans", b"x" * 2_000_001, content_type="text/csv").status_code == 413
    assert operator.post("/cans", "{}", content_type="application/json").status_code == 415


def test_options_tells_every_method(operator: Client) -> None:
    assert set(operator.options("/cans/").json()["methods"]) == {"GET", "POST"}
    assert set(operator.options("/cans/420").json()["methods"]) == {"GET", "PUT", "PATCH", "DELETE"}


def test_a_browser_reads_the_same_as_a_page(operator: Client) -> None:
    send(operator, "put", MARKET)
    for address in ("/cans/", "/cans/420"):
        page = operator.get(address, headers={"Accept": "text/html"})
        assert page["Content-Type"] == "text/html; charset=utf-8"
        assert "Market square 3" in page.content.decode()
