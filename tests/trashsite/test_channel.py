"""The channel in a consumer of kombu's own, without a worker: slots, batches, and what becomes of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection

from tests.support.servers import eventually
from trashsite.sqs import receiver
from trashsite.sqs.channel import BATCH_OWN
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.dispatch import BATCH, BATCH_REPORTS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

OPTIONS = {"task": "internal", "call": "reports.record_reports"}


class Consumer:
    """Consumes as a green pool does: by drain_events, without a hub."""

    def __init__(self, connection: Any, queue: str, slots: int) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.channel.basic_qos(0, slots, False)
        self.batches: list[tuple[str, list[Delivery]]] = []
        self.headers: list[dict[str, Any]] = []
        self.refuse = 0
        self.channel.basic_consume(queue, False, self._take, "tag")

    def _take(self, message: Any) -> None:
        if self.refuse:
            self.refuse -= 1
            raise RuntimeError("as a consumer with a defect would")
        self.headers.append(message.headers)
        (batch,), _, _ = message.payload
        self.batches.append((message.delivery_tag, batch))

    @property
    def bodies(self) -> list[str]:
        return [each.body for _, batch in self.batches for each in batch]

    def has(self, batches: int) -> bool:
        return len(self.batches) >= batches

    def has_refused_all_but(self, count: int) -> bool:
        return self.refuse == count

    def drain(self, until: Callable[[], object], within_s: float = 15.0) -> bool:
        def look() -> bool:
            with suppress(TimeoutError):
                self.connection.drain_events(timeout=0.2)
            return bool(until())

        return eventually(look, within_s)

    def quiet_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.drain(lambda: time.monotonic() > end)


@pytest.fixture
def consume(suffix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Consumer]]:
    monkeypatch.setattr(receiver, "WAIT_S", 1)
    connections: list[Connection] = []

    def consume(slots: int = 4) -> Consumer:
        connections.append(Connection("sqs://aws//", transport_options=OPTIONS))
        return Consumer(connections[-1], f"trash-level-{suffix}", slots)

    yield consume
    for each in connections:
        each.close()


def send(raw: SQSClient, url: str, *bodies: str) -> None:
    for at in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": each} for n, each in enumerate(bodies[at : at + 10])]
        raw.send_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]


def test_a_batch_is_a_call_of_the_internal_task_and_the_bodies_are_untouched(
    consume: Callable[..., Consumer], raw: SQSClient, url: str
) -> None:
    bodies = [
        '{"can_id":"🗑","level":1.50}',
        "not JSON",
        '{"properties":{"delivery_tag":"x"}}',
        '{"headers":{"task":"x"}}',
    ]
    send(raw, url, *bodies)
    consumer = consume()
    assert consumer.drain(lambda: sorted(consumer.bodies) == sorted(bodies))
    assert {each["task"] for each in consumer.headers} == {"internal"}


def test_only_as_many_batches_are_given_out_as_there_are_slots(
    consume: Callable[..., Consumer], raw: SQSClient, url: str
) -> None:
    send(raw, url, *(f"body {at}" for at in range(BATCH * 5)))
    consumer = consume(slots=2)
    assert consumer.drain(lambda: len(consumer.batches) == 2)
    consumer.quiet_for(0.5)
    assert len(consumer.batches) == 2
    while len(consumer.bodies) < BATCH * 5:
        given = len(consumer.batches)
        consumer.channel.basic_ack(consumer.batches[given - 2][0])
        assert consumer.drain(partial(consumer.has, given + 1))
        assert len(consumer.batches) == given + 1
    assert all(len(batch) <= BATCH for _, batch in consumer.batches)
    assert len(set(consumer.bodies)) == BATCH * 5


def test_large_arrays_leave_most_slots_to_others(consume: Callable[..., Consumer], raw: SQSClient, url: str) -> None:
    large = "[" + ",".join(['{"can_id":"1","level":"1"}'] * BATCH_REPORTS) + "]"
    send(raw, url, *[large] * 6)
    consumer = consume(slots=4)
    assert consumer.drain(lambda: consumer.has(1))
    consumer.quiet_for(1.5)
    assert len(consumer.batches) == 1
    send(raw, url, "small")
    assert consumer.drain(lambda: "small" in consumer.bodies)
    # The next one comes when the first is done.
    consumer.channel.basic_ack(consumer.batches[0][0])
    assert consumer.drain(lambda: consumer.has(3))


def test_a_consumer_that_breaks_leaks_no_slot_and_loses_no_message(
    consume: Callable[..., Consumer], raw: SQSClient, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = consume(slots=1)
    consumer.refuse = 3
    for at in range(3):
        send(raw, url, f"body {at}")
        assert consumer.drain(partial(consumer.has_refused_all_but, 2 - at))
    assert consumer.channel.qos.can_consume()

    # Each comes back two seconds later, then alone; the slot is given back between them.
    def all_back() -> bool:
        for tag, _ in consumer.batches:
            consumer.channel.basic_ack(tag)
        return sorted(consumer.bodies) == ["body 0", "body 1", "body 2"]

    assert consumer.drain(all_back)
    assert caplog.text.count("could not be given to a task") == 3


def test_what_the_store_could_not_take_is_kept_and_tried_again_and_meanwhile_nothing_is_received(
    consume: Callable[..., Consumer], raw: SQSClient, url: str
) -> None:
    send(raw, url, "first")
    consumer = consume()
    assert consumer.drain(lambda: consumer.batches)
    tag, batch = consumer.batches.pop()
    consumer.channel.basic_reject(tag, requeue=False)
    send(raw, url, "second")
    assert consumer.drain(lambda: consumer.batches)
    again, same = consumer.batches.pop()
    # The same delivery, not one received anew.
    assert same == batch
    consumer.quiet_for(1.5)
    assert consumer.bodies == []
    consumer.channel.basic_ack(again)
    assert consumer.drain(lambda: consumer.bodies == ["second"])


def test_a_probe_that_breaks_in_an_outage_does_not_hold_the_queue_for_good(
    consume: Callable[..., Consumer], raw: SQSClient, url: str
) -> None:
    send(raw, url, "only")
    consumer = consume()
    assert consumer.drain(lambda: consumer.batches)
    consumer.channel.basic_reject(consumer.batches.pop()[0], requeue=False)
    assert consumer.drain(lambda: consumer.batches)
    # Its process died, say: the message goes back to the queue.
    consumer.channel.basic_reject(consumer.batches.pop()[0], requeue=True)
    send(raw, url, "fresh")
    assert consumer.drain(lambda: sorted(consumer.bodies) == ["fresh", "only"])


def test_a_call_of_the_public_task_is_folded_in_with_device_text(
    consume: Callable[..., Consumer], raw: SQSClient, url: str
) -> None:
    call = {
        "body": '[[[{"can_id":"1","level":1.50}]],{},{}]', "content-type": "application/json",
        "headers": {"task": "reports.record_reports"},
    }  # fmt: skip
    send(raw, url, json.dumps(call), json.dumps({**call, "headers": {**call["headers"], "eta": "x"}}))  # type: ignore[dict-item]
    consumer = consume()
    assert consumer.drain(lambda: len(consumer.bodies) == 2)
    found = {each.why_unreadable: each.body for _, batch in consumer.batches for each in batch}
    assert found[""] == '[{"can_id":"1","level":1.50}]'
    assert set(found) == {"", "the call must not carry eta"}


def test_at_the_end_every_message_goes_back(consume: Callable[..., Consumer], raw: SQSClient, url: str) -> None:
    bodies = [f"body {at}" for at in range(BATCH * 2)]
    send(raw, url, *bodies)
    consumer = consume(slots=1)
    assert consumer.drain(lambda: consumer.batches)
    began = time.monotonic()
    consumer.connection.close()
    assert time.monotonic() - began < 5
    found: set[str] = set()

    def all_back() -> bool:
        answer = raw.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        found.update(each["Body"] for each in answer.get("Messages", ()))
        return found == set(bodies)

    # Sooner than after the 30 s for which what was not given back is invisible.
    assert eventually(all_back, 15)


def test_a_consumer_that_would_not_acknowledge_is_refused(suffix: str) -> None:
    with Connection("sqs://aws//", transport_options=OPTIONS) as connection:
        channel: Any = connection.channel()
        with pytest.raises(ValueError, match="no_ack is refused"):
            channel.basic_consume(f"trash-level-{suffix}", True, print, "tag")


def test_no_more_is_received_ahead_than_fills_the_slots_of_its_queue_and_one_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("start", "join"):
        monkeypatch.setattr(receiver.Receiver, name, lambda *_: None)
    with Connection("sqs://aws//", transport_options={**OPTIONS, "own": {"alerts": "ours"}}) as connection:
        channel: Any = connection.channel()
        channel.basic_qos(0, 5, False)
        for queue in ("reports", "alerts"):
            channel.basic_consume(queue, False, print, queue)
        limits = {each.queue: each.receiver.limit for each in channel._consuming.values()}
    assert limits == {"reports": 5 * BATCH + 10, "alerts": 2 * BATCH_OWN + 10}


def test_a_queue_is_never_emptied(suffix: str) -> None:
    with Connection("sqs://aws//", transport_options=OPTIONS) as connection:
        channel: Any = connection.channel()
        with pytest.raises(NotImplementedError):
            channel.queue_purge(f"trash-level-{suffix}")


def test_a_cancelled_consumer_receives_no_more(consume: Callable[..., Consumer], raw: SQSClient, url: str) -> None:
    consumer = consume()
    mine = [each for each in threading.enumerate() if each.name.startswith("receive-")]
    consumer.channel.basic_cancel("tag")
    assert mine
    assert eventually(lambda: not any(each.is_alive() for each in mine), 5)
    send(raw, url, "left")
    consumer.quiet_for(0.3)
    assert consumer.bodies == []
