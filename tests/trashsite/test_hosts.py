"""By which names the site may be asked for."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from trashsite.hosts import Hosts

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


def test_a_host_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[HttpRequest] = []
    monkeypatch.setattr(HttpRequest, "get_host", lambda request: looked.append(request) or "bins.example.org")

    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.get_host() + request.get_host())

    answered = Hosts(answer)(RequestFactory().get("/reports/1"))

    assert (answered.content, len(looked)) == (b"bins.example.org" * 2, 1)
