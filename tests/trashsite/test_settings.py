"""Settings that suit no production refuse to start, in one line that says what to do."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.db import ConnectionHandler
from django.test import Client, override_settings

from tests.support.servers import ROOT

PRODUCTION = {
    "DJANGO_SECRET_KEY": "dtBpkG7Qp6rM1l0a5HJbZ8kqT3nXvY2cWf9sEu4RiOyLgVmNxCzKqW",
    "DJANGO_ALLOWED_HOSTS": "trash.example.org",
    "DATABASE_URL": "postgres://trash:secret@db.example.org/trash",
}


def test_the_check_for_deployment_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **PRODUCTION}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    # Silenced are the two wishes for more HSTS, which is a choice.
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (2 silenced).\n"), done.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"DJANGO_SECRET_KEY": "dtBpkG7Qp6rM1l0a5HJbZ8kqT3nXvY2cWf9sEu4RiOyLgVmNx"},
            "DJANGO_SECRET_KEY can be guessed",
        ),
        ({"DJANGO_SECRET_KEY": "abcd" * 20}, "DJANGO_SECRET_KEY can be guessed"),
        ({"DJANGO_DEBUG": "1"}, "DJANGO_DEBUG is for local mode only"),
        ({"DATABASE_URL": "postgres://trash:sec#ret@db:x/trash"}, "DATABASE_URL must be a database's address"),
        ({"TRASH_READS": "everybody"}, "TRASH_READS is 'everybody'; it must be one of"),
        ({"TRASH_PROXIES": "-1"}, "TRASH_PROXIES is '-1'; it must be a whole number from 0 to 10"),
        ({"TRASH_POST_RATE": "many"}, "TRASH_POST_RATE is 'many'; it must be like 600/min"),
        ({"TRASH_TIME_ZONE": "Prague"}, "TRASH_TIME_ZONE is 'Prague'; it must be a zone's name"),
        ({"TRASH_HSTS": "all"}, "TRASH_HSTS is 'all'; it must be one of"),
        ({"TRASH_REDRIVE_KEY": "short"}, "TRASH_REDRIVE_KEY must be random characters, at least 16"),
        ({"TRASH_SENDERS": "AROAEXAMPLE"}, "TRASH_SENDERS has 'AROAEXAMPLE'; each part must be like"),
        ({"TRASH_SENDERS": "=a"}, "TRASH_SENDERS has '=a'"),
        ({"TRASH_SENDERS": "AROAEXAMPLE=,"}, "TRASH_SENDERS has 'AROAEXAMPLE=,'"),
        ({"TRASH_SUFFIX": "a/b"}, "TRASH_SUFFIX may hold letters"),
        ({"TRASH_SMTP": "smtp://alerts:sec#ret@mail.example.org:x"}, "TRASH_SMTP must be like smtp://"),
        ({"TRASH_SMTP_TIMEOUT": "0"}, "TRASH_SMTP_TIMEOUT is '0'; it must be a whole number from 1 to 9"),
    ],
)
def test_what_no_production_should_have_refuses_to_start(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], said: str
) -> None:
    monkeypatch.delenv("TRASH_LOCAL")
    for name, value in (PRODUCTION | changed).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured) as refused:
        runpy.run_path(str(ROOT / "trashsite" / "settings.py"))

    assert str(refused.value).startswith(said)
    assert "sec#ret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "is_tls", "is_ssl", "port"),
    [
        ("smtp://alerts%40example.org:p%40ss%2Fw%3A@mail.example.org", True, False, 587),
        ("smtps://alerts%40example.org:p%40ss%2Fw%3A@mail.example.org", False, True, 465),
    ],
)
def test_a_mail_server_is_spoken_to_by_tls_with_user_and_password(
    monkeypatch: pytest.MonkeyPatch, address: str, is_tls: bool, is_ssl: bool, port: int
) -> None:
    monkeypatch.setenv("TRASH_SMTP", address)
    found = runpy.run_path(str(ROOT / "trashsite" / "settings.py"))

    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"], found["EMAIL_PORT"]) == (is_tls, is_ssl, port)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("alerts@example.org", "p@ss/w:")


@pytest.mark.django_db
def test_who_writes_to_sqlite_does_not_wait_for_who_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRASH_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    databases = runpy.run_path(str(ROOT / "trashsite" / "settings.py"))["DATABASES"]
    writer, reader = (ConnectionHandler(databases)["default"] for _ in range(2))
    with closing(writer), closing(reader), writer.cursor() as writes, reader.cursor() as reads:
        writes.execute("CREATE TABLE visits (number)")
        reads.execute("BEGIN")
        reads.execute("SELECT count(*) FROM visits")
        # In a rollback journal: "database is locked", after five seconds.
        writes.execute("INSERT INTO visits VALUES (1)")
        reads.execute("COMMIT")
        reads.execute("SELECT count(*) FROM visits")
        assert reads.fetchone() == (1,)


def in_production(monkeypatch: pytest.MonkeyPatch, prefix: str, **environ: str) -> dict[str, Any]:
    """The settings that begin so, as production has them with these variables."""
    monkeypatch.delenv("TRASH_LOCAL", raising=False)
    for name, value in (PRODUCTION | environ).items():
        monkeypatch.setenv(name, value)
    made = runpy.run_path(str(ROOT / "trashsite" / "settings.py"))
    return {name: value for name, value in made.items() if name.startswith(prefix)}


def test_what_an_old_key_signed_stays_valid_while_it_is_among_the_fallbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    former, new = "a-former-key-" * 5, "the-next-key-" * 5
    with override_settings(**in_production(monkeypatch, "SECRET_KEY", DJANGO_SECRET_KEY=former)):
        signed = signing.dumps("432")

    def keys(fallbacks: str) -> dict[str, Any]:
        return in_production(monkeypatch, "SECRET_KEY", DJANGO_SECRET_KEY=new, DJANGO_SECRET_KEY_FALLBACKS=fallbacks)

    with override_settings(**keys(f"older, {former}")):
        assert signing.loads(signed) == "432"
    # An empty list, as it stands in the secret of deploy/cloudformation.yml, which holds no empty text.
    assert keys(",") == {"SECRET_KEY": new, "SECRET_KEY_FALLBACKS": []}
    with override_settings(**keys(",")), pytest.raises(signing.BadSignature):
        signing.loads(signed)


@pytest.mark.parametrize(
    ("chosen", "header"),
    [
        ("", "max-age=31536000"),
        ("subdomains", "max-age=31536000; includeSubDomains"),
        ("preload", "max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_browsers_insist_on_https_for_the_host_alone_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, chosen: str, header: str
) -> None:
    with override_settings(**in_production(monkeypatch, "SECURE_HSTS", TRASH_HSTS=chosen)):
        assert Client().get("/health/live", secure=True)["Strict-Transport-Security"] == header


def test_keys_and_senders_are_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRASH_LOCAL")
    listed = {
        "TRASH_REDRIVE_KEY": "the new key of redrive, the old key of redrive",
        "TRASH_SENDERS": "AROANORTH=north-,park-\n AIDAWEB=*",
    }
    for name, value in (PRODUCTION | listed).items():
        monkeypatch.setenv(name, value)

    settings = runpy.run_path(str(ROOT / "trashsite" / "settings.py"))

    assert settings["TRASH_REDRIVE_KEYS"] == ["the new key of redrive", "the old key of redrive"]
    assert settings["TRASH_SENDERS"] == {"AROANORTH": ("north-", "park-"), "AIDAWEB": ("*",)}


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "DATABASE_URL"])
def test_the_site_does_not_start_without_its_key_and_its_database(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import trashsite.wsgi"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **PRODUCTION, name: ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert f"ImproperlyConfigured: {name} is not set. Set it to" in done.stderr
