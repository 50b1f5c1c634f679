"""The pipeline's page: what is wrong in words, and dead letters sent back or discarded by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import boto3
import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Token, digest
from reports import queue, store
from reports.queue import LetterKind, QueueUnavailable
from reports.store import Heartbeat, StoreUnavailable
from reports.web import ingestion
from tests.support.people import signed_in
from trashsite.sqs.delivery import Delivery

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

NOW = datetime.now(UTC)
HTML = {"Accept": "text/html"}


@pytest.fixture
def staff() -> Client:
    return signed_in("olga", "operator")


@pytest.fixture(autouse=True)
def no_worker(shared_suffix: str) -> None:
    """Forget the workers of other tests."""
    for worker in store.workers(datetime.now(UTC)):
        store.leave(worker.name)
    ingestion.forget()


@pytest.fixture
def letters() -> Iterator[list[str]]:
    """Three dead letters, as SQS itself moves them; the queues are empty before and after."""
    sqs = boto3.client("sqs")
    urls = {
        name: sqs.get_queue_url(QueueName=f"{name}-{settings.TRASH_SUFFIX}")["QueueUrl"]
        for name in ("trash-level", "trash-level-dead")
    }
    for url in urls.values():
        sqs.purge_queue(QueueUrl=url)
    bodies = [f'{{"can_id":"<script>alert({number})</script>"}}' for number in range(3)]
    for body in bodies:
        sqs.send_message(QueueUrl=urls["trash-level-dead"], MessageBody=body)
    yield bodies
    for url in urls.values():
        sqs.purge_queue(QueueUrl=url)


def listed(client: Client) -> list[dict[str, object]]:
    return client.get("/pipeline/dead-letters/").json()["letters"]


def settle(client: Client, action: str, *tokens: object) -> dict[str, list[str]]:
    body = json.dumps({"action": action, "letters": tokens})
    return client.post("/pipeline/dead-letters/", body, content_type="application/json").json()


def sent(client: Client, form: dict[str, object]) -> HttpResponse:
    """Send the page's form as a browser does."""
    body, content_type = urlencode(form, doseq=True), "application/x-www-form-urlencoded"
    return client.post("/pipeline/dead-letters/", body, content_type=content_type, headers=HTML)


def test_listed_letters_are_shown_whole_and_inert(staff: Client, letters: list[str]) -> None:
    page = staff.get("/pipeline/dead-letters/", headers=HTML).content.decode()

    # Each once as a letter, once in the answer below.
    assert page.count("&lt;script&gt;alert(") == 6
    assert "<script>alert(" not in page
    assert "Received too often" in page


def test_a_letter_tells_who_sent_an_array_and_what_of_it_is_invalid(staff: Client, letters: list[str]) -> None:
    url = queue.url_of(queue.DEAD)
    facts = {
        "reason": "invalid", "field": "level", "error": "is missing", "message_id": "first", "sent_at_ms": "1",
        "summary": "2 of 2 reports, the first at index 0: <b>\u202e 2", "sender_id": "AROAEXAMPLE:gateway",
    }  # fmt: skip
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in facts.items()}
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody="[{},{}]", MessageAttributes=attributes)

    (letter,) = [one for one in listed(staff) if one["body"] == "[{},{}]"]
    page = staff.get("/pipeline/dead-letters/", headers=HTML).content.decode()

    assert (letter["summary"], letter["sender_id"]) == (facts["summary"], "AROAEXAMPLE:gateway")
    assert "sender <code>AROAEXAMPLE:gateway</code>" in page
    assert "2 of 2 reports, the first at index 0: &lt;b&gt;\\u202e 2. Its valid reports" in page


def test_one_is_sent_back_and_one_discarded_and_both_are_noted(staff: Client, letters: list[str]) -> None:
    first, second, third = listed(staff)

    back = settle(staff, "redrive", first["letter"])
    gone = settle(staff, "discard", second["letter"])

    assert (back["done"], back["again"]) == ([first["message_id"]], [])
    assert (gone["done"], gone["again"]) == ([second["message_id"]], [])
    assert (queue.depth().waiting, queue.depth().dead) == (1, 1)
    noted = list(LogEntry.objects.order_by("pk").values_list("user__username", "object_id", "action_flag"))
    assert noted == [("olga", first["message_id"], 2), ("olga", second["message_id"], 3)]
    assert third["body"] in letters


