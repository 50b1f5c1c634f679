"""Which messages are obeyed as Celery calls: those of one task, as any producer sends them, and nothing else."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from celery import Celery, chain, chord, group
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kombu import Connection, Producer
from kombu.transport.SQS import Transport as StockTransport
from pytest_django.fixtures import Settings

from reports import tasks
from trashsite import celery_app
from trashsite.sqs.delivery import ANY_SENDER, Delivery
from trashsite.sqs.envelope import unpacked
from trashsite.sqs.origin import Origin, RedriveKeyMissing

CALL = "reports.record_reports"
REPORTS = [{"can_id": "432", "level": "70.69237046207665"}, {"can_id": 7, "level": 1.5}]


def delivery(body: str) -> Delivery:
    return Delivery("url", "id", "id", "handle", body, 1, 0)


def judged(body: str) -> Delivery:
    """What becomes of a body; everything else of the message stays."""
    result = unpacked(delivery(body), CALL)
    assert (result.queue_url, result.message_id, result.receipt_handle) == ("url", "id", "handle")
    return result


def is_device_text(body: str) -> bool:
    return judged(body) == delivery(body)


def is_poison(body: str, why: str = "") -> bool:
    result = judged(body)
    assert why in result.why_unreadable, result.why_unreadable
    return bool(result.why_unreadable) and result.body == body


# -- what a stock producer sends -------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["base64", "plain"])
def send(request: pytest.FixtureRequest, suffix: str, aws_environment: dict[str, str]) -> Callable[..., str]:
    """Call a task by Celery and kombu as they come, and return the body that arrives at the queue."""
    sqs = boto3.client("sqs")
    queue = f"trash-level-{suffix}"
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    app = stock_app(queue, aws_environment["AWS_ENDPOINT_URL_SQS"], sqs_base64_encoding=request.param)

    def sent(send_by: Callable[[Celery], object]) -> str:
        send_by(app)
        (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message["Body"]

    return sent


def stock_app(queue: str, endpoint: str, **options: object) -> Celery:
    app = Celery("a producer", broker=f"sqs://local:local@{urlsplit(endpoint).netloc}//", set_as_current=False)
    app.conf.update(
        broker_transport=StockTransport,
        broker_transport_options={"region": "us-west-1", "is_secure": False, "wait_time_seconds": 1, **options},
        task_default_queue=queue,
        task_ignore_result=True,
    )
    return app


def by_place(app: Celery) -> None:
    app.send_task(CALL, args=[REPORTS])


def by_name(app: Celery) -> None:
    app.send_task(CALL, kwargs={"reports": REPORTS})


def in_a_group(app: Celery) -> None:
    group([app.signature(CALL, args=[REPORTS])], app=app).apply_async()


@pytest.mark.parametrize("how", [by_place, by_name, in_a_group])
def test_a_call_by_any_celery_producer_is_unpacked_into_its_reports(
    how: Callable[[Celery], None], send: Callable[..., str]
) -> None:
    result = judged(send(how))
    assert result.why_unreadable == ""
    assert json.loads(result.body) == REPORTS


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (lambda app: app.send_task(CALL, args=[REPORTS], countdown=60), "must not carry eta"),
        (lambda app: app.send_task(CALL, args=[REPORTS], expires=60), "must not carry expires"),
        (lambda app: app.send_task(CALL, args=[REPORTS], link=app.signature("x.y")), "must not carry callbacks"),
        (lambda app: app.send_task(CALL, args=[REPORTS], link_error=app.signature("x.y")), "must not carry errbacks"),
        (
            lambda app: chain(app.signature(CALL, args=[REPORTS]), app.signature("x.y"), app=app).apply_async(),
            "must not carry chain",
        ),
        (lambda app: app.send_task(CALL, args=[REPORTS], compression="zlib"), "plain, uncompressed JSON"),
        (lambda app: app.send_task(CALL, args=[REPORTS], serializer="yaml"), "plain, uncompressed JSON"),
        (lambda app: app.send_task(CALL), "takes one argument"),
        (lambda app: app.send_task(CALL, args=[REPORTS, 1]), "takes one argument"),
        (lambda app: app.send_task(CALL, args=[REPORTS[0]]), "takes one argument"),
        (lambda app: app.send_task(CALL, args=[REPORTS], kwargs={"reports": REPORTS}), "takes one argument"),
        (lambda app: app.send_task(CALL, kwargs={"reports": REPORTS, "more": 1}), "takes one argument"),
    ],
)
def test_a_call_that_asks_for_more_than_to_be_run_once_is_set_aside(
    how: Callable[[Celery], None], why: str, send: Callable[..., str]
) -> None:
    assert is_poison(send(how), why)


def test_a_call_for_the_header_of_a_chord_is_set_aside(send: Callable[..., str]) -> None:
    def in_a_chord(app: Celery) -> None:
        app.conf.update(result_backend="cache+memory://")
        chord([app.signature(CALL, args=[REPORTS])], app=app)(app.signature("x.y"))

    assert is_poison(send(in_a_chord), "must not carry chord")


def test_a_pickled_call_is_set_aside_and_never_opened(send: Callable[..., str], tmp_path: Any) -> None:
    marker = tmp_path / "opened"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (marker.touch, ())

    def publish(app: Celery) -> None:
        with Connection(
            app.conf.broker_url, transport=StockTransport, transport_options=app.conf.broker_transport_options
        ) as connection:
            Producer(connection).publish(
                pickle.dumps([[Bomb()], {}, {}]),
                routing_key=app.conf.task_default_queue,
                headers={"task": CALL, "id": "1"},
                content_type="application/x-python-serialize",
                content_encoding="binary",
            )

    assert is_poison(send(publish), "plain, uncompressed JSON")
    assert not marker.exists()


@pytest.mark.parametrize("name", sorted(celery_app.tasks.keys() | {"celery.ping", "x.y", "os.system"}))
def test_no_other_task_can_be_called(name: str) -> None:
    if name == CALL:
        return
    body = envelope(headers={"task": name, "id": "1"})
    assert is_device_text(body)
    assert is_device_text(base64.b64encode(body.encode()).decode())
    # Not even with our name elsewhere in it.
    for hidden in (
        envelope(headers={"task": name, "id": "1", "shadow": CALL}),
        envelope(headers={"task": name, "id": CALL}),
        envelope(args=[[{"task": CALL}]], headers={"task": name, "id": "1"}),
    ):
        assert is_device_text(hidden)


def test_the_internal_task_is_among_those_that_no_message_can_call() -> None:
    assert tasks.store_messages.name in celery_app.tasks
    assert is_device_text(envelope(headers={"task": tasks.store_messages.name, "id": "1"}))


# -- envelopes by hand -----------------------------------------------------------------------------------


def envelope(
    args: object = (REPORTS,), kwargs: object = None, embed: object = None, *, body: object = None, **changed: object
) -> str:
    """A message of protocol 2, as Celery's documentation describes it."""
    plain = json.dumps([args, {} if kwargs is None else kwargs, {"chain": None} if embed is None else embed])
    whole = {
        "body": plain if body is None else body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": CALL, "id": "1", "eta": None, "expires": None},
        "properties": {"delivery_info": {}, "delivery_tag": "1"},
        **changed,
    }
    return json.dumps({name: value for name, value in whole.items() if value is not ...})


