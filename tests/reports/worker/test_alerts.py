"""Alerts on the way: a change is told before its message is deleted, delivered once, or set aside with its reason."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import trustme
from celery.exceptions import Reject
from django.core import mail
from django.core.management import call_command
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings
from standardwebhooks import Webhook

from reports import publishing, queue, store
from reports.alert_rules import AlertRule
from reports.alert_tasks import deliver_alerts
from reports.insight.alert_rule import Channel
from reports.insight.change import Change, from_text
from reports.insight.status import Status
from reports.models import Can
from reports.pending_entries import note_change
from reports.queue import LetterKind, QueueUnavailable, received_letters
from reports.queue.provisioning import MAX_RECEIVES_ALERTS
from reports.store import Claim, Swept, behind, rows, walking
from reports.tasks import store_messages
from reports.worker import register
from reports.worker.alerts import channels, delivery, rules, sweeper, telling
from tests.support.kind import KIND
from tests.support.mail_server import PASSWORD, USER, mail_server
from tests.support.servers import eventually
from tests.support.webhook_receiver import Receiver, receiver
from trashsite import aws, sns
from trashsite.sqs.delivery import Delivery

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

runs = itertools.count()


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> None:
    """A worker that has just started, where webhooks may lead to this machine."""
    settings.TRASH_PRIVATE_WEBHOOKS = True
    for module in (rules, telling, delivery):
        module.forget()
    while received():
        pass


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def rule(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, hook: Receiver
) -> Iterator[Callable[..., AlertRule]]:
    """Make a rule as an operator does, and have workers know it."""

    def make(**fields: Any) -> AlertRule:
        told = {"channel": Channel.WEBHOOK, "address": hook.url, "statuses": "FULL", "pause_minutes": 0, **fields}
        told.setdefault("tells_from", datetime.now(UTC) - timedelta(days=2))
        # Of its own: what earlier rules have sent is in the table still.
        made = AlertRule(pk=(number := next(runs)) + 1, name=f"rule {number}", **told)
        made.clean()
        with django_capture_on_commit_callbacks(execute=True):
            made.save()
        register.forget_versions()
        return made

    yield make
    with django_capture_on_commit_callbacks(execute=True):
        for each in AlertRule.objects.all():
            each.delete()
    register.forget_versions()


def received(name: str = queue.ALERTS) -> list[Delivery]:
    """What waits in a queue of alerts, received and left there until it is deleted."""
    sqs: Any = boto3.client("sqs")
    url = queue.url_of(name)
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageSystemAttributeNames=["All"]
    )
    found = [Delivery.received(url, each, is_ours=False) for each in answer.get("Messages", [])]
    for each in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=each.receipt_handle)
    return found


def report(can_id: str, level: str, minute: int = 0) -> Delivery:
    """A message of a device, as the transport gives it."""
    at = (datetime.now(UTC) - timedelta(hours=1) + timedelta(minutes=minute)).isoformat()
    body = json.dumps({"can_id": can_id, "level": level, "measured_at": at})
    return Delivery(queue.url_of(queue.REPORTS), "m", "m", "none", body, 1, int(datetime.now(UTC).timestamp() * 1000))


def stored(*deliveries: Delivery) -> None:
    """What the worker's task does with them."""
    store_messages(deliveries)


def changes(messages: list[Delivery]) -> list[tuple[Status, Status]]:
    found = [from_text(each.body) for each in messages]
    return [(each.before, each.status) for each in found]


def delivered(change: Change, *, minutes_later: float = 0, sent_hours_ago: float = 0) -> store.Alert:
    """What became of an alert's message when it was received once."""
    now = datetime.now(UTC) + timedelta(minutes=minutes_later)
    sent_ms = int((now - timedelta(hours=sent_hours_ago)).timestamp() * 1000)
    message = Delivery(queue.url_of(queue.ALERTS), "m", "m", "none", change.text(), 1, sent_ms)
    if minutes_later:
        delivery.deliver([message], now)
    else:
        # As the transport does.
        deliver_alerts([message])
    return store.open_alert(change, now)


def a_change(status: Status = Status.FULL) -> Change:
    at = int(datetime.now(UTC).timestamp())
    return Change(f"told-{next(runs)}", Status.OK, status, at, 7, "paper", "81.5", "At 81.5 %.")


def states(alert: store.Alert) -> list[str]:
    return [result.state for result in alert.results.values()]


# -- from a report to the queue ----------------------------------------------------------------------------------------


