"""API tokens: kept as digests, refused when they should be, their use noted sparingly."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import Token, digest, new_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shared_suffix")]


@pytest.fixture
def token(settings) -> Token:
    settings.TRASH_READS = "authenticated"
    user = User.objects.create_user("vera")
    return Token.objects.create(user=user, name="dashboard", digest=digest("a-key"))


def read(key: str, scheme: str = "Bearer") -> int:
    return Client().get("/reports/", headers={"Authorization": f"{scheme} {key}"}).status_code


def test_a_key_is_accepted_after_either_scheme(token: Token) -> None:
    assert [read("a-key", scheme) for scheme in ("Bearer", "bearer", "Token")] == [200, 200, 200]
    assert [read(key) for key in ("another", "", "a-key a-key", "\xe9")] == [401] * 4
    assert read("a-key", "Basic") == 401


def test_no_key_is_kept(token: Token) -> None:
    assert "a-key" not in str(Token.objects.values().get())
    assert new_key() != new_key()
    assert len(new_key()) > 40


def test_a_revoked_an_expired_and_a_left_persons_key_open_nothing(token: Token) -> None:
    before = timezone.now() - timedelta(seconds=1)
    for change in ({"revoked_at": before}, {"expires_at": before}):
        Token.objects.update(**change)
        assert read("a-key") == 401
        Token.objects.update(revoked_at=None, expires_at=None)
    User.objects.update(is_active=False)
    assert read("a-key") == 401


def test_its_use_is_written_down_once_a_minute(token: Token, django_assert_num_queries) -> None:
    now = timezone.now()
    with django_assert_num_queries(1):
        token.note_use(now)
    token.refresh_from_db()
    assert token.last_used_at == now
    with django_assert_num_queries(0):
        token.note_use(now + timedelta(seconds=59))
    with django_assert_num_queries(1):
        token.note_use(now + timedelta(seconds=60))
    # Another process read the row before: it asks, and writes nothing.
    token.note_use(now + timedelta(seconds=90))
    token.refresh_from_db()
    assert token.last_used_at == now + timedelta(seconds=60)


def test_the_admin_shows_a_new_key_once_and_revokes(admin_client: Client, admin_user: User) -> None:
    made = admin_client.post("/admin/accounts/token/add/", {"user": admin_user.pk, "name": "ci", "read_only": "on"})
    key = re.search("trash_[^<]+", made.content.decode()).group()
    token = Token.objects.get()
    assert (token.digest, token.read_only) == (digest(key), True)
    assert "no-store" in made["Cache-Control"]
    # Whoever reads the database, or uses the session later, finds no key.
    assert [each.get_decoded() for each in Session.objects.all() if key in str(each.get_decoded())] == []
    for page in (f"/admin/accounts/token/{token.pk}/change/", "/admin/accounts/token/", "/"):
        assert key not in admin_client.get(page, headers={"Accept": "text/html"}).content.decode()

    admin_client.post("/admin/accounts/token/", {"action": "revoke", "_selected_action": token.pk})

    assert Token.objects.get().revoked_at is not None