def test_the_digits_of_a_call_are_those_that_were_sent() -> None:
    sent = '[{"can_id":1, "level":1.50000000000000000001,"big":' + "9" * 5000 + "}]"
    for body in (f'[[{sent}],{{}},{{"chain":null}}]', f'[[],{{"reports":{sent}}},{{}}]'):
        assert judged(envelope(body=body)).body == sent
        encoded = base64.b64encode(body.encode()).decode()
        assert judged(envelope(body=encoded, properties={"body_encoding": "base64"})).body == sent


@pytest.mark.parametrize("name", ["eta", "expires", "stamps"])
@pytest.mark.parametrize("value", ["2026-11-24T09:30:00Z", 1, [1], {"a": "b"}, True])
def test_no_header_may_put_a_call_off(name: str, value: object) -> None:
    assert is_poison(envelope(headers={"task": CALL, name: value}), f"must not carry {name}")


@pytest.mark.parametrize("name", ["callbacks", "errbacks", "chain", "chord"])
@pytest.mark.parametrize("value", [[{"task": "x.y"}], {"task": "x.y"}, "x.y", 1])
def test_no_call_may_bring_other_calls_along(name: str, value: object) -> None:
    assert is_poison(envelope(embed={name: value}), f"must not carry {name}")


def test_nothing_can_be_brought_along_behind_a_second_member_of_one_name() -> None:
    good = json.dumps(REPORTS)
    for embed in ('{"chain":[{"task":"x.y"}],"chain":null}', '{"chain":null,"chain":[{"task":"x.y"}]}'):
        assert is_poison(envelope(body=f"[[{good}],{{}},{embed}]"), "each name in them once")
    assert is_poison(envelope(body=f'[[],{{"reports":{good},"reports":{good}}},{{}}]'), "each name in them once")
    assert is_poison(envelope(body=f'[[{good}],{{"reports":1,"reports":2}},{{}}]'), "each name in them once")


