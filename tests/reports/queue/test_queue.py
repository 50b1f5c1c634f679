"""The queue on a real SQS: what is published arrives, what is set aside says why, what is deleted is gone."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from reports import queue
from reports.queue import Depth, QueueUnavailable, Rejected, requests
from reports.report import InvalidReport
from tests.support import fault_proxy as faults
from tests.support.fault_proxy import FaultProxy
from tests.support.kind import KIND
from tests.support.partial_answers import all_of_them, every, failed_entries
from tests.support.servers import eventually
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MIB = 1024 * 1024


@pytest.fixture
def raw(suffix: str) -> SQSClient:
    """SQS by the AWS SDK alone, as any device uses it."""
    return boto3.client("sqs")


@pytest.fixture
def proxy(suffix: str, proxy_to: Callable[[str], FaultProxy]) -> FaultProxy:
    return proxy_to("sqs")


def url(raw: SQSClient, name: str = "trash-level") -> str:
    return raw.get_queue_url(QueueName=queue.full_name(name))["QueueUrl"]


def messages(raw: SQSClient, name: str, count: int, hidden_s: int = 30) -> list[dict[str, Any]]:
    """Receive until there are that many."""
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        answer = raw.receive_message(
            QueueUrl=url(raw, name),
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            VisibilityTimeout=hidden_s,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        found.extend(answer.get("Messages", ()))  # type: ignore[arg-type]
        return len(found) >= count

    eventually(enough)
    assert len(found) == count
    return found


def deliveries(raw: SQSClient, count: int, hidden_s: int = 30) -> list[Delivery]:
    return [Delivery.received(url(raw), each) for each in messages(raw, "trash-level", count, hidden_s)]


def sent_at(count: int) -> list[str]:
    return [f'{{"can_id":{at},"level":5}}' for at in range(count)]


# -- publishing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 10, 11, 25])
def test_each_body_becomes_one_message_and_the_ids_are_in_order(count: int, raw: SQSClient) -> None:
    bodies = sent_at(count)
    ids = queue.publish(bodies)
    found = messages(raw, "trash-level", count)
    assert {each["MessageId"]: each["Body"] for each in found} == dict(zip(ids, bodies, strict=True))


def test_bodies_are_split_by_bytes_where_the_count_alone_would_be_refused(raw: SQSClient) -> None:
    bodies = ["é" * (200 * 1024) for _ in range(5)] + ["x" * MIB, "small"]
    ids = queue.publish(bodies)
    found = messages(raw, "trash-level", len(bodies))
    assert {each["MessageId"]: each["Body"] for each in found} == dict(zip(ids, bodies, strict=True))


def test_what_sqs_can_carry_arrives_as_it_was_sent(raw: SQSClient) -> None:
    bodies = [
        "🗑 Žižkov \U0010ffff\ue000\ufffd\ud7ff",
        "\t\r\n \x7f\x9f",
        '{"can_id":"\\u0000"}',
        "<script>&amp;",
        "  x  ",
    ]
    queue.publish(bodies)
    assert sorted(each["Body"] for each in messages(raw, "trash-level", len(bodies))) == sorted(bodies)


sized = st.builds(lambda size, wide: ("é" if wide else "x") * size, st.integers(1, MIB // 2), st.booleans())


@hypothesis_settings(deadline=None, max_examples=50)
@given(st.lists(sized | st.text(min_size=1, max_size=9), max_size=30))
def test_no_batch_is_larger_than_sqs_takes_and_none_is_split_without_need(bodies: list[str]) -> None:
    batches = list(requests.in_batches([{"MessageBody": body} for body in bodies]))
    assert [entry["MessageBody"] for batch in batches for entry in batch] == bodies
    for batch in batches:
        assert 1 <= len(batch) <= 10
        assert sum(len(entry["MessageBody"].encode()) for entry in batch) <= MIB
    for batch, following in pairwise(batches):
        left_bytes = MIB - sum(requests.size_bytes(entry) for entry in batch)
        assert len(batch) == 10 or requests.size_bytes(following[0]) > left_bytes


def test_entries_that_fail_are_sent_again_alone_and_the_ids_stay_in_order(proxy: FaultProxy, raw: SQSClient) -> None:
    proxy.inject(failed_entries(every(2)), "SendMessageBatch", times=2)
    proxy.inject(failed_entries(all_of_them), "SendMessageBatch", times=1)
    bodies = sent_at(25)
    ids = queue.publish(bodies)
    found = messages(raw, "trash-level", 25)
    assert {each["MessageId"]: each["Body"] for each in found} == dict(zip(ids, bodies, strict=True))


@pytest.mark.parametrize("sender_fault", [True, False])
def test_only_what_was_not_accepted_is_unsent(
    sender_fault: bool, proxy: FaultProxy, raw: SQSClient, impatient: None
) -> None:
    def refuse_some(call: faults.Call) -> faults.Reply:
        bodies = [each["MessageBody"] for each in call.request["Entries"]]
        refused = failed_entries(lambda at: "unwanted" in bodies[at], sender_fault=sender_fault)
        return refused(call)

    proxy.inject(refuse_some, "SendMessageBatch")
    bodies = [f"unwanted {at}" if at in (12, 17) else f"good {at}" for at in range(25)]
    with pytest.raises(QueueUnavailable) as caught:
        queue.publish(bodies)
    # The third batch was not tried any more.
    assert list(caught.value.unsent) == [bodies[12], bodies[17], *bodies[20:]]
    found = messages(raw, "trash-level", 18)
    assert sorted(each["Body"] for each in found) == sorted(set(bodies) - set(caught.value.unsent))


def test_while_sqs_does_not_answer_everything_is_unsent(proxy: FaultProxy, impatient: None) -> None:
    proxy.refuse()
    bodies = sent_at(12)
    with pytest.raises(QueueUnavailable) as caught:
        queue.publish(bodies)
    assert list(caught.value.unsent) == bodies
    for ask in (queue.ping, queue.depth, lambda: queue.flaws("x"), lambda: list(queue.provision())):
        with pytest.raises(QueueUnavailable):
            ask()


# -- dead letters ----------------------------------------------------------------------------------------


def rejected(text: str, index: int | None = None, field: str = "level", rule: str = "is required") -> Rejected:
    delivery = Delivery("url", "m-1", "first-1", "handle", "the whole body", 3, 1_795_512_600_123)
    return Rejected(InvalidReport(field, rule, text=text, index=index), delivery)


def facts(message: dict[str, Any]) -> dict[str, str]:
    attributes = message.get("MessageAttributes", {})
    assert len(attributes) <= 10
    return {name: each["StringValue"] for name, each in attributes.items()}


def test_a_letter_has_the_exact_text_the_reason_and_its_origin(raw: SQSClient) -> None:
    text = '{ "can_id" : "🗑", "level":\t"x" }'
    queue.quarantine([rejected(text, index=250)])
    (letter,) = messages(raw, "trash-level-dead", 1)
    assert letter["Body"] == text
    assert facts(letter) == {
        "reason": "invalid", "field": "level", "error": "is required", "message_id": "first-1", "index": "250",
        "sent_at_ms": "1795512600123", "receive_count": "3",
    }  # fmt: skip


def test_a_letter_of_a_whole_message_has_no_index(raw: SQSClient) -> None:
    queue.quarantine([rejected("not JSON", field="message", rule="must be JSON")])
    (letter,) = messages(raw, "trash-level-dead", 1)
    assert "index" not in facts(letter)
    assert facts(letter)["field"] == "message"


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("a\x00b", "a\\u0000b"),
        ("\x1b[31m\x08", "\\u001b[31m\\u0008"),
        ("\ud800", "\\ud800"),
        ("\ufffe\uffff", "\\ufffe\\uffff"),
        ("\x7f\x9f\ue000\U0010ffff", "\x7f\x9f\ue000\U0010ffff"),
        ("", " "),
    ],
)
def test_a_text_that_sqs_refuses_is_set_aside_all_the_same(text: str, carried: str, raw: SQSClient) -> None:
    queue.quarantine([rejected(text, field=text, rule=f"must not be {text}")])
    (letter,) = messages(raw, "trash-level-dead", 1)
    assert letter["Body"] == carried
    assert facts(letter).get("field", " ") == carried
    assert facts(letter)["error"] == f"must not be {carried.strip()}"


def test_the_attributes_of_a_letter_are_cut_to_256_characters(raw: SQSClient) -> None:
    queue.quarantine([rejected("x", field="f" * 5000, rule="é" * 5000)])
    (letter,) = messages(raw, "trash-level-dead", 1)
    assert facts(letter)["field"] == "f" * 256
    assert facts(letter)["error"] == "é" * 256


@pytest.mark.parametrize("text", ["x" * MIB, "🗑" * (MIB // 4), "x" * (MIB - 100), "x" * 600_000 + "é" * 224_288])
def test_a_text_that_leaves_no_room_for_the_reason_comes_in_two_parts(text: str, raw: SQSClient) -> None:
    queue.quarantine([rejected(text)])
    letters = sorted(messages(raw, "trash-level-dead", 2), key=lambda each: facts(each)["part"])
    assert "".join(each["Body"] for each in letters) == text
    (first, second) = (facts(each).pop("part").split() for each in letters)
    assert (first[0], second[0], first[1]) == ("1/2", "2/2", second[1])
    assert all(facts(each)["reason"] == "invalid" and facts(each)["message_id"] == "first-1" for each in letters)


def test_any_number_of_reports_is_set_aside(raw: SQSClient) -> None:
    queue.quarantine([])
    queue.quarantine([rejected(f"text {at}", index=at) for at in range(23)])
    letters = messages(raw, "trash-level-dead", 23)
    assert sorted((int(facts(each)["index"]), each["Body"]) for each in letters) == [
        (at, f"text {at}") for at in range(23)
    ]


def test_a_second_copy_of_a_letter_is_recognisable(raw: SQSClient) -> None:
    for _ in range(2):
        queue.quarantine([rejected("text", index=4)])
    one, other = messages(raw, "trash-level-dead", 2)
    assert (one["Body"], facts(one)) == (other["Body"], facts(other))


def test_what_could_not_be_set_aside_is_an_error(proxy: FaultProxy, impatient: None) -> None:
    proxy.inject(failed_entries(all_of_them), "SendMessageBatch")
    with pytest.raises(QueueUnavailable, match="did not accept 1 of 1"):
        queue.quarantine([rejected("text")])


# -- deleting --------------------------------------------------------------------------------------------


def test_what_is_deleted_is_gone_and_the_rest_is_not(raw: SQSClient) -> None:
    queue.publish(sent_at(25))
    received = deliveries(raw, 25)
    queue.delete(received[:23])
    assert eventually(lambda: queue.depth() == Depth(waiting=0, in_flight=2, dead=0))
    queue.delete([])


def test_a_stale_handle_does_no_harm_to_others(raw: SQSClient) -> None:
    queue.publish(["stale", "good"])
    first = deliveries(raw, 2, hidden_s=1)
    again = eventually(lambda: deliveries(raw, 2), 10)
    (good,) = (each for each in again if each.body == "good")
    (stale,) = (each for each in first if each.body == "stale")
    queue.delete([stale, good])
    # AWS may or may not take a stale handle; whoever received last holds the message, or it is gone.
    assert eventually(lambda: queue.depth().waiting == 0 and queue.depth().in_flight <= 1)
    queue.delete([each for each in again if each.body == "stale"])
    assert eventually(lambda: queue.depth() == Depth(0, 0, 0))
    queue.delete([stale, good])


def test_deletes_that_fail_are_tried_again(proxy: FaultProxy, raw: SQSClient) -> None:
    queue.publish(sent_at(10))
    received = deliveries(raw, 10)
    proxy.inject(failed_entries(every(3)), "DeleteMessageBatch", times=2)
    proxy.inject(faults.reset, "DeleteMessageBatch", times=1)
    queue.delete(received)
    assert queue.depth() == Depth(0, 0, 0)


@pytest.mark.parametrize(
    "fault",
    [
        failed_entries(all_of_them), failed_entries(all_of_them, "ReceiptHandleIsInvalid", sender_fault=True),
        faults.answer(200, "{}"), faults.answer(200, ""), faults.html, faults.reset, faults.never,
        faults.error("AWS.SimpleQueueService.NonExistentQueue"), faults.expired_token, faults.throttled,
    ],
)  # fmt: skip
def test_what_cannot_be_deleted_is_a_warning_and_comes_back(
    fault: faults.Fault, proxy: FaultProxy, raw: SQSClient, impatient: None, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    queue.publish(sent_at(3))
    received = deliveries(raw, 3, hidden_s=1)
    # One that has told nothing yet, whatever the tests before met.
    monkeypatch.setattr("reports.queue.messages._deleting", Outage("deleting messages"))
    with proxy.broken(fault, "DeleteMessageBatch"), caplog.at_level(logging.INFO):
        queue.delete(received)
    assert "come back" in caplog.text
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    queue.delete(deliveries(raw, 3))
    assert queue.depth() == Depth(0, 0, 0)


# -- depth, flaws, provisioning --------------------------------------------------------------------------


def test_the_depth_counts_messages_that_wait_are_in_flight_and_set_aside(raw: SQSClient) -> None:
    assert queue.depth() == Depth(0, 0, 0)
    queue.publish(sent_at(7))
    queue.quarantine([rejected("a"), rejected("b")])
    raw.receive_message(QueueUrl=url(raw), MaxNumberOfMessages=1)
    assert eventually(lambda: queue.depth() == Depth(waiting=6, in_flight=1, dead=2))
    queue.ping()


def test_messages_in_flight_are_counted_without_asking_the_dead_letter_queue(raw: SQSClient) -> None:
    queue.publish(sent_at(2))
    raw.receive_message(QueueUrl=url(raw), MaxNumberOfMessages=1)
    raw.delete_queue(QueueUrl=url(raw, "trash-level-dead"))

    assert eventually(lambda: queue.count_in_flight() == 1)


def attributes(raw: SQSClient, name: str) -> dict[str, str]:
    return dict(raw.get_queue_attributes(QueueUrl=url(raw, name), AttributeNames=["All"])["Attributes"])  # type: ignore[arg-type]


def test_the_queues_are_as_the_specification_says(suffix: str, raw: SQSClient) -> None:
    main, dead = attributes(raw, "trash-level"), attributes(raw, "trash-level-dead")
    assert (main["VisibilityTimeout"], main["ReceiveMessageWaitTimeSeconds"]) == ("30", "20")
    # ElasticMQ keeps messages for ever, and has no such attribute.
    assert int(main.get("MessageRetentionPeriod", 345_600)) == 4 * 24 * 3600
    assert int(dead.get("MessageRetentionPeriod", 1_209_600)) == 14 * 24 * 3600
    policy = json.loads(main["RedrivePolicy"])
    assert (int(policy["maxReceiveCount"]), policy["deadLetterTargetArn"]) == (20, dead["QueueArn"])
    assert main["QueueArn"].endswith(f":trash-level-{suffix}")
    assert queue.flaws(queue.full_name("trash-level")) == []


@pytest.mark.skipif(KIND == "java", reason="ElasticMQ has no retention, which so is set each time")
def test_provisioning_again_finds_the_queues_and_keeps_what_they_hold(suffix: str, raw: SQSClient) -> None:
    queue.publish(["kept"])
    assert list(queue.provision()) == [
        f"found queue {name}-{suffix}"
        for name in ("trash-level-dead", "trash-level", "trash-alerts-dead", "trash-alerts")
    ]
    assert [each["Body"] for each in messages(raw, "trash-level", 1)] == ["kept"]


def test_provisioning_corrects_attributes_that_were_changed(suffix: str, raw: SQSClient) -> None:
    policy = {**json.loads(attributes(raw, "trash-level")["RedrivePolicy"]), "maxReceiveCount": 3}
    raw.set_queue_attributes(
        QueueUrl=url(raw), Attributes={"VisibilityTimeout": "1800", "RedrivePolicy": json.dumps(policy)}
    )
    assert queue.flaws(queue.full_name("trash-level"))
    assert f"found queue trash-level-{suffix}, set its attributes" in list(queue.provision())
    assert attributes(raw, "trash-level")["VisibilityTimeout"] == "30"
    assert queue.flaws(queue.full_name("trash-level")) == []


def test_the_suffix_names_the_queues_as_the_lab_does(suffix: str, raw: SQSClient, settings: Settings) -> None:
    settings.TRASH_SUFFIX = "wra"
    list(queue.provision())
    assert raw.get_queue_url(QueueName="trash-level-wra")["QueueUrl"]
    assert queue.full_name("trash-level") == "trash-level-wra"
    settings.TRASH_SUFFIX = ""
    assert queue.full_name("trash-level") == "trash-level"


def test_a_missing_queue_is_a_flaw_with_the_next_step(suffix: str) -> None:
    (flaw,) = queue.flaws("nowhere")
    assert flaw == "queue nowhere does not exist: run `manage.py provision`"


@pytest.mark.parametrize("receives", [None, 1, 5, 9])
def test_a_queue_without_a_suitable_redrive_policy_is_refused(
    receives: int | None, suffix: str, raw: SQSClient
) -> None:
    name = f"flawed-{receives}-{suffix}"
    made = raw.create_queue(QueueName=name)["QueueUrl"]
    if receives:
        policy = {"deadLetterTargetArn": attributes(raw, "trash-level-dead")["QueueArn"], "maxReceiveCount": receives}
        raw.set_queue_attributes(QueueUrl=made, Attributes={"RedrivePolicy": json.dumps(policy)})
    (flaw,) = queue.flaws(name)
    assert flaw.startswith(f"queue {name} has no redrive policy with a maxReceiveCount of at least 10")
    assert flaw.endswith("run `manage.py provision`")


def test_a_queue_that_was_made_anew_is_found_again(suffix: str, raw: SQSClient) -> None:
    queue.publish(["before"])
    raw.delete_queue(QueueUrl=url(raw))
    with pytest.raises(QueueUnavailable):
        queue.publish(["lost"])
    with pytest.raises(QueueUnavailable):
        queue.ping()
    list(queue.provision())
    queue.publish(["after"])
    assert [each["Body"] for each in messages(raw, "trash-level", 1)] == ["after"]


def test_provision_says_what_to_do_where_aws_does_not_answer(proxy: FaultProxy, impatient: None) -> None:
    proxy.refuse()
    with pytest.raises(CommandError, match="AWS_REGION"):
        call_command("provision")