def test_a_letter_that_is_gone_already_is_named_and_nothing_is_noted(staff: Client, letters: list[str]) -> None:
    first, *_ = listed(staff)
    settle(staff, "discard", first["letter"])
    before = LogEntry.objects.count()

    again = settle(staff, "redrive", first["letter"])

    assert queue.depth().waiting == 0
    assert (again["done"], again["again"]) == ([], [first["message_id"]])
    assert LogEntry.objects.count() == before
    (settled,) = again["settled_before"]
    assert (settled["message_id"], settled["action"], settled["by"]) == (first["message_id"], "discard", "olga")
    form = {"action": "redrive", "letters": [first["letter"]], "confirmed": "yes"}
    assert b"was discarded before by olga" in sent(staff, form).content


def test_who_listed_letters_sees_them_again_and_others_see_how_many(staff: Client, letters: list[str]) -> None:
    first = listed(staff)
    again = staff.get("/pipeline/dead-letters/").json()

    assert {one["message_id"] for one in again["letters"]} == {one["message_id"] for one in first}
    assert (len(first), again["total"], 0 < again["hidden_s"] <= 120) == (3, 3, True)
    settle(staff, "discard", again["letters"][0]["letter"])
    assert len(listed(staff)) == 2
    other = signed_in("otto", "operator").get("/pipeline/dead-letters/", headers=HTML).content
    assert b"About 2 dead letters, none visible" in other


def test_looking_without_the_right_to_settle_hides_nothing(staff: Client, letters: list[str]) -> None:
    user = User.objects.get(username="olga")
    Token.objects.create(user=user, name="read", digest=digest("trash_read"), read_only=True)
    token = {"Authorization": "Bearer trash_read"}

    staff.head("/pipeline/dead-letters/")
    seen = Client().get("/pipeline/dead-letters/", headers=token).json()

    assert (len(seen["letters"]), seen["hidden_s"], seen["letters"][0]["letter"]) == (3, 0, None)
    assert len(listed(staff)) == 3


def test_the_page_says_that_nothing_was_chosen(staff: Client, letters: list[str]) -> None:
    listed(staff)
    answer = sent(staff, {"action": "discard"})

    assert answer.status_code == 400
    assert b"Nothing is selected" in answer.content
    assert answer.content.count(b'name="letters"') == 3


def test_the_page_asks_before_it_discards(staff: Client, letters: list[str]) -> None:
    page = staff.get("/pipeline/dead-letters/", headers=HTML).content.decode()
    tokens = re.findall(r'name="letters" value="([^"]+)"', page)[:2]

    asked = sent(staff, {"action": "discard", "letters": tokens})
    assert b"Discard 2 for good?" in asked.content
    assert queue.depth().dead == 3

    form = {"action": "discard", "letters": tokens, "confirmed": "yes"}
    done = sent(staff, form)
    assert b"2 discarded" in done.content
    assert queue.depth().dead == 1