@pytest.mark.parametrize(
    "changed",
    [
        {"content-type": "application/x-python-serialize"}, {"content-type": "application/x-yaml"},
        {"content-type": None}, {"content-type": ...}, {"content-type": 7},
        {"headers": {"task": CALL, "compression": "application/x-gzip"}},
        {"body": 7}, {"body": {"args": []}}, {"body": [[REPORTS], {}, {}]}, {"body": ...}, {"body": ""},
        {"body": "not JSON"}, {"body": "[" * 200_000}, {"body": "[1,2]"}, {"body": "[[],{},{},{}]"}, {"body": "null"},
        {"body": '[[[]],{},{}]x'}, {"body": '["x",{},{}]'}, {"body": "[[[]],[],{}]"}, {"body": "[[[]],{},[]]"},
        {"body": "[[[]],{},null]"}, {"body": "[NaN,{},{}]"}, {"body": "[[7],{},{}]"}, {"body": '[["[]"],{},{}]'},
        {"body": "[[],{},{}]"}, {"body": "[[null],{},{}]"},
        {"body": "é", "properties": {"body_encoding": "base64"}},
        {"body": "====", "properties": {"body_encoding": "base64"}},
        {"body": base64.b64encode(b"\xff\xfe").decode(), "properties": {"body_encoding": "base64"}},
        {"body": base64.b64encode(zlib.compress(b"[[[]],{},{}]")).decode(), "properties": {"body_encoding": "base64"}},
        {"body": base64.b64encode(pickle.dumps([[[]], {}, {}])).decode(), "properties": {"body_encoding": "base64"}},
    ],
)  # fmt: skip
def test_a_call_of_ours_that_cannot_be_read_is_poison_and_keeps_its_body(changed: dict[str, Any]) -> None:
    assert is_poison(envelope(**changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": None}, {"headers": []}, {"headers": [CALL]}, {"headers": ...}, {"headers": CALL}, {"headers": {}},
        {"headers": {"task": [CALL]}}, {"headers": {"task": {"name": CALL}}}, {"headers": {"task": None}},
        {"headers": {"task": CALL + " "}}, {"headers": {"task": CALL.upper()}}, {"headers": {"task": f"x.{CALL}"}},
        {"headers": {"Task": CALL}},
    ],
)  # fmt: skip
def test_an_envelope_that_does_not_name_the_task_is_device_text(changed: dict[str, Any]) -> None:
    assert is_device_text(envelope(**changed))


@pytest.mark.parametrize("properties", [None, 7, "x", [], {}, ..., {"delivery_info": "x"}, {"body_encoding": "hex"}])
def test_a_call_whose_properties_are_odd_is_read_all_the_same(properties: object) -> None:
    assert json.loads(judged(envelope(properties=properties)).body) == REPORTS


@pytest.mark.parametrize(
    "body",
    [
        '{"can_id":"432","level":"70.69237046207665"}',
        '{"type":"Feature","can_id":"1","level":5,"properties":{"delivery_tag":"1","task":"reports.record_reports"}}',
        '{"task":"reports.record_reports","id":"1","args":[[]],"kwargs":{}}',
        '{"body":"W10=","headers":{},"properties":{"body_encoding":"base64"}}',
        '["reports.record_reports",{"reports":[]}]',
        '"reports.record_reports"', "reports.record_reports", "7", "null", "", "{", "[" * 200_000, "9" * 5000,
        '{"headers":{"task":"reports.record_reports"},"n":' + "9" * 5000 + "}",
        '{"headers":{"task":"reports.record_reports"}',
        '{"__type__":"nothing","__value__":"reports.record_reports"}',
        "eyJ", "eyJ\U0001f5d1", "eyJé", "eyJ====", "eyJ\x00", "eyJ" + "A" * 99_999, "eyJ//v7", "\ud800",
        base64.b64encode(b'{"can_id":"1","level":5}').decode(),
        base64.b64encode(b'{"can_id":"1","level":5,"note":"reports.record_reports"}').decode(),
        pickle.dumps({"task": CALL}).decode("latin-1"),
    ],
)  # fmt: skip
def test_all_else_is_device_text_to_the_character(body: str) -> None:
    assert is_device_text(body)


# -- whatever comes --------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(CALL),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
near_calls = st.fixed_dictionaries(
    {"headers": st.fixed_dictionaries({"task": st.just(CALL)}, optional={"eta": anything, "compression": anything})},
    optional={
        "body": anything | anything.map(json.dumps) | st.tuples(anything, anything, anything).map(json.dumps),
        "content-type": st.just("application/json") | anything,
        "properties": st.fixed_dictionaries({"body_encoding": st.just("base64")}) | anything,
    },
)


