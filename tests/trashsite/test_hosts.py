"""By which names the site may be asked for."""

from __future__ import annotations

import logging

import pytest
from django.test import Client

from trashsite.logs import ForeignHost

TASK = "10.0.1.23:8000"


@pytest.fixture(autouse=True)
def hosts(settings) -> None:
    settings.ALLOWED_HOSTS = ["bins.example.org"]


def test_health_is_answered_by_whatever_name_it_is_asked_for() -> None:
    answer = Client().get("/health/live", headers={"Host": TASK, "Accept": "*/*"})

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


@pytest.mark.parametrize("path", ["/", "/reports/432", "/login/", "/healthy", "/api/docs/"])
def test_nothing_else_is(path: str) -> None:
    assert Client().get(path, headers={"Host": TASK}).status_code == 400


def test_a_host_that_is_refused_is_a_line_a_minute_without_its_name() -> None:
    told = ForeignHost()
    records = [
        logging.LogRecord("django.security.DisallowedHost", logging.ERROR, "", 0, f"Invalid {host}", (), (None,) * 3)
        for host in ("a", "b", "c")
    ]

    assert [told.filter(record) for record in records] == [True, False, False]
    assert records[0].getMessage() == "a request named a host that is not in DJANGO_ALLOWED_HOSTS"
    assert records[0].exc_info is None


def test_the_log_is_told_so(settings) -> None:
    assert settings.LOGGING["loggers"]["django.security.DisallowedHost"]["filters"] == ["foreign host"]
