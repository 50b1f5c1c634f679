"""Raw forms: a page without JavaScript sends what no HTML form can, and links its JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver
from pytest_django.fixtures import Settings

from reports import store
from reports.models import Can
from reports.web.view import ApiView
from tests.support.cans import a_can, a_report
from tests.support.people import signed_in

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

HTML = {"Accept": "text/html"}
FORM = "application/x-www-form-urlencoded"


def of_role(role: str) -> Client:
    return signed_in(role, role, enforce_csrf_checks=True)


@pytest.fixture(autouse=True)
def open_reads(settings: Settings) -> None:
    settings.TRASH_READS = "open"


def page_of(client: Client, address: str) -> str:
    return client.get(address, headers=HTML).content.decode()


def forms(page: str) -> dict[str, dict[str, str]]:
    """The raw forms of a page: by method, their fields as a browser sends them."""
    found = {}
    for form in re.findall(r'<form method="post" action="[^"]+\?raw=yes" class="raw".*?</form>', page, re.DOTALL):
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
        if text := re.search(r"<textarea[^>]*>\n(.*?)</textarea>", form, re.DOTALL):
            fields["raw_body"] = unescape(text[1])
        found[fields["raw_method"]] = fields
    return found


def send(client: Client, address: str, method: str, **changed: str) -> Any:
    """Send a raw form of the page at this address."""
    fields = forms(page_of(client, address))[method] | changed
    return client.post(f"{address}?raw=yes", urlencode(fields), content_type=FORM, headers=HTML)


def test_a_put_replaces_facts_and_begins_with_what_is_known() -> None:
    operator = of_role("operator")
    a_can("420", name="Market", latitude="50.0875", longitude="14.4213")

    sent = forms(page_of(operator, "/cans/420"))["PUT"]["raw_body"].replace("Market", "Square")
    done = send(operator, "/cans/420", "PUT", raw_body=sent)

    assert (done.status_code, "<b>PUT</b>: 200 OK" in done.content.decode()) == (200, True)
    can = Can.objects.get()
    assert (can.name, str(can.latitude)) == ("Square", "50.087500")


def test_a_form_without_its_csrf_token_changes_nothing() -> None:
    operator = of_role("operator")

    for token in ("", "x" * 64):
        refused = send(operator, "/cans/420", "PATCH", csrfmiddlewaretoken=token)
        assert refused.status_code == 403
    assert not Can.objects.exists()


def test_what_breaks_rules_stays_as_it_was_typed_with_the_rules_below() -> None:
    operator = of_role("operator")

    again = send(operator, "/cans/420", "PUT", raw_body='{"name": "Kept", "adress": "<b>"}')

    page = again.content.decode()
    assert again.status_code == 400
    assert forms(page)["PUT"]["raw_body"] == '{"name": "Kept", "adress": "<b>"}'
    assert 'aria-describedby="wrong-PUT"' in page
    assert re.search(r'id="wrong-PUT"><li><code>adress</code>: Not known\.', page)
    assert '<details class="call" open>' in page


def test_a_can_that_is_not_known_yet_has_the_form_that_makes_it_known() -> None:
    operator = of_role("operator")

    assert send(operator, "/cans/new", "PUT", raw_body='{"name": "New"}').status_code == 201
    assert Can.objects.get().name == "New"


def test_an_id_with_a_question_mark_is_sent_to_its_own_address() -> None:
    operator = of_role("operator")

    page = page_of(operator, "/cans/a%3Fb%23%25")

    assert 'action="/cans/a%3Fb%23%25?raw=yes"' in page
    assert 'href="/cans/a%3Fb%23%25?format=json"' in page


def test_reports_are_sent_and_facts_imported_in_their_own_form() -> None:
    operator = of_role("operator")

    assert send(operator, "/reports/", "POST").status_code == 202
    assert send(operator, "/cans", "POST").status_code == 200
    assert Can.objects.get().name == "Market square"
    wrong = send(operator, "/reports/", "POST", raw_body='[{"can_id": "1"}]').content.decode()
    assert "report 0, <code>level</code>" in wrong


def test_a_delete_answers_a_page_instead_of_nothing() -> None:
    admin = of_role("admin")
    a_can("420")

    done = send(admin, "/cans/420", "DELETE")

    assert (done.status_code, "<b>DELETE</b>: 204 No Content" in done.content.decode()) == (200, True)
    assert not Can.objects.exists()


def test_options_tells_anybody_what_an_address_takes() -> None:
    told = send(Client(enforce_csrf_checks=True), "/cans/", "OPTIONS").content.decode()

    assert "<b>OPTIONS</b>: 200 OK" in told
    assert "Import facts as CSV" in told


def test_a_page_offers_the_methods_that_its_visitor_may_use_and_no_others() -> None:
    a_can("420")
    offered = {role: set(forms(page_of(of_role(role), "/cans/420"))) for role in ("viewer", "operator", "admin")}

    assert offered == {
        "viewer": {"OPTIONS"},
        "operator": {"OPTIONS", "PUT", "PATCH"},
        "admin": {"OPTIONS", "PUT", "PATCH", "DELETE"},
    }
    page = Client().get("/cans/420", headers=HTML)
    assert set(forms(page.content.decode())) == {"OPTIONS"}
    assert "csrftoken" not in page.cookies


@pytest.mark.parametrize("method", ["TRACE", "put", ""])
def test_what_names_no_method_of_a_raw_form_stays_a_form(method: str) -> None:
    operator = of_role("operator")

    refused = send(operator, "/cans/420", "PUT", raw_method=method)

    assert refused.status_code == 415
    assert not Can.objects.exists()


def test_every_method_that_takes_a_body_has_a_sample() -> None:
    patterns = [each for each in get_resolver().url_patterns if isinstance(each, URLPattern)]
    views = {getattr(each.callback, "cls", None) for each in patterns}
    # Where nobody signs in, a page has no right to anything.
    ours = [view for view in views if view and issubclass(view, ApiView) and view.authentication_classes]

    assert len(ours) > 10
    for view in ours:
        taken = {name for name in ("POST", "PUT", "PATCH") if hasattr(view, name.lower())}
        assert (view, set(view.samples)) == (view, taken)


PAGES = (
    "/", "/reports/", "/reports/?status=FULL", "/reports/420", "/reports/420?range=7d", "/reports/420/history",
    "/reports/420/chart", "/reports/nobody", "/reports/?level_min=low", "/cans", "/cans/420", "/cans/420/changes",
    "/cans/420/facts/", "/cans/import/", "/sensors", "/sensors/waiting", "/sensors/mount/",
    "/pipeline/", "/pipeline/dead-letters/", "/tokens", "/views", "/health/live",
    "/collections", "/collections/what-if", "/alerts", "/alerts/rules", "/alerts/rules/add/",
)  # fmt: skip


def test_every_page_links_its_json_and_has_a_key_for_it() -> None:
    now = datetime.now(UTC)
    store.put_reports([a_report("420", "98", now)], now=now)
    a_can("420", name="Market")
    operator = of_role("operator")
    for address in PAGES:
        page = page_of(operator, address)
        (link,) = re.findall('<a href="([^"]+)"[^>]* accesskey="j"', page)
        assert operator.get(unescape(link))["Content-Type"] in ("application/json", "application/problem+json"), address
    docs = Client().get("/api/docs/").content.decode()
    (link,) = re.findall('<a href="([^"]+)"[^>]* accesskey="j"', docs)
    assert operator.get(link).json()["openapi"]


def test_a_history_asked_for_wrongly_says_so_beside_the_field() -> None:
    now = datetime.now(UTC)
    store.put_reports([a_report("420", "98", now)], now=now)

    answer = Client().get("/reports/420/history?since=yesterday&until=2026-11-24", headers=HTML)

    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="yesterday"' in page
    assert 'value="2026-11-24"' in page
    assert re.search('id="wrong-since" role="alert">must be an ISO 8601', page)