@hypothesis_settings(deadline=None, max_examples=300)
@given(
    st.text()
    | st.text(st.characters(codec=None)).map(lambda text: f"eyJ{text}{CALL}")
    | st.binary().map(lambda data: "eyJ" + base64.b64encode(data).decode())
    | (anything | near_calls).map(json.dumps)
    | near_calls.map(lambda call: base64.b64encode(json.dumps(call).encode()).decode())
)
def test_every_message_is_a_call_or_poison_or_device_text(body: str) -> None:
    result = judged(body)
    if result.why_unreadable or result.body == body:
        assert result.body == body
    else:
        assert CALL in body or body.startswith("eyJ")
        assert isinstance(json.loads(result.body), list)


# -- what SQS says of a message --------------------------------------------------------------------------


FIRST = Origin("first", 1795500000000, "AIDAEXAMPLE")


def received(**attributes: str) -> Delivery:
    carried = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    return Delivery.received(
        "url",
        {
            "MessageId": "own", "ReceiptHandle": "handle", "Body": "body", "MessageAttributes": carried,
            "Attributes": {
                "SentTimestamp": "1795512600000", "ApproximateReceiveCount": "3", "SenderId": "AROAEXAMPLE:session",
            },
        },
    )  # fmt: skip


def test_a_delivery_reaches_a_process_of_a_pool_unchanged() -> None:
    sent = received()
    assert sent == Delivery("url", "own", "own", "handle", "body", 3, 1795512600000, "", "AROAEXAMPLE:session")
    assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301 (as billiard does)


def test_a_message_that_was_sent_back_keeps_its_first_name_and_time() -> None:
    first = received(**FIRST.signed("body"))
    assert (first.first_message_id, first.sent_at_ms, first.message_id) == ("first", 1795500000000, "own")
    assert first.sender_id == "AIDAEXAMPLE"
    assert first.origin == FIRST
    assert received(**FIRST._replace(sender_id="").signed("body")).sender_id == ANY_SENDER


@pytest.mark.parametrize(
    "changed",
    [
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "\ud800é"},
        {"message_id": "another"},
        {"message_id": "x" * 200_000},
        {"sent_at_ms": "1795500000001"},
        {"sender_id": "AROAEXAMPLE"},
        {"sender_id": ""},
        FIRST.signed("another body"),
    ],
)
def test_nobody_without_the_key_chooses_the_first_name_time_or_sender_of_a_message(changed: dict[str, str]) -> None:
    delivered = received(**{**FIRST.signed("body"), **changed})
    assert delivered.origin == ("own", 1795512600000, "AROAEXAMPLE:session")


def test_keys_rotate_the_first_signs_and_all_verify(settings: Settings) -> None:
    settings.TRASH_REDRIVE_KEYS = ["old key of 16 characters"]
    by_old = FIRST.signed("body")
    settings.TRASH_REDRIVE_KEYS = ["new key of 16 characters", "old key of 16 characters"]
    by_new = FIRST.signed("body")
    assert received(**by_old).origin == received(**by_new).origin == FIRST
    settings.TRASH_REDRIVE_KEYS = ["new key of 16 characters"]
    assert received(**by_new).origin == FIRST
    assert received(**by_old).first_message_id == "own"


def test_without_a_key_signed_attributes_are_ignored_and_it_is_said_once_a_minute(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    by_known = FIRST.signed("body")
    settings.TRASH_REDRIVE_KEYS = []
    assert {received(**by_known).first_message_id for _ in range(100)} == {"own"}
    assert caplog.text.count("TRASH_REDRIVE_KEY") <= 1
    with pytest.raises(RedriveKeyMissing, match="TRASH_REDRIVE_KEY is not set"):
        FIRST.signed("body")


@pytest.mark.parametrize("sent_at_ms", ["1895512600000", "", "x", "-1", "1e3", "²", "1.5", "9" * 300])
def test_no_message_becomes_younger_or_breaks_its_time(sent_at_ms: str) -> None:
    signed = FIRST._replace(sent_at_ms=sent_at_ms).signed("body")  # type: ignore[arg-type]
    assert received(**signed).sent_at_ms == 1795512600000


def test_an_attribute_of_another_type_is_not_taken() -> None:
    message = {
        "MessageId": "own", "ReceiptHandle": "handle", "Body": "body",
        "MessageAttributes": {"message_id": {"DataType": "Binary", "BinaryValue": "AA=="}},
    }  # fmt: skip
    assert Delivery.received("url", message).first_message_id == "own"


def test_the_future_of_a_countdown_is_nothing_that_we_keep() -> None:
    # The worker's clock plays no part: a call put off by a second is as poisonous as one by a year.
    for ahead in (timedelta(seconds=1), timedelta(days=365)):
        eta = (datetime.now(UTC) + ahead).isoformat()
        assert is_poison(envelope(headers={"task": CALL, "eta": eta}), "must not carry eta")
