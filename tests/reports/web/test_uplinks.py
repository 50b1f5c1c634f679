"""Uplinks by HTTP: whose secret is right may send, and what came lies in the queue as it came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO

import boto3
import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from reports import queue
from reports.formats import parse
from reports.formats.readings import Reading
from reports.sensor_models import UplinkSource, secret_digest
from reports.web.uplinks import MAX_BYTES
from tests.reports.formats.test_uplinks import EXPECTED, NOW, body
from tests.support.servers import ROOT, eventually

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

#: By page of docs/connect, the beginnings of the published messages that its server sends.
SENT = {
    "the-things-stack": ("tts-",),
    "chirpstack": ("chirpstack-", "sns-"),
    "aws-iot-core": ("awsiot-",),
    "fiware": ("fiware-",),
}


@pytest.fixture
def secret() -> str:
    said = StringIO()
    call_command("uplink-source", "city", stdout=said, stderr=StringIO())
    return said.getvalue().strip()


@pytest.fixture(autouse=True)
def empty_queue() -> Iterator[None]:
    yield
    boto3.client("sqs").purge_queue(QueueUrl=queue.url_of(queue.REPORTS))


def send(secret: str, text: str | bytes, name: str = "city", content_type: str = "application/json") -> int:
    answer = Client().generic(
        "POST", f"/uplinks/{name}?event=up", text, content_type, headers={"X-Uplink-Secret": secret}
    )
    return answer.status_code


def received(count: int) -> set[str]:
    sqs, url = boto3.client("sqs"), queue.url_of(queue.REPORTS)
    found: set[str] = set()

    def all_came() -> bool:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        found.update(message["Body"] for message in answer.get("Messages", ()))
        return len(found) >= count

    eventually(all_came)
    return found


@pytest.mark.parametrize("page", SENT)
def test_what_a_connected_server_sends_lies_in_the_queue_as_it_came(secret: str, page: str) -> None:
    names = [name for name in EXPECTED if name.startswith(SENT[page])]
    assert names
    assert [send(secret, body(name)) for name in names] == [202] * len(names)

    found = received(len(names))
    assert found == {body(name) for name in names}
    # And the worker's parser takes it for what it is.
    readings = {name: parse(body(name), NOW)[0] for name in names}
    assert {name: str(each.verdict) for name, each in readings.items() if isinstance(each, Reading)} == {
        name: EXPECTED[name]["verdict"] for name in names
    }


def test_each_page_is_in_the_list_and_names_the_header_or_the_queue() -> None:
    folder = ROOT / "docs/connect"
    index = (folder / "README.md").read_text()
    for page in SENT:
        text = (folder / f"{page}.md").read_text()
        assert f"({page}.md)" in index
        assert "X-Uplink-Secret" in text or "sqs:SendMessage" in text


def test_a_wrong_secret_an_unknown_source_and_a_closed_one_are_refused_alike(secret: str) -> None:
    answers = {send("wrong", "{}"), send(secret, "{}", "other"), send("", "{}"), send(secret, "{}", "a%00b")}
    call_command("uplink-source", "city", "--close")
    assert answers | {send(secret, "{}")} == {401}


def test_a_new_secret_makes_the_old_one_void(secret: str) -> None:
    said = StringIO()
    call_command("uplink-source", "city", stdout=said, stderr=StringIO())
    assert (send(secret, "{}"), send(said.getvalue().strip(), "{}")) == (401, 202)


def test_the_admin_makes_a_source_and_shows_its_secrets_once(admin_client: Client) -> None:
    address = "/admin/reports/uplinksource/"

    def shown(path: str, form: dict[str, str]) -> str:
        page = admin_client.post(path, form).content.decode()
        assert "<code>http://testserver/uplinks/city</code>" in page
        (secret,) = re.findall(r"<code>([\w-]{43})</code>", page)
        return str(secret)

    first = shown(f"{address}add/", {"name": "city", "is_open": "on"})
    assert send(first, "{}") == 202
    asked = {"action": "renew_secrets", "_selected_action": "city"}
    confirmation = admin_client.post(address, asked).content.decode()
    assert send(first, "{}") == 202
    asked |= dict(re.findall(r'name="(seen)" value="(\w{40,})"', confirmation))
    second = shown(address, asked)
    assert (send(first, "{}"), send(second, "{}")) == (401, 202)
    # A browser that loads the page again sends the form again.
    again = admin_client.post(address, asked, follow=True).content.decode()
    assert "No secret was changed" in again and send(second, "{}") == 202

    # Neither a later page nor the session holds them; the log of the admin says who did what.
    pages = [admin_client.get(address + page).content.decode() for page in ("", "city/change/", "city/history/")]
    kept = "".join([*pages, str(dict(admin_client.session))])
    assert first not in kept and second not in kept
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == [
        "Added.", "Gave it a new secret.",
    ]  # fmt: skip
    # A name that is taken is refused, and its secret stays; closed, it is refused.
    assert "already exists" in admin_client.post(f"{address}add/", {"name": "city"}).content.decode()
    assert send(second, "{}") == 202
    assert admin_client.post(f"{address}city/change/", {}).status_code == 302
    assert send(second, "{}") == 401


def test_a_secret_is_stored_as_its_digest_alone(secret: str) -> None:
    source = UplinkSource.objects.get()
    assert source.digest == secret_digest(secret) != secret
    with pytest.raises(CommandError):
        call_command("uplink-source", "a name", stderr=StringIO())


def test_what_no_message_can_be_is_refused_with_its_rule(secret: str) -> None:
    assert send(secret, b"\xff\xfe") == 400
    assert send(secret, " ") == 400
    assert send(secret, b"x" * (MAX_BYTES + 1)) == 413
    # Of any type, since servers name theirs as they like.
    assert send(secret, body("awsiot-dl-mbx-usebase64.b64"), content_type="text/plain") == 202


def test_one_address_guesses_no_more_secrets_than_passwords(secret: str, settings: Settings) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "login": "3/h", "uplink": "2/h"}
    assert [send(secret, "{}") for _ in range(3)] == [202, 202, 429]
    assert [send("wrong", "{}") for _ in range(4)] == [401, 401, 401, 429]