def test_alerts_that_were_set_aside_are_listed_apart_and_settled_alike(staff: Client, letters: list[str]) -> None:
    message = Delivery("", "m", "first", "", '{"can_id":"420"}', 3, int(NOW.timestamp() * 1000))
    queue.set_alert_aside(message, "it answered 410", rule_name="The hall", rule_id="7")
    address = "/pipeline/dead-letters/?of=alerts"

    page = staff.get(address, headers=HTML).content.decode()
    (letter,) = staff.get(address).json()["letters"]

    assert "<b>The hall: it answered 410</b>" in page
    assert "1 of about 1 dead letters of alerts" in page
    assert (letter["body"], letter["first_message_id"]) == (message.body, "first")
    found = staff.get("/pipeline/").json()
    assert found["dead_alerts"] == 1
    links = [each["link"] for each in found["troubles"] if each["link"]]
    assert links == [f"http://testserver{address}", "http://testserver/pipeline/dead-letters/?of=reports"]
    pipeline = staff.get("/pipeline/", headers=HTML).content.decode()
    assert f'<a rel="nofollow" href="{links[0]}">List them, and see why.</a>' in pipeline
    asked = sent(staff, {"action": "discard", "letters": [letter["letter"]]}).content
    assert b"Nothing brings a discarded alert back" in asked
    assert settle(staff, "discard", letter["letter"])["done"] == [letter["message_id"]]
    assert b"There are no dead letters of alerts" in staff.get(address, headers=HTML).content
    assert (queue.count_dead_letters(LetterKind.ALERTS), queue.depth().dead) == (0, 3)
    assert staff.get("/pipeline/dead-letters/?of=cans").json()["errors"][0]["field"] == "of"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ([], "action"),
        ({"action": "purge", "letters": ["x"]}, "action"),
        ({"action": "redrive"}, "letters"),
        ({"action": "redrive", "letters": "x"}, "letters"),
        ({"action": "redrive", "letters": []}, "letters"),
        ({"action": "redrive", "letters": [1]}, "letters"),
        ({"action": "redrive", "letters": ["forged:1:x"]}, "letters"),
        ({"action": "redrive", "letters": ["x"] * 11}, "letters"),
    ],
)
def test_what_no_listing_gave_is_refused(staff: Client, body: object, field: str) -> None:
    answer = staff.post("/pipeline/dead-letters/", json.dumps(body), content_type="application/json")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 200_000, 400),
        (b'{"action": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, 400),
        (b'{"action": NaN, "letters": [1e400]}', 400),
        (b'{"action": "redrive", "letters": ["\\ud800", "\\u0000"]}', 400),
        (b'{"action": "\xff"}', 400),
        (b'{"action": "redrive", "letters": [' + b"9" * 5_000 + b"]}", 400),
        (b" " * 3_000_000, 413),
    ],
)
def test_odd_choices_are_refused_and_break_nothing(staff: Client, body: bytes, status: int) -> None:
    answer = staff.post("/pipeline/dead-letters/", body, content_type="application/json")

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert status == 413 or answer.json()["errors"][0]["field"] in ("message", "action", "letters")


def test_the_page_shows_queue_and_workers(staff: Client, letters: list[str]) -> None:
    store.beat(Heartbeat("host:1", datetime.now(UTC), {"stored": 1234}))

    found = staff.get("/pipeline/").json()
    page = staff.get("/pipeline/", headers=HTML).content.decode()

    assert found["queue"] == {"waiting": 0, "in_flight": 0, "dead": 3}
    assert [worker["name"] for worker in found["workers"]] == ["host:1"]
    assert "3 dead letters" in found["troubles"][-1]["text"]
    assert "1\u202f234" in page
    assert "working" in page


