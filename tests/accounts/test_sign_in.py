"""Signing in: limited by address and by account, logged without a password, and never on all cores."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import sessions
from accounts.models import Token, digest
from reports.web import rate_limits
from trashsite.logs import Seldom

pytestmark = pytest.mark.django_db

#: Those of the site: the tests have quick ones.
_HASHERS = project.PASSWORD_HASHERS
GUESS = "a guess that nobody may read"


def attempt(address: str, name: str = "viewer", client: Client | None = None, password: str = GUESS) -> int:
    form = {"username": name, "password": password}
    return (client or Client()).post("/login/", form, REMOTE_ADDR=address).status_code


@pytest.fixture
def twice(settings: Settings) -> Settings:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "login": "2/h"}
    return settings


def test_one_account_is_limited_from_wherever_it_is_tried(twice: Settings) -> None:
    codes = [attempt(f"192.0.2.{host}") for host in range(8)]

    assert codes == [200] * 6 + [429] * 2
    assert attempt("192.0.2.99", name="operator") == 200


def test_no_single_address_keeps_an_owner_out(twice: Settings) -> None:
    User.objects.create_user("viewer", password="open-sesame")

    assert [attempt("192.0.2.1") for _ in range(20)][2:] == [429] * 18
    assert attempt("192.0.2.2", password="open-sesame") == 302


def test_a_browser_that_its_owner_has_used_is_not_kept_out_by_guesses_from_elsewhere(twice: Settings) -> None:
    User.objects.create_user("viewer", password="open-sesame")
    browser = Client()
    assert attempt("192.0.2.1", client=browser, password="open-sesame") == 302
    assert [attempt(f"192.0.2.{host}") for host in range(2, 8)][-1] == 429

    assert attempt("192.0.2.9", client=Client(), password="open-sesame") == 429
    assert attempt("192.0.2.9", client=browser, password="open-sesame") == 302
    # It is known for this account alone, and nobody can make such a cookie.
    browser.cookies["known_browser"] = browser.cookies["known_browser"].value[:-1] + "_"
    assert attempt("192.0.2.10", client=browser, password="open-sesame") == 429


@pytest.mark.parametrize(
    "addresses",
    [
        ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:ffff::1"],
        ["192.0.2.7"] * 3,
    ],
)
def test_an_address_is_limited_whatever_the_account(twice: Settings, addresses: list[str]) -> None:
    assert [attempt(address, name) for address, name in zip(addresses, "abc", strict=True)] == [200, 200, 429]


@pytest.mark.parametrize(
    "said",
    [
        ["192.0.2.7:5678", "192.0.2.7:5679", "192.0.2.7"],
        ["[2001:db8::1]:443", "[2001:db8::1]:444", "2001:db8::2"],
        ["::ffff:192.0.2.7", "[::ffff:192.0.2.7]:80", "192.0.2.7:80"],
        ["unknown", "_a", "_b"],
    ],
)
def test_a_port_in_x_forwarded_for_makes_nobody_another(twice: Settings, said: list[str]) -> None:
    twice.TRASH_PROXIES = 1

    codes = [
        Client()
        .post("/login/", {"username": name, "password": GUESS}, headers={"X-Forwarded-For": address})
        .status_code
        for address, name in zip(said, "abc", strict=True)
    ]

    assert codes == [200, 200, 429]
    assert len(rate_limits._used) == 1 + 2


@pytest.fixture
def fresh_log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log as if nothing had been logged yet."""
    # Whoever sets logging up once more, as a test of that does, adds the same filter again.
    kept = logging.getLogger("accounts.views").filters[-1]
    assert isinstance(kept, Seldom)
    monkeypatch.setattr(logging.getLogger("accounts.views"), "filters", [Seldom(most=kept._most)])
    return caplog


def test_a_failure_is_one_line_with_name_and_address_and_no_password(fresh_log: pytest.LogCaptureFixture) -> None:
    User.objects.create_user("viewer")

    attempt("192.0.2.7")
    attempt("192.0.2.8", name="hunter2, typed into the wrong field")

    assert [record.getMessage() for record in fresh_log.records if record.name == "accounts.views"] == [
        "sign-in failed for viewer from 192.0.2.7",
        "sign-in failed for no account from 192.0.2.8",
    ]


def test_failures_log_so_many_lines_a_minute_and_no_more(
    settings: Settings, fresh_log: pytest.LogCaptureFixture
) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "login": ""}

    for host in range(50):
        attempt(f"192.0.2.{host}")

    assert sum("sign-in failed" in each for each in fresh_log.messages) == 20


def test_wrong_tokens_are_refused_before_the_database_is_asked(twice: Settings, django_assert_num_queries: Any) -> None:
    twice.TRASH_READS = "authenticated"
    user = User.objects.create_user("vera")
    Token.objects.create(user=user, name="dashboard", digest=digest("trash_right"))

    def read(key: str, address: str = "192.0.2.7") -> int:
        return Client(REMOTE_ADDR=address).get("/api/schema/", headers={"Authorization": f"Bearer {key}"}).status_code

    assert read("trash_right") == 200
    assert [read(f"trash_{turn}") for turn in range(2)] == [401, 401]
    with django_assert_num_queries(0):
        assert [read(f"trash_{turn}") for turn in range(2, 5)] == [429] * 3
    # Who showed a right key before is not stopped by a neighbour behind the same address, nor is anybody elsewhere.
    assert read("trash_right") == 200
    assert read("trash_5", "192.0.2.8") == 401
    Token.objects.update(revoked_at="2026-01-01T00:00Z")
    assert read("trash_right") == 401
    assert read("trash_right") == 429


def test_sign_in_deletes_the_sessions_that_ended_once_a_day(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    User.objects.create_user("viewer", password="open-sesame")
    monkeypatch.setattr(sessions._Next, "at_s", 0.0)
    now = timezone.now()
    for name, ends_in in {"ended": timedelta(seconds=-1), "lasting": timedelta(days=1)}.items():
        Session.objects.create(session_key=name, session_data="", expire_date=now + ends_in)

    assert attempt("192.0.2.7", password="open-sesame") == 302

    names = set(Session.objects.values_list("session_key", flat=True))
    assert "ended" not in names
    assert "lasting" in names
    assert len(names) == 2
    with django_assert_num_queries(0):
        sessions.clear_expired()


def test_forty_sign_ins_at_once_hash_one_password_at_a_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = _HASHERS
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1000)
    kept = make_password("open-sesame")
    encode, now, most = PBKDF2PasswordHasher.encode, [0], [0]
    counting = threading.Lock()

    def slow(self: PBKDF2PasswordHasher, *arguments: Any) -> str:
        with counting:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        try:
            return encode(self, *arguments)
        finally:
            with counting:
                now[0] -= 1

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", slow)

    with ThreadPoolExecutor(40) as visitors:
        assert all(visitors.map(lambda _: check_password("open-sesame", kept), range(40)))
    assert most == [1]
