"""PostgreSQL under the web server: few connections for many requests, and an outage."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from os import environ

import pytest

from tests.support.postgresql import PostgreSQL, postgresql
from tests.support.servers import ROOT, Site, eventually

#: Of which three are kept for the superuser's need.
CONNECTIONS = 15


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql(f"max_connections={CONNECTIONS}") as server:
        yield server


@pytest.fixture(scope="module")
def vera(shared_suffix: str, server: PostgreSQL) -> str:
    """The header of a user of the database, which is prepared for the site."""
    # One process for both commands.
    commands = (
        "import django; django.setup(); from django.core.management import call_command\n"
        "call_command('prepare'); call_command('people', '--add', 'vera', '--token', 'vera')"
    )
    done = subprocess.run(
        [sys.executable, "-c", commands], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**environ, "DATABASE_URL": server.url, "DJANGO_SETTINGS_MODULE": "trashsite.settings"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return f"Bearer {done.stdout.splitlines()[-1]}"


@pytest.fixture(scope="module")
def site(vera: str, server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    log = tmp_path_factory.mktemp("site") / "web.log"
    with closing(Site(log, DATABASE_URL=server.url, TRASH_READS="authenticated")) as site:
        yield site


def ask(url: str, **headers: str) -> tuple[int, str]:
    """The status, and after how many seconds to ask again."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:  # noqa: S310
            return answer.status, ""
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers.get("Retry-After", "")


def test_more_requests_at_once_than_connections_are_all_answered(site: Site, vera: str) -> None:
    with ThreadPoolExecutor(60) as pool:
        told = list(pool.map(lambda _: ask(f"{site.url}/reports/", Authorization=vera), range(180)))

    assert set(told) == {(200, "")}, site.log


def test_an_outage_is_503_everywhere_until_it_is_over_and_a_line_a_minute(
    site: Site, vera: str, server: PostgreSQL
) -> None:
    assert ask(f"{site.url}/reports/", Authorization=vera)[0] == 200

    server.stop()
    # A page of the API; one of Django's own that asks for the session; and a probe, which needs no database.
    assert ask(f"{site.url}/reports/", Authorization=vera) == (503, "5")
    assert ask(f"{site.url}/admin/", Cookie=f"sessionid={'a' * 32}") == (503, "5")
    assert ask(f"{site.url}/health/live") == (200, "")

    server.start()
    eventually(lambda: ask(f"{site.url}/reports/", Authorization=vera)[0] == 200, 60)
    assert site.log.count("database unavailable") == 1, site.log
    assert "Traceback" not in site.log