def test_what_does_not_answer_is_said_and_the_rest_still_shown(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> object:
        def raise_it(*_: object) -> None:
            raise error

        return raise_it

    monkeypatch.setattr(queue, "depth", fail(QueueUnavailable("no")))
    monkeypatch.setattr(store, "workers", fail(StoreUnavailable("no")))

    found = staff.get("/pipeline/").json()
    page = staff.get("/pipeline/", headers=HTML)

    assert [trouble["text"] for trouble in found["troubles"]] == ["SQS does not answer.", "DynamoDB does not answer."]
    assert page.status_code == 200
    assert b"SQS does not answer" in page.content


def test_how_it_goes_is_told_by_the_workers_at_work(staff: Client) -> None:
    told = {"stored_per_minute": 600, "lag_ms": 1500, "last_stored_at_s": int(NOW.timestamp())}
    store.beat(Heartbeat("host:7", datetime.now(UTC), told))
    store.beat(Heartbeat("host:8", datetime.now(UTC), {**told, "lag_ms": 90_000}))
    store.beat(Heartbeat("host:9", datetime.now(UTC) - timedelta(hours=1), told))

    found = staff.get("/pipeline/").json()
    page = staff.get("/pipeline/", headers=HTML).content.decode()

    assert (found["stored_per_minute"], found["lag_ms"]) == (1200, 90_000)
    assert found["last_stored_at"].startswith(NOW.strftime("%Y-%m-%dT%H:%M:%S"))
    assert "90 s" in page


@pytest.mark.parametrize("path", ["/", "/reports/", "/pipeline/", "/reports/nobody"])
def test_every_page_says_that_no_report_is_being_stored(staff: Client, path: str) -> None:
    stored_at = int((NOW - timedelta(hours=3)).timestamp())
    store.beat(Heartbeat("frozen:1", NOW - timedelta(minutes=4), {"last_stored_at_s": stored_at}))

    page = staff.get(path, headers=HTML, follow=True).content.decode()

    assert "No report is being stored." in page
    assert re.search(r"The newest report was stored <time[^>]*>3 h ago", page)


def test_a_page_says_when_it_cannot_tell_whether_reports_are_stored(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise StoreUnavailable("no")

    monkeypatch.setattr(store, "workers", fail)

    assert b"cannot be told just now: DynamoDB does not answer" in client.get("/reports/", headers=HTML).content


def test_a_page_says_how_old_the_newest_report_is_and_nothing_where_all_is_well(client: Client) -> None:
    for ago, says in ((timedelta(seconds=5), False), (timedelta(minutes=20), True)):
        now = datetime.now(UTC)
        store.beat(Heartbeat("host:1", now, {"last_stored_at_s": int((now - ago).timestamp())}))
        ingestion.forget()
        page = client.get("/reports/", headers=HTML).content
        assert (b"The newest report was stored" in page) is says
        assert b"No report is being stored" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/login/", "/cans/1/facts/", "/cans/import/", "/sensors/explain/", "/api/docs/", "/views/", "/admin/auth/user/",
        "/no",
    ],
)  # fmt: skip
def test_pages_beside_the_api_say_when_no_report_is_stored(admin_client: Client, path: str) -> None:
    store.beat(Heartbeat("host:1", NOW - timedelta(hours=3), {}))
    ingestion.forget()

    assert b"No report is being stored." in admin_client.get(path, headers=HTML).content


def test_strangers_who_may_not_read_are_told_no_times_and_no_problems(client: Client, settings: Settings) -> None:
    settings.TRASH_READS = "authenticated"
    store.beat(Heartbeat("host:1", datetime.now(UTC), {"last_stored_at_s": 1_700_000_000}, "has answered no receive"))
    ingestion.forget()

    for path in ("/login/", "/reports/1", "/pipeline/", "/no-such/"):
        page = client.get(path, headers=HTML).content.decode()
        assert "No report is being stored just now." in page, path
        assert "<time" not in page
        assert "no receive" not in page


def test_a_refusal_says_when_no_report_is_stored(client: Client) -> None:
    store.beat(Heartbeat("host:1", NOW - timedelta(hours=3), {}))
    ingestion.forget()

    refused = client.get("/pipeline/", headers=HTML)
    assert refused.status_code == 401
    assert b"No report is being stored." in refused.content


def test_the_figures_stay_under_a_backlog_with_the_time_to_drain_it(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "depth", lambda: queue.Depth(waiting=6000, in_flight=0, dead=0))
    seen_at = datetime.now(UTC) - timedelta(minutes=1)
    store.beat(Heartbeat("late:1", seen_at, {"stored_per_minute": 600, "lag_ms": 5}))
    page = staff.get("/pipeline/", headers=HTML).content.decode()
    assert "<b>?</b> reports stored in the last minute" in page
    assert "<b>?</b> from queue to store" in page
    assert "No other worker is working: start one." in page
    assert "The other workers" not in page

    figures = {"stored_per_minute": 600, "messages": 100, "stored": 190, "repeated": 10}
    store.beat(Heartbeat("good:1", datetime.now(UTC), figures))
    page = staff.get("/pipeline/", headers=HTML).content.decode()
    assert staff.get("/pipeline/").json()["drain_s"] == 1200
    assert "<b>20 min</b> until the backlog is stored" in page
    assert "The other workers receive its messages again." in page
