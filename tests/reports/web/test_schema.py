"""The OpenAPI schema against the API: no answer that it does not describe, and never a 5xx."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck
from hypothesis import settings as examples
from pytest_django.fixtures import Settings
from schemathesis import Case

from accounts.models import Token, digest
from accounts.roles import give_role, make_roles
from reports import queue, store
from reports.insight.fleet_map import Place
from reports.insight.over_time import HOUR, FleetHour, begin_of
from reports.insight.replay import Frame
from reports.models import Can
from reports.report import Report
from reports.web import fleet_count
from tests.support.cans import a_report

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

KEY = "trash_schema"


def test_the_schema_is_valid_and_every_answer_is_described(tmp_path: object) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [("text/html", "text/html; charset=utf-8"), ("image/png", "application/problem+json")],
)
def test_a_schema_in_a_form_that_there_is_not_is_406(settings: Settings, accept: str, media_type: str) -> None:
    settings.TRASH_READS = "open"

    answer = Client(raise_request_exception=False).get("/api/schema/", headers={"Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (406, media_type)


@pytest.fixture
def olga(shared_suffix: str, settings: Settings) -> None:
    """An operator with a token, and two cans."""
    settings.TRASH_READS = "authenticated"
    # Hundreds of wrong tokens are shown from one address.
    settings.TRASH_RATES = {**settings.TRASH_RATES, "login": ""}
    make_roles()
    user = User.objects.create_user("olga")
    give_role(user, "operator")
    Token.objects.create(user=user, name="test", digest=digest(KEY))
    now = datetime.now(UTC)
    store.beat(store.Heartbeat("worker", now, {}))
    store.put_reports([a_report("420", "70.69", now), a_report("0", "5", now)], now=now)


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Leave the connection open between requests, as Django's own test client does: the test's transaction is in it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True)).exclude(path="/api/schema/")
# Not trashsite.wsgi's, which also begins what a web process does beside requests.
schema.app = get_wsgi_application()


@schema.parametrize()
@examples(max_examples=15 if os.environ.get("THOROUGH") else 5, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_schema_says(olga: None, one_connection: None, case: Case) -> None:
    # No client can make up a cursor; and an empty field of a form is taken as one that is not there.
    skipped = [schemathesis.checks.positive_data_acceptance, schemathesis.checks.negative_data_rejection]
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, excluded_checks=skipped)


def examples_of(kind: str) -> list[tuple[str, str, str, Any]]:
    """Every example of the schema: path, method, status, value."""
    found = []
    for path, methods in schema.raw_schema["paths"].items():
        for method, operation in methods.items():
            bodies = {"": operation.get("requestBody", {})} if kind == "request" else operation["responses"]
            for status, body in bodies.items():
                for media in body.get("content", {}).values():
                    found += [(path, method, status, one["value"]) for one in media.get("examples", {}).values()]
    return found


@pytest.mark.parametrize(("path", "method", "status", "value"), examples_of("request"))
def test_each_example_of_a_request_is_taken(olga: None, path: str, method: str, status: str, value: Any) -> None:
    answer = Client().generic(
        method, path, json.dumps(value), "application/json", headers={"Authorization": f"Bearer {KEY}"}
    )

    assert answer.status_code == 202, answer.content


@pytest.mark.parametrize(("path", "method", "status", "value"), examples_of("answer"))
def test_each_example_of_an_answer_is_as_real_ones_are(
    olga: None, path: str, method: str, status: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in ("RENEWED_AFTER", "MAX_AGE"):
        monkeypatch.setattr(fleet_count, age, timedelta(0))
    now = datetime.now(UTC)
    place = (Decimal("50.0875"), Decimal("14.4213"))
    full = Report("420", "93.50", now, now, '{"stream": "paper"}', "paper", place)
    past = [
        Report("420", level, now - timedelta(minutes=5 * turn), now)
        for turn, level in enumerate(["91", "5", "2", "84", "82", "80"], 1)
    ]
    store.put_reports([full, *past], now=now)
    Can.objects.create(
        can_id="420",
        name="Market square",
        address="Market square 3",
        stream="paper",
        latitude="50.0875",
        longitude="14.4213",
    )
    boto3.client("sqs").send_message(QueueUrl=queue.url_of(queue.DEAD), MessageBody="[")
    lately = {"messages": 9000, "stored": 88123, "last_stored_at_s": int(now.timestamp())}
    store.beat(store.Heartbeat("worker", now, {**lately, "lag_ms": 840, "stored_per_minute": 310}))
    fleet_count.forget()
    # The first hour of the longest range by hours, and of the map's day.
    for back in (168, 24):
        begins_at = begin_of(now, HOUR) - HOUR * back
        hour = FleetHour(begins_at, now, {"FULL": 1, "OK": 1}, {"paper": (1, 1)}, reports=2, emptied=0)
        store.put_fleet_hour(hour)
        frame = Frame(begins_at, 0.0, [Place(50.0875, 14.4213, 93, "FULL", "420")], (now, now))
        store.keep_snapshot(frame.name, frame.packed(store.MAX_BYTES), now)
    path = path.replace("{can_id}", "nobody" if status == "404" else "420")
    if "page_size" in value:
        path += "?page_size=1"

    answer = Client().generic(
        method, path, json.dumps({"can_id": "420", "level": "1"}) if method == "post" else "", "application/json",
        headers={"Authorization": f"Bearer {KEY}"},
    )  # fmt: skip

    assert str(answer.status_code) == status
    assert shape(answer.json()) == shape(value)


def shape(value: Any) -> Any:
    """What an answer is made of: names and kinds, all the way down; what a device or a worker named may differ."""
    if isinstance(value, dict):
        named = ("attributes", "counters", "by_stream", "full_by_stream", "full_percent_by_stream")
        return {name: "..." if name in named else shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__
