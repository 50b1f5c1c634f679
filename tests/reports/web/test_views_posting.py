"""POST /reports/: what reaches the queue, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import boto3
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Token, digest
from accounts.roles import give_role, make_roles
from reports.formats.native import parse
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.envelope import unpacked

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

KEY = "trash_operators-key"


@pytest.fixture
def operator() -> User:
    make_roles()
    user = User.objects.create_user("olga", password="turn-the-lid")
    give_role(user, "operator")
    Token.objects.create(user=user, name="test", digest=digest(KEY))
    return user


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """The bodies in the queue, as a device's own SDK reads them; emptied before and after."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"trash-level{settings.TRASH_SUFFIX and '-' + settings.TRASH_SUFFIX}")

    class Sent(list[str]):
        def take(self) -> list[str]:
            while messages := sqs.receive_message(
                QueueUrl=url["QueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=0
            ).get("Messages"):
                for message in messages:
                    self.append(message["Body"])
                    sqs.delete_message(QueueUrl=url["QueueUrl"], ReceiptHandle=message["ReceiptHandle"])
            return self

    Sent().take()
    yield Sent()
    Sent().take()


def post(client: Client, body: str | bytes, content_type: str = "application/json") -> object:
    return client.post("/reports/", body, content_type=content_type, headers={"Authorization": f"Bearer {KEY}"})


def test_a_report_goes_to_the_queue_as_the_text_that_came(client: Client, operator: User, sent: list) -> None:
    body = ' {"can_id": "432",\n "level": "70.69237046207665", "n": 1.10, "s": "\\u0041 ž 🗑️"} '

    answer = post(client, body)

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert len(answer.json()["message_ids"]) == 1
    assert answer.json()["results"][0]["links"]["self"].endswith("/reports/432")
    assert answer["Location"].endswith("/reports/432")
    assert sent.take() == [f"[{body}]"]


def test_an_array_is_one_message(client: Client, operator: User, sent: list) -> None:
    body = json.dumps([{"can_id": number, "level": number} for number in range(100)])

    answer = post(client, body)

    assert (answer.status_code, answer.json()["accepted"]) == (202, 100)
    assert sent.take() == [body]


def test_a_report_that_is_a_celery_call_too_is_stored_as_it_was_judged(
    client: Client, operator: User, sent: list
) -> None:
    other = json.dumps([[[{"can_id": "other", "level": "99"}]], {}, {}])
    body = {"can_id": "432", "level": "5", "headers": {"task": "reports.record_reports"}, "body": other}
    body["content-type"] = "application/json"

    answer = post(client, json.dumps(body))

    assert answer.json()["results"][0]["can_id"] == "432"
    (text,) = sent.take()
    delivered = Delivery("", "1", "1", "", text, 1, 1_795_512_600_000)
    body_of_task = unpacked(delivered, "reports.record_reports").body
    assert [each.can_id for each in parse(body_of_task, delivered.sent_at)] == ["432"]


def test_characters_that_sqs_refuses_are_sent_as_escapes(client: Client, operator: User, sent: list) -> None:
    answer = post(client, '{"can_id": "1", "level": 1, "x": "\ufffe\uffff"}')

    assert answer.status_code == 202
    assert json.loads(sent.take()[0])[0]["x"] == "\ufffe\uffff"


def test_one_invalid_report_refuses_all_and_each_fault_is_named(client: Client, operator: User, sent: list) -> None:
    body = '[{"can_id":"1","level":"1"},{"can_id":"2","level":"101"},{"level":"3"}]'

    answer = post(client, body)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert [(error["index"], error["field"]) for error in answer.json()["errors"]] == [
        (1, "level"),
        (2, "can_id"),
    ]
    assert sent.take() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "message"),
        ("not json", "message"),
        ("[" * 200_000, "message"),
        ('{"can_id":"1","level":1e400}', "level"),
        ('{"can_id":"1","level":NaN}', "level"),
        ('{"can_id":"a\\u0000b","level":1}', "can_id"),
        ('{"can_id":"1","level":1,"x":"\\ud800"}', "x"),
        (b'{"can_id":"\xff","level":1}', "message"),
        ('{"can_id":"1","level":1,"x":' + "[" * 5000 + "]" * 5000 + "}", None),
        ('{"can_id":"1","level":' + "9" * 5000 + "}", "level"),
    ],
)
def test_odd_bodies_are_400_and_name_the_field(
    client: Client, operator: User, sent: list, body: str | bytes, field: str | None
) -> None:
    answer = post(client, body)

    assert answer.status_code == 400
    assert field in (None, answer.json()["errors"][0]["field"])
    assert sent.take() == []


