"""Health checks: fixed words for everybody, and few requests to AWS."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from reports import store
from reports.web import probes
from trashsite import aws

pytestmark = pytest.mark.usefixtures("shared_suffix")

ARN = "arn:aws:sts::123456789012:assumed-role/trash-web/i-0abc is not authorized"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests to AWS."""
    made: list[str] = []
    call = aws.Client.call

    def noted(self: aws.Client, operation: str, *arguments: Any, **named: Any) -> aws.Answer:
        made.append(operation)
        return call(self, operation, *arguments, **named)

    monkeypatch.setattr(aws.Client, "call", noted)
    return made


def beat(*, ago_s: float = 0, problem: str = "") -> None:
    seen_at = datetime.now(UTC) - timedelta(seconds=ago_s)
    store.beat(store.Heartbeat("secret-host:4711", seen_at, {"stored": 70_003}, problem))


@pytest.mark.parametrize(
    ("makes", "status", "answer"),
    [
        (beat, 200, {"status": "well"}),
        (lambda: beat(ago_s=60), 503, {"status": "stuck"}),
        (lambda: beat(problem="has answered no receive for 60 s"), 503, {"status": "stuck"}),
    ],
)
def test_the_workers_health_is_one_word(makes: Callable[[], None], status: int, answer: dict[str, str]) -> None:
    makes()

    got = Client().get("/health/pipeline")

    assert (got.status_code, got.json(), got["Cache-Control"]) == (status, answer, "no-store")
    assert "Retry-After" in got or status == 200


def test_strangers_read_no_host_no_counter_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    beat(problem="has answered no receive for 60 s")
    assert any(each.problem for each in store.workers(datetime.now(UTC)))
    said = [Client().get(f"/health/{name}", headers=headers).content.decode() for name in NAMES for headers in ACCEPTS]

    def denied(*_: object, **__: object) -> None:
        raise store.StoreUnavailable(ARN)

    for verb in ("ping", "workers"):
        monkeypatch.setattr(store, verb, denied)
    probes.forget()
    answers = [Client().get(f"/health/{name}", headers=headers) for name in NAMES for headers in ACCEPTS]
    assert [each.status_code for each in answers] == [200, 200, 503, 503, 503, 503]
    said += [each.content.decode() for each in answers]

    for secret in ("secret-host", "4711", "70003", "70,003", "arn:", "authorized", "no receive"):
        assert [text for text in said if secret in text] == [], secret


NAMES = ("live", "ready", "pipeline")
ACCEPTS = ({"Accept": "application/json"}, {"Accept": "text/html"})


def test_many_who_ask_cost_as_much_as_one(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for held in (probes._SERVICES, probes._WORKERS):
        monkeypatch.setattr(held, "held_s", 60.0)
    for name in ("ready", "pipeline"):
        Client().get(f"/health/{name}")
    one = len(calls)
    probes.forget()
    calls.clear()

    with ThreadPoolExecutor(8) as many:
        codes = list(many.map(lambda turn: Client().get(f"/health/{NAMES[1 + turn % 2]}").status_code, range(60)))

    assert len(codes) == 60
    assert 0 < len(calls) <= one


def test_an_answer_is_no_older_than_two_seconds(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Client().get("/health/ready")
    asked = len(calls)
    monkeypatch.setattr(probes._SERVICES, "held_s", 0.0)

    Client().get("/health/ready")

    assert len(calls) > asked
