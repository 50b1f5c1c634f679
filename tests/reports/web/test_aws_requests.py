"""
What each page and each batch asks of AWS, request by request, held against `aws_requests.json`.

A change of these figures is a change of the bill: it shows in the diff. AWS_REQUESTS=write writes the file anew.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.roles import give_role, make_roles
from reports import queue, store
from reports.report import Report
from reports.tasks import store_messages
from reports.web import fleet_count, ingestion
from reports.worker import limits, register
from reports.worker.alerts import rules
from tests.support.cans import a_report
from tests.support.fault_proxy import FaultProxy
from tests.support.servers import eventually
from trashsite import aws
from trashsite.sqs.delivery import Delivery

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

FILE = Path(__file__).parent / "aws_requests.json"
CANS = 400
PAGES = {
    "the fleet, fullest first": "/reports/",
    "the fleet, longest silent first": "/reports/?order=silent",
    "the fleet, 300 cans": "/reports/?page_size=300",
    "the fleet, filtered by what no index knows": "/reports/?stream=none-such",
    "one can": "/reports/420",
    "one can's history": "/reports/420/history",
    "a chart of 24 hours": "/reports/420/chart?range=24h",
    "a chart of all, at the first look": "/reports/420/chart?range=all",
    "a chart of all": "/reports/420/chart?range=all",
    "a collection list": "/collections",
    "other rounds, tried on 20 cans": "/collections/what-if",
    "the overview": "/",
    "the alerts": "/alerts",
    "the pipeline": "/pipeline/",
    "dead letters, none there": "/pipeline/dead-letters/",
}
#: Two a can of the sample, beside what finds the cans.
MOST = {"the pipeline": 6, "a collection list": 15, "other rounds, tried on 20 cans": 54}
#: Asked by programs: without the counts and the newest reports that a page shows.
ANSWERS = ("the fleet, fullest first", "one can")


@pytest.fixture
def proxies(shared_suffix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sequence[FaultProxy]]:
    """What both services are asked passes through these, and is counted."""
    with ExitStack() as stack:
        found = []
        for name in ("AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"):
            found.append(stack.enter_context(FaultProxy(os.environ[name])))
            monkeypatch.setenv(name, found[-1].url)
        aws.forget()
        yield found
    aws.forget()


@pytest.fixture
def asked(proxies: Sequence[FaultProxy]) -> Callable[[Callable[[], object]], dict[str, int]]:
    """Do something, and return what was asked meanwhile, by the names of AWS."""

    def ask(do: Callable[[], object]) -> dict[str, int]:
        before = sum((proxy.seen for proxy in proxies), Counter())
        do()
        return dict(sorted((sum((proxy.seen for proxy in proxies), Counter()) - before).items()))

    return ask


def test_pages_and_batches_ask_what_is_written_down(
    client: Client, asked: Callable[[Callable[[], object]], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    # Their first reports ask the register, others do not.
    put([a_report(str(number), f"{number % 100}", now - timedelta(minutes=1)) for number in range(CANS)], now)
    put([a_report(str(number), f"{number % 100}.5", now) for number in range(CANS)], now)
    # What a worker knows of streams and of alerts is read every five seconds, however many batches there are.
    monkeypatch.setattr(register, "BELIEVED_S", 3600.0)
    limits.by_stream()
    rules.current()
    past = [now - timedelta(hours=12 * turn) for turn in range(1, 40)]
    put([Report("420", "50", at, now) for at in [*past, now]], now)
    make_roles()
    client.force_login(user := User.objects.create_user("olga"))
    give_role(user, "operator")

    def get(path: str, accept: str) -> Callable[[], None]:
        def do() -> None:
            # As a web process that has just started: it asks for the counts of the others.
            fleet_count.forget()
            ingestion.forget()
            assert client.get(path, headers={"Accept": accept}).status_code == 200

        return do

    # Somebody has counted this fleet before; nobody counts it anew, however long the rest takes.
    monkeypatch.setattr(fleet_count, "RENEWED_AFTER", timedelta(hours=1))
    fleet_count.forget()
    eventually(fleet_count.current)
    fleet_count.forget()
    queue.depth()
    found = {
        "pages": {name: asked(get(path, "text/html")) for name, path in PAGES.items()},
        "answers": {name: asked(get(PAGES[name], "application/json")) for name in ANSWERS},
        "batches of 50 messages": {
            "of cans that are known": asked(batch(str(number) for number in range(50))),
            "of cans that are new": asked(batch(f"new-{number}" for number in range(50))),
        },
    }

    if os.environ.get("AWS_REQUESTS") == "write":
        FILE.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(FILE.read_text())
    for name, requests in found["pages"].items():
        # One tells whether reports are stored, in five seconds. The first look at a long chart sums it up.
        # A fleet as small as this is searched whole; the pipeline shows its last hour.
        usual = 15 if name.startswith("the fleet") else 7 if "first look" in name else 4
        most = MOST.get(name, usual)
        assert sum(requests.values()) <= most, name


def put(reports: Sequence[Report], now: datetime) -> None:
    store.put_reports(reports, now=now)


def batch(can_ids: Iterator[str]) -> Callable[[], None]:
    """Return the task's part of a batch: its messages are received before anything is counted."""
    queue.publish([json.dumps({"can_id": can_id, "level": "70.69"}) for can_id in can_ids])
    url = queue.url_of(queue.REPORTS)
    sqs = boto3.client("sqs")
    received: list[Delivery] = []

    def receive() -> bool:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["SentTimestamp"]
        )
        received.extend(Delivery.received(url, message) for message in answer.get("Messages", ()))
        return len(received) == 50

    eventually(receive)
    return lambda: store_messages(received)