def test_a_change_is_queued_once_and_what_changes_nothing_is_not(rule: Callable[..., AlertRule]) -> None:
    rule(statuses="FULL,NEW")
    can_id = f"once-{next(runs)}"
    for minute, level in enumerate(["10", "11", "85", "86", "78", "20"]):
        stored(report(can_id, level, minute))

    told = received()
    assert changes(told) == [(Status.NEVER_REPORTED, Status.NEW), (Status.NEW, Status.FULL), (Status.FULL, Status.NEW)]
    assert [from_text(each.body).reason for each in told][1].startswith("At 85 %")


def test_without_a_rule_nothing_is_compared_and_the_row_keeps_nothing() -> None:
    assert rules.watch() is None
    stored(report(can_id := f"plain-{next(runs)}", "95"))

    item = boto3.client("dynamodb").get_item(
        TableName=queue.full_name(store.LEVELS), Key={"id": {"S": can_id}}, ConsistentRead=True
    )["Item"]
    assert "told" not in item
    assert received() == []


def test_a_worker_that_dies_between_row_and_alert_has_it_told_by_the_next_under_the_same_id(
    rule: Callable[..., AlertRule], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    can_id = f"dies-{next(runs)}"
    full = report(can_id, "90")

    class Died(BaseException):
        pass

    def dies(_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(telling, "tell", dies)
        with pytest.raises(Died):
            stored(full)
    assert received() == []
    # Another worker stores what came after it, and says nothing of the change that it did not make.
    stored(report(can_id, "91", 1))
    assert received() == []
    stored(full)
    first = received()
    telling.forget()
    stored(full)
    again = received()

    assert changes(first) == [(Status.NEVER_REPORTED, Status.FULL)]
    assert from_text(first[0].body).id == from_text(again[0].body).id


def test_a_message_is_kept_while_its_alert_cannot_be_queued(
    rule: Callable[..., AlertRule], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    deleted: list[object] = []
    monkeypatch.setattr(queue, "delete", deleted.extend)

    def refused(_: object) -> None:
        raise queue.QueueUnavailable("trash-alerts does not answer")

    monkeypatch.setattr(queue, "publish_alerts", refused)
    with pytest.raises(Exception, match="trash-alerts does not answer"):
        stored(report(f"kept-{next(runs)}", "90"))

    assert deleted == []


def test_what_was_measured_long_ago_is_no_news(rule: Callable[..., AlertRule]) -> None:
    rule()
    stored(report(f"past-{next(runs)}", "90", -60 * 30))

    assert received() == []


def test_a_threshold_that_is_entered_tells_of_what_it_changes(
    rule: Callable[..., AlertRule], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    rule()
    can_id = f"entered-{next(runs)}"
    stored(report(can_id, "70"))
    assert received() == []
    with django_capture_on_commit_callbacks(execute=True):
        Can(can_id=can_id, full_from=60).save()

    first = received()
    assert changes(first) == [(Status.NEW, Status.FULL)]
    # A process that dies before the note of the entry is removed has it told again, under the same id.
    note_change("can", [can_id])
    publishing.publish_noted()
    assert [from_text(each.body).id for each in received()] == [from_text(first[0].body).id]


def test_what_late_reports_change_is_told_also_where_the_worker_dies_before_it_tells(
    rule: Callable[..., AlertRule], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind, "_behind", {})
    monkeypatch.setattr(rows, "CATCH_UPS", 0)
    rule()
    can_id = f"late-{next(runs)}"
    # Below the threshold by less than the hysteresis: it is full only where it was.
    stored(report(can_id, "77", 1))
    stored(report(can_id, "85"))

    def catch_up(tell: Callable[[Sequence[Change]], bool]) -> int:
        return store.catch_up_some(datetime.now(UTC) + timedelta(minutes=2), 30, rules.watch, tell)

    assert received() == []
    assert catch_up(lambda _: False) == 0
    found: list[Change] = []
    assert catch_up(lambda changes: not found.extend(changes)) == 1
    assert [(each.before, each.status) for each in found] == [(Status.NEW, Status.FULL)]
    assert catch_up(telling.is_told) == 0


def test_silence_is_told_by_one_worker_once_it_is_so(
    rule: Callable[..., AlertRule],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rule(statuses="SILENT")
    monkeypatch.setattr(sweeper, "PACE", 1e6)
    silent, gone, heard = (f"{name}-{next(runs)}" for name in ("silent", "gone", "heard"))
    stored(*(report(can_id, "20", 60 - 24 * 60 - 1) for can_id in (silent, gone)), report(heard, "20"))
    now = datetime.now(UTC)
    with django_capture_on_commit_callbacks(execute=True):
        Can(can_id=gone, retired_at=now).save()
    other = Claim(sweeper.NAME)
    assert other.take(now)
    store.note_swept(Swept(now.timestamp() - 300))
    assert not sweeper.sweep(Claim(sweeper.NAME), Event())
    other.give_back()

    # A worker that stops leaves its position to the next one.
    monkeypatch.setattr(walking, "ROWS", sum(len(stretch.cans) for stretch in store.walk()) // 2 + 1)
    stopping = Event()
    stopping.set()
    assert not sweeper.sweep(Claim(sweeper.NAME), stopping)
    assert any(sweeper.sweep(Claim(sweeper.NAME), stopping) for _ in range(4))
    assert not sweeper.sweep(Claim(sweeper.NAME), stopping)
    told = [from_text(each.body) for each in received()]
    assert [(each.can_id, each.before) for each in told if each.can_id in (silent, gone, heard)] == [
        (silent, Status.NEW)
    ]


# -- from the queue to whoever is to know ------------------------------------------------------------------------------


def test_a_webhook_gets_each_alert_once_signed_as_standard_webhooks_says(
    rule: Callable[..., AlertRule], hook: Receiver
) -> None:
    made = rule()
    change = a_change()
    delivered(change)
    alert = delivered(change)

    ((headers, body),) = hook.got
    assert Webhook(made.secret).verify(body, headers) == json.loads(body)
    assert headers["webhook-id"] == change.id
    assert json.loads(body)["data"] | {"since": ""} == {
        "id": change.id, "can_id": change.can_id, "status": "FULL", "before": "OK", "since": "",
        "level": "81.5", "stream": "paper", "reason": "At 81.5 %.",
    }  # fmt: skip
    assert states(alert) == ["delivered"]


def test_a_webhook_that_fails_rests_and_gets_it_later_or_never_with_the_reason(
    rule: Callable[..., AlertRule], hook: Receiver
) -> None:
    rule()
    hook.status = 500
    first, second = a_change(), a_change()
    assert states(delivered(first)) == ["waiting"]
    # It has just failed: another alert does not try it at all, and waits.
    assert states(delivered(second)) == []
    delivery.forget()
    hook.status = 204
    assert states(delivered(first, minutes_later=1)) == ["delivered"]
    assert [told["id"] for told in hook.told] == [first.id]

    hook.status = 500
    alert = delivered(second, sent_hours_ago=13)
    assert [(each.state, each.reason) for each in alert.results.values()] == [("failed", "it answered 500")]
    (letter,) = received(queue.DEAD_ALERTS)
    assert from_text(letter.body) == second


def test_what_was_set_aside_is_told_again_by_the_rule_that_had_failed(
    rule: Callable[..., AlertRule], hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received_letters, "WAIT_S", 0)
    first, second = rule(), rule()
    hook.status = 410
    change = a_change()
    assert states(delivered(change)) == ["failed", "failed"]
    letters = queue.sample_letters(LetterKind.ALERTS, release=True)
    assert {(each.reason, each.field, each.error) for each in letters} == {
        ("failed", first.name, "it answered 410"), ("failed", second.name, "it answered 410"),
    }  # fmt: skip

    def sent_back() -> dict[str, str]:
        """By rule, what became of the alert when it was sent back once."""
        call_command("redrive", "--alerts", "--reason", first.name)
        delivery.forget()
        (message,) = received()
        deliver_alerts([message])
        # Received once more, it changes nothing.
        deliver_alerts([message])
        return {each.rule: each.state for each in store.open_alert(change, datetime.now(UTC)).results.values()}

    assert sent_back() == {first.name: "failed", second.name: "failed"}
    assert queue.count_dead_letters(LetterKind.ALERTS) == 2
    hook.status = 204
    assert sent_back() == {first.name: "delivered", second.name: "failed"}
    assert [told["id"] for told in hook.told] == [change.id]
    (left,) = queue.sample_letters(LetterKind.ALERTS, release=True)
    assert left.field == second.name
    received(queue.DEAD_ALERTS)


def test_an_alert_that_cannot_be_set_aside_is_not_noted_as_failed(
    rule: Callable[..., AlertRule], hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    hook.status = 410
    change = a_change()

    def unavailable(*_: object) -> None:
        raise QueueUnavailable("SQS is away")

    with monkeypatch.context() as patch:
        patch.setattr("reports.queue.alerts.send_batch", unavailable)
        with pytest.raises(Reject):
            delivered(change)
    delivery.forget()
    assert states(delivered(change)) == ["failed"]
    assert len(received(queue.DEAD_ALERTS)) == 1


def test_an_alert_that_waited_for_hours_is_tried_for_as_long_as_any_other(
    rule: Callable[..., AlertRule], hook: Receiver
) -> None:
    now = datetime.now(UTC)
    rule(quiet_from=(now - timedelta(hours=14)).time(), quiet_until=(now - timedelta(minutes=1)).time())
    hook.status = 500
    assert states(delivered(a_change(), sent_hours_ago=13)) == ["waiting"]

    rule(statuses="SILENT")
    first, second = a_change(Status.SILENT), a_change(Status.SILENT)
    assert states(delivered(first, sent_hours_ago=13)) == ["failed"]
    # Nobody has tried this one yet, and its receiver has just failed.
    assert states(delivered(second, sent_hours_ago=13)) == []
    received(queue.DEAD_ALERTS)


def test_a_message_begins_no_further_rule_once_it_has_taken_long(
    rule: Callable[..., AlertRule], hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(), rule()
    now_s, send = [0.0], channels.send
    monkeypatch.setattr(delivery, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    def slowly(*sent: Any) -> None:
        now_s[0] += delivery.BATCH_S + 1
        send(*sent)

    monkeypatch.setattr(channels, "send", slowly)
    change = a_change()
    assert states(delivered(change)) == ["delivered"]
    assert states(delivered(change)) == ["delivered", "delivered"]
    assert len(hook.got) == 2


def test_a_message_begins_no_further_rule_once_the_worker_stops(
    rule: Callable[..., AlertRule], hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(), rule()
    change = a_change()
    with monkeypatch.context() as patch:
        patch.setattr(aws.stopping, "lasts_s", lambda: float(len(hook.got)))
        assert states(delivered(change)) == ["delivered"]
    assert states(delivered(change)) == ["delivered", "delivered"]
    assert len(hook.got) == 2


def test_an_alert_whose_rules_all_hang_is_tried_for_twelve_hours_within_its_receives(
    rule: Callable[..., AlertRule], hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    hook.status = 500
    waits: list[int] = []
    monkeypatch.setattr(queue, "postpone", lambda deliveries, wait_s: waits.append(wait_s(deliveries[0])))
    now, body = datetime.now(UTC), a_change().text()
    for count in (1, delivery.MANY_RECEIVES + 1):
        sent_ms = int(now.timestamp() * 1000)
        delivery.deliver([Delivery(queue.url_of(queue.ALERTS), "m", "m", "none", body, count, sent_ms)], now)
    assert waits[0] < delivery.LATER_S <= waits[1]
    received_most = delivery.MANY_RECEIVES + delivery.TRIED_FOR / timedelta(seconds=delivery.LATER_S)
    assert received_most < MAX_RECEIVES_ALERTS


def test_a_redirect_is_not_followed_and_410_is_the_end(rule: Callable[..., AlertRule], hook: Receiver) -> None:
    rule()
    hook.status, hook.location = 302, hook.url
    alert = delivered(a_change())
    assert [each.reason for each in alert.results.values()] == ["it answered 302"]

    delivery.forget()
    hook.status, hook.location = 410, ""
    assert states(delivered(a_change())) == ["failed"]
    assert len(received(queue.DEAD_ALERTS)) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0"])
def test_a_private_address_is_refused_whatever_it_is_called(
    host: str, rule: Callable[..., AlertRule], hook: Receiver, settings: Settings
) -> None:
    rule(address=hook.url.replace("127.0.0.1", host).replace("http:", "https:"))
    settings.TRASH_PRIVATE_WEBHOOKS = False
    (result,) = delivered(a_change()).results.values()

    assert result.state == "failed"
    assert "private address" in result.reason
    assert hook.got == []
    received(queue.DEAD_ALERTS)


@pytest.mark.skipif(KIND == "java", reason="ElasticMQ is no stand-in for SNS")
def test_mail_and_sns_tell_the_same_and_what_comes_again_has_its_id(
    rule: Callable[..., AlertRule], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TRASH_SMTP = "smtp://localhost:1025"
    topic: Any = boto3.client("sns").create_topic(Name="trash-alerts")["TopicArn"]
    inbox: Any = boto3.client("sqs").create_queue(QueueName=f"inbox-{next(runs)}")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    settings.TRASH_ALERT_TOPIC = topic
    sns.forget()
    rule(channel=Channel.EMAIL, address="ada@example.org, bo@example.org")
    rule(channel=Channel.SNS, address="")
    change = a_change()

    note_result = store.note_result

    def away_after_sns(key: str, rule_id: str, result: store.Result) -> None:
        if result.channel == Channel.SNS:
            raise store.StoreUnavailable("DynamoDB is away")
        note_result(key, rule_id, result)

    # SNS has taken it, and nobody notes that: so it comes again.
    with monkeypatch.context() as patch, pytest.raises(Reject):
        patch.setattr(store, "note_result", away_after_sns)
        delivered(change)
    assert states(delivered(change)) == ["delivered", "delivered"]
    assert states(delivered(change)) == ["delivered", "delivered"]

    (message,) = mail.outbox
    assert message.to == ["ada@example.org", "bo@example.org"]
    assert message.subject == f"{change.can_id}: FULL"
    notes = list[Any]()
    while found := boto3.client("sqs").receive_message(QueueUrl=inbox).get("Messages"):
        notes += [json.loads(each["Body"]) for each in found]
    assert {each["TopicArn"] for each in notes} == {topic}
    assert [json.loads(each["Message"])["data"] for each in notes] == [change.told()] * len(notes)
    said = {name: value["Value"] for name, value in notes[0]["MessageAttributes"].items()}
    assert said == {"id": change.id, "status": "FULL", "stream": "paper"}
    assert len(notes) == 2


def test_mail_goes_by_a_real_server_and_every_try_has_one_id(
    rule: Callable[..., AlertRule], settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, bundle = trustme.CA(), tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.EMAIL_PORT = free.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.TRASH_SMTP, settings.EMAIL_HOST, settings.EMAIL_USE_TLS = "smtp://localhost", "localhost", True
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = USER.decode(), PASSWORD.decode()
    settings.EMAIL_TIMEOUT = 20
    rule(channel=Channel.EMAIL, address="ada@example.org, bo@example.org")
    change = a_change()

    def tried() -> tuple[str, str]:
        """What became of one more try, and why."""
        delivery.forget()
        (result,) = delivered(change).results.values()
        return result.state, result.reason

    state, reason = tried()
    assert (state, "refused" in reason) == ("waiting", True)
    with mail_server(context, settings.EMAIL_PORT) as server:
        state, reason = tried()
        assert (state, "CERTIFICATE_VERIFY_FAILED" in reason) == ("waiting", True)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        server.refusal = "451 try later"
        state, reason = tried()
        assert (state, "451" in reason, server.got) == ("waiting", True, [])
        server.refusal, server.hangs, settings.EMAIL_TIMEOUT = "", True, 1
        # It takes the mail, and is too slow to say so.
        eventually(lambda: tried()[0] == "waiting" and server.got, 30)
        server.released.set()
        server.hangs, settings.EMAIL_TIMEOUT = False, 20
        eventually(lambda: tried()[0] == "delivered", 30)
        assert tried()[0] == "delivered"

    assert len(server.got) >= 2
    assert {message["Message-ID"] for _, message in server.got} == {server.got[0][1]["Message-ID"]}
    recipients, message = server.got[-1]
    assert recipients == ["ada@example.org", "bo@example.org"]
    assert message["Message-ID"].startswith(f"<{change.id}.")
    assert message["Subject"] == f"{change.can_id}: FULL"


def test_a_pause_an_hour_and_quiet_hours_bound_what_is_told(rule: Callable[..., AlertRule], hook: Receiver) -> None:
    change = a_change()
    now = datetime.now(UTC)
    quiet = {"quiet_from": (now - timedelta(hours=1)).time(), "quiet_until": (now + timedelta(hours=1)).time()}
    rule(pause_minutes=60)
    rule(most_an_hour=1, statuses="FULL,SILENT")
    rule(**quiet)
    later = Change(change.can_id, Status.OK, Status.FULL, change.at, 9)
    paused, at_most, *_ = [each.pk for each in AlertRule.objects.order_by("pk")]

    first, second = delivered(change), delivered(later)

    assert {id_: each.state for id_, each in first.results.items()} == {
        str(paused): "delivered", str(at_most): "delivered",
    }  # fmt: skip
    assert {id_: each.state for id_, each in second.results.items()} == {str(paused): "skipped", str(at_most): "failed"}
    # The quiet hours are over.
    third = delivered(change, minutes_later=121)
    assert [each.state for each in third.results.values()] == ["delivered", "delivered", "delivered"]
    received(queue.DEAD_ALERTS)


@pytest.mark.parametrize(
    "body", ['{"can_id": 7, "status": "FULL"}', Change("before-christ", Status.OK, Status.FULL, -(1 << 36)).text()]
)
def test_what_is_no_alert_is_set_aside(body: str) -> None:
    delivery.deliver([Delivery(queue.url_of(queue.ALERTS), "m", "m", "none", body, 1, 0)], datetime.now(UTC))

    (letter,) = received(queue.DEAD_ALERTS)
    assert letter.body == body
