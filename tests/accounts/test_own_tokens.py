"""API tokens by their owners: made, shown once, listed, revoked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import MOST_ACTIVE, MOST_ENDED, Token, digest
from accounts.tokens import MadeToken
from tests.support.people import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shared_suffix")]

HTML = {"Accept": "text/html"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def vera(settings) -> Client:
    settings.TRASH_READS = "authenticated"
    return signed_in("vera", "viewer")


def make(client: Client, **wanted: Any) -> Any:
    return client.post("/tokens", {"name": "dashboard", **wanted}, content_type="application/json")


def with_key(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


def test_a_token_is_made_and_its_key_is_in_no_other_answer_no_session_and_no_log(vera: Client, caplog) -> None:
    caplog.set_level("DEBUG")
    made = make(vera, read_only=True)
    token = made.json()

    assert (made.status_code, made["Cache-Control"], made["Location"]) == (201, "no-store", token["links"]["self"])
    assert set(token) == set(MadeToken().fields)
    assert with_key(token["key"]).get("/reports/").status_code == 200
    assert Token.objects.get().digest == digest(token["key"])
    listed = vera.get("/tokens").json()
    assert (listed["owner"], [one["name"] for one in listed["results"]]) == ("vera", ["dashboard"])
    assert vera.get(f"/tokens/{token['id']}").json() == {name: token[name] for name in token if name != "key"} | {
        "last_used_at": listed["results"][0]["last_used_at"]
    }
    seen = [vera.get("/tokens", headers=HTML).content.decode(), str(listed), caplog.text]
    seen += [str(each.get_decoded()) for each in Session.objects.all()]
    seen += LogEntry.objects.values_list("change_message", flat=True)
    assert not any(token["key"] in text for text in seen)


def test_a_form_makes_a_token_that_expires_and_shows_its_key_once(vera: Client) -> None:
    made = vera.post("/tokens", "name=phone&days=30", content_type=FORM, headers=HTML)
    (key,) = re.findall("trash_[^<]+", made.content.decode())

    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    token = Token.objects.get()
    assert (token.digest, token.read_only) == (digest(key), False)
    assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=30)


def test_a_form_that_breaks_a_rule_keeps_what_was_typed_and_says_it_beside_the_field(vera: Client) -> None:
    again = vera.post("/tokens", "name=&days=365&read_only=on", content_type=FORM, headers=HTML)

    page = again.content.decode()
    assert again.status_code == 400
    assert '<option value="365" selected>' in page
    assert re.search('name="name"[^>]+aria-describedby="wrong-name".*id="wrong-name" role="alert">This field', page)
    assert re.search('name="read_only" checked', page)
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"read_only": "perhaps"}, "read_only"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"readonly": True}, "readonly"),
    ],
)
def test_each_wrong_field_is_named_with_its_rule_and_no_token_is_made(vera: Client, wanted: Any, field: str) -> None:
    refused = make(vera, **wanted)

    assert refused.status_code == 400
    assert [wrong["field"] for wrong in refused.json()["errors"]] == [field]
    assert not Token.objects.exists()


def test_owners_revoke_their_own_by_api_and_by_form_and_see_nobody_elses(vera: Client) -> None:
    otto = signed_in("otto", "operator")
    first, second = make(vera).json(), make(vera).json()

    for method in ("get", "delete"):
        assert getattr(otto, method)(f"/tokens/{first['id']}").status_code == 404
    assert otto.get("/tokens?owner=vera").status_code == 403
    assert otto.get("/tokens").json()["results"] == []
    assert vera.delete(f"/tokens/{first['id']}/").status_code == 204
    back = vera.post(f"/tokens/{second['id']}?raw=yes", "raw_method=DELETE", content_type=FORM, headers=HTML)

    assert (back.status_code, back["Location"]) == (302, "/tokens")
    assert b"Revoked the token dashboard." in vera.get("/tokens", headers=HTML).content
    assert [with_key(token["key"]).get("/reports/").status_code for token in (first, second)] == [401, 401]
    assert [one["state"] for one in vera.get("/tokens").json()["results"]] == ["revoked", "revoked"]
    since = Token.objects.get(pk=first["id"]).revoked_at
    assert vera.delete(f"/tokens/{first['id']}").status_code == 204
    assert Token.objects.get(pk=first["id"]).revoked_at == since
    assert vera.delete(f"/tokens/{10**30}").status_code == 404


def test_an_admin_sees_and_revokes_anybodys_and_it_is_noted_who_did(vera: Client) -> None:
    admin = signed_in("ada", "admin")
    token = make(vera).json()

    assert [one["id"] for one in admin.get("/tokens?owner=vera").json()["results"]] == [token["id"]]
    assert b"API tokens of vera" in admin.get("/tokens?owner=vera", headers=HTML).content
    assert admin.get("/tokens?owner=nobody").status_code == 404
    assert admin.delete(f"/tokens/{token['id']}").status_code == 204

    assert with_key(token["key"]).get("/reports/").status_code == 401
    notes = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    assert list(notes) == [("vera", "made by its owner"), ("ada", "revoked")]


def test_a_token_makes_no_tokens_but_lists_and_revokes_its_owners(vera: Client) -> None:
    token, other = make(vera).json(), make(vera).json()
    program = with_key(token["key"])

    refused = make(program)
    assert (refused.status_code, refused.json()["detail"][:28]) == (403, "A token makes no tokens. Sig")
    assert len(program.get("/tokens").json()["results"]) == 2
    assert program.delete(f"/tokens/{other['id']}").status_code == 204
    reader = with_key(make(vera, read_only=True).json()["key"])
    assert reader.delete(f"/tokens/{token['id']}").status_code == 403


def test_tokens_of_a_user_are_bounded(vera: Client, settings) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "login": ""}
    vera_ = User.objects.get(username="vera")
    Token.objects.bulk_create(
        Token(user=vera_, name="old", digest=f"{number}", revoked_at=timezone.now()) for number in range(MOST_ENDED + 9)
    )
    assert {make(vera).status_code for _ in range(MOST_ACTIVE)} == {201}

    refused = make(vera)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "name")
    assert Token.objects.filter(revoked_at=None).count() == MOST_ACTIVE
    assert Token.objects.exclude(revoked_at=None).count() == MOST_ENDED


def test_making_tokens_is_limited_as_signing_in_is(vera: Client, settings) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "login": "2/h"}

    assert [make(vera).status_code for _ in range(3)] == [201, 201, 429]
    assert vera.get("/tokens").status_code == 200