def test_json_that_was_sent_as_a_form_is_told_so(client: Client, operator: User) -> None:
    answer = post(client, '{"can_id":"1","level":"1"}', "application/x-www-form-urlencoded")

    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["detail"]


def test_3_megabytes_are_413_as_json(client: Client, operator: User, sent: list) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        answer = post(client, b"9" * 3_500_000, content_type)
        assert answer.status_code == 413
        assert answer["Content-Type"] == "application/problem+json"
    assert sent.take() == []


def test_other_content_types_are_415(client: Client, operator: User) -> None:
    assert post(client, "432,70.69", "text/csv").status_code == 415


def test_the_pages_form_sends_fields_or_json(client: Client, operator: User, sent: list) -> None:
    client.force_login(operator)

    for form in ({"can_id": "7", "level": "1.50"}, {"report": '[{"can_id":"8","level":2}]', "can_id": ""}):
        answer = client.post("/reports/", form_of(form), **FORM, headers={"Accept": "text/html"})
        assert answer.status_code == 202
        assert b"202 Accepted" in answer.content

    assert [json.loads(text) for text in sent.take()] == [
        [{"can_id": "7", "level": "1.50"}],
        [{"can_id": "8", "level": 2}],
    ]


def test_a_session_posts_only_with_its_csrf_token(operator: User, sent: list) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    report = '{"can_id":"1","level":1}'

    assert client.post("/reports/", report, content_type="application/json").status_code == 403
    assert client.post("/reports/", form_of({"report": report}), **FORM).status_code == 403

    page = client.get("/reports/", headers={"Accept": "text/html"})
    token = str(page.context["csrf_token"])
    with_header = {"headers": {"X-CSRFToken": token}, "content_type": "application/json"}
    assert client.post("/reports/", report, **with_header).status_code == 202
    in_form = form_of({"report": report, "csrfmiddlewaretoken": token})
    assert client.post("/reports/", in_form, **FORM).status_code == 202


def test_posting_has_a_rate_of_its_own(client: Client, operator: User, sent: list, settings) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "post": "1/h"}

    codes = [post(client, '{"can_id":"1","level":1}').status_code for _ in range(2)]

    assert codes == [202, 429]
    assert client.get("/reports/").status_code == 200


FORM = {"content_type": "application/x-www-form-urlencoded"}


def form_of(fields: dict[str, str]) -> str:
    from urllib.parse import urlencode

    return urlencode(fields)


def form(client: Client, user: User, **fields: str) -> tuple[int, str]:
    client.force_login(user)
    body = urlencode(fields)
    kind = "application/x-www-form-urlencoded"
    answer = client.post("/reports/", body, content_type=kind, headers={"Accept": "text/html"})
    return answer.status_code, answer.content.decode()


def test_a_form_that_breaks_a_rule_comes_back_with_what_was_typed(client: Client, operator: User, sent: list) -> None:
    status, page = form(client, operator, can_id="4<2", level="101", measured_at="2026-11-24T09:30:00Z")

    assert status == 400
    assert 'value="4&lt;2"' in page
    assert 'value="2026-11-24T09:30:00Z"' in page
    assert re.search('value="101" aria-invalid="true" aria-describedby="wrong-level"><span[^>]*>[^<]*100', page)
    status, page = form(client, operator, report='[{"can_id": "1"}]')
    assert (status, "[{&quot;can_id&quot;: &quot;1&quot;}]" in page, "<td>0</td>" in page) == (400, True, True)
    status, page = form(client, operator, can_id="", level="", report="")
    assert (status, page.count(">is missing<")) == (400, 2)
    assert sent.take() == []


def test_a_form_that_was_sent_leads_to_the_can(client: Client, operator: User, sent: list) -> None:
    status, page = form(client, operator, can_id="432", level="7")

    assert (status, '<a href="/reports/432">Can 432</a>' in page) == (202, True)
    assert "can be read once a worker runs" in page
    assert len(sent.take()) == 1
