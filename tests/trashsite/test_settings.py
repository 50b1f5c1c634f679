"""Settings that suit no production refuse to start, in one line that says what to do."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

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

    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"DJANGO_DEBUG": "1"}, "DJANGO_DEBUG is for local mode only"),
        ({"DATABASE_URL": "postgres://trash:sec#ret@db:x/trash"}, "DATABASE_URL must be a database's address"),
        ({"TRASH_READS": "everybody"}, "TRASH_READS is 'everybody'; it must be one of"),
        ({"TRASH_PROXIES": "-1"}, "TRASH_PROXIES is '-1'; it must be a whole number from 0 to 10"),
        ({"TRASH_POST_RATE": "many"}, "TRASH_POST_RATE is 'many'; it must be like 600/min"),
        ({"TRASH_TIME_ZONE": "Prague"}, "TRASH_TIME_ZONE is 'Prague'; it must be a zone's name"),
        ({"TRASH_REDRIVE_KEY": "short"}, "TRASH_REDRIVE_KEY must be random characters, at least 16"),
        ({"TRASH_SENDERS": "AROAEXAMPLE"}, "TRASH_SENDERS has 'AROAEXAMPLE'; each part must be like"),
        ({"TRASH_SENDERS": "=a"}, "TRASH_SENDERS has '=a'"),
        ({"TRASH_SENDERS": "AROAEXAMPLE=,"}, "TRASH_SENDERS has 'AROAEXAMPLE=,'"),
        ({"TRASH_SUFFIX": "a/b"}, "TRASH_SUFFIX may hold letters"),
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


def test_the_site_does_not_start_without_a_secret_key() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import trashsite.wsgi"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **PRODUCTION, "DJANGO_SECRET_KEY": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "ImproperlyConfigured: DJANGO_SECRET_KEY is not set. Set it to 50 random characters" in done.stderr
