"""Filters under names: saved in place, for oneself unless shared, and no other user's are seen or changed."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client

from reports.models import SavedView
from reports.web import saved_views
from tests.support.people import signed_in

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

HTML = {"Accept": "text/html"}


@pytest.fixture
def client_of() -> Callable[[str], Client]:
    """Sign a user in: client_of("olga"), an operator; names that begin with "viewer" are viewers."""
    return lambda name: signed_in(name, "viewer" if name.startswith("viewer") else "operator")


def save(client: Client, **sent: object) -> int:
    return client.post("/views/", sent, content_type="application/json").status_code


def send_form(client: Client, **typed: str) -> HttpResponse:
    return client.post("/views", urlencode(typed), content_type="application/x-www-form-urlencoded", headers=HTML)


def names(client: Client) -> list[str]:
    return [view["name"] for view in client.get("/views/").json()["results"]]


def test_a_view_is_saved_by_a_name_typed_on_the_fleets_page(client_of: Callable[[str], Client]) -> None:
    olga = client_of("olga")
    page = olga.get("/reports/?stream=paper&status=FULL", headers=HTML).content.decode()
    assert 'action="/views"' in page
    assert 'value="stream=paper&amp;status=FULL"' in page

    saved = send_form(olga, name="Full of paper", query="stream=paper&status=FULL")
    assert (saved.status_code, saved["Location"]) == (303, "/reports/?stream=paper&status=FULL")

    page = olga.get("/reports/", headers=HTML).content.decode()
    assert '<a href="?stream=paper&amp;status=FULL">Full of paper</a>' in page
    assert SavedView.objects.get().owner.username == "olga"  # type: ignore[union-attr]


def test_a_view_is_for_oneself_unless_it_is_shared(client_of: Callable[[str], Client]) -> None:
    olga, otto = client_of("olga"), client_of("otto")
    assert save(olga, name="Mine", query="status=FULL") == 201
    assert save(olga, name="Ours", query="status=SILENT", shared=True) == 201

    assert names(olga) == ["Mine", "Ours"]
    for other in (otto, client_of("viewer"), Client()):
        assert names(other) == ["Ours"]
        page = other.get("/reports/", headers=HTML).content
        assert (b"Mine" in page, b">Ours<" in page) == (False, True)


def test_nobody_changes_or_deletes_the_private_view_of_another(client_of: Callable[[str], Client]) -> None:
    olga, otto = client_of("olga"), client_of("otto")
    save(olga, name="Mine", query="status=FULL")
    view = SavedView.objects.get()

    assert otto.delete(f"/views/{view.pk}").status_code == 404
    assert otto.post(f"/views/{view.pk}", headers=HTML).status_code == 404
    assert save(otto, name="Mine", query="status=OK") == 201
    view.refresh_from_db()
    assert view.query == "status=FULL"
    assert olga.delete(f"/views/{view.pk}").status_code == 204
    assert names(otto) == ["Mine"]


def test_the_admin_shows_nobody_the_private_view_of_another(client_of: Callable[[str], Client]) -> None:
    olga, otto = client_of("olga"), client_of("otto")
    save(olga, name="Mine", query="status=FULL")
    view = SavedView.objects.get()
    change = f"/admin/reports/savedview/{view.pk}/change/"

    assert b"Mine" in olga.get("/admin/reports/savedview/").content
    assert b"Mine" not in otto.get("/admin/reports/savedview/").content
    assert (olga.get(change).status_code, otto.get(change).status_code) == (200, 302)
    for path in (change, f"/admin/reports/savedview/{view.pk}/delete/"):
        otto.post(path, {"name": "His", "query": "", "owner": "", "post": "yes"})
    planted = otto.post("/admin/reports/savedview/add/", {"name": "x", "query": "", "owner": view.owner_id})
    assert planted.status_code == 200
    assert b"olga" not in planted.content
    assert list(SavedView.objects.values_list("name", "owner__username")) == [("Mine", "olga")]


def test_the_same_name_shows_another_filter_from_then_on(client_of: Callable[[str], Client]) -> None:
    olga = client_of("olga")
    assert save(olga, name="Mine", query="status=FULL") == 201
    assert save(olga, name="Mine", query="?status=OK&cursor=abc&format=csv&q=") == 200

    assert SavedView.objects.get().query == "status=OK"


def test_what_breaks_a_rule_is_named_beside_its_field(
    client_of: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    olga = client_of("olga")
    for sent, field in (
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "x", "query": "colour=red"}, "query"),
        ({"name": "x", "query": "level_min=low"}, "query"),
        ([], "message"),
    ):
        answer = olga.post("/views", sent, content_type="application/json")
        assert (answer.status_code, [wrong["field"] for wrong in answer.json()["errors"]]) == (400, [field])
    page = send_form(olga, name="x" * 65, query="status=FULL", shared="true")
    assert page.status_code == 400
    assert all(text in page.content for text in (b'id="wrong-name"', b"x" * 65, b"checked", b'value="status=FULL"'))

    monkeypatch.setattr(saved_views, "MOST", 0)
    assert save(olga, name="x") == 400
    assert not SavedView.objects.exists()


def test_viewers_and_strangers_save_and_delete_nothing(client_of: Callable[[str], Client]) -> None:
    olga = client_of("olga")
    save(olga, name="Ours", shared=True)
    view = SavedView.objects.get()

    assert b"Save this filter" in olga.get("/reports/?status=FULL", headers=HTML).content
    for client, code in ((client_of("viewer"), 403), (Client(), 401)):
        assert save(client, name="x") == code
        assert client.delete(f"/views/{view.pk}").status_code == code
        assert b"Save this filter" not in client.get("/reports/?status=FULL", headers=HTML).content
    assert client_of("otto").delete(f"/views/{10**30}").status_code == 404
