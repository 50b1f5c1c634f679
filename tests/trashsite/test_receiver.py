"""The receiver against a real SQS: how much it asks for, what it keeps invisible, what it gives back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from reports import queue
from reports.queue import Depth
from tests.support import fault_proxy as faults
from tests.support import partial_answers
from tests.support.fault_proxy import Call, Fault, FaultProxy, Reply
from tests.support.servers import eventually
from trashsite.sqs import pacing
from trashsite.sqs import receiver as module
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.receiver import Receiver, back_in_s

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def proxy(
    raw: SQSClient, url: str, proxy_to: Callable[[str], FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> FaultProxy:
    """Between the receiver and SQS; `raw` goes past it."""
    monkeypatch.setattr(module, "WAIT_S", 1)
    monkeypatch.setattr(module, "RECEIVE_TIMEOUT_S", 2.5)
    return proxy_to("sqs")


class Inbox:
    """What was handed over; `refuse` makes it raise once."""

    def __init__(self) -> None:
        self.received: list[Delivery] = []
        self.refuse = False

    def take(self, deliveries: list[Delivery]) -> None:
        if self.refuse:
            self.refuse = False
            raise RuntimeError("as a defect would")
        self.received += deliveries

    @property
    def bodies(self) -> list[str]:
        return sorted(each.body for each in self.received)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def start(proxy: FaultProxy, suffix: str, inbox: Inbox) -> Iterator[Callable[..., Receiver]]:
    started: list[Receiver] = []

    def start(limit: int = 1000) -> Receiver:
        started.append(Receiver(f"trash-level-{suffix}", inbox.take, limit=limit))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()
        each.done(inbox.received)
    # The last polls end with their connections.
    proxy.close()
    for each in started:
        each.join(5, 0.0)


def send(raw: SQSClient, url: str, count: int, body: str = "{}") -> list[str]:
    bodies = [body.format(f"body {at:04}") for at in range(count)]
    for at in range(0, count, 10):
        entries = [{"Id": str(n), "MessageBody": each} for n, each in enumerate(bodies[at : at + 10])]
        raw.send_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]
    return bodies


def for_a_while(seconds: float, always: Callable[[], bool]) -> bool:
    """Whether something holds at each look for so long."""
    end = time.monotonic() + seconds
    return eventually(lambda: not always() or time.monotonic() > end, seconds + 5) and always()


class InFlight:
    """A fault that breaks nothing and notes how many receives are on their way at a time, each for `seconds` more."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._late = faults.slow(seconds)
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Reply:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return self._late(call)
        finally:
            with self._lock:
                self.now -= 1


# -- how much it asks for --------------------------------------------------------------------------------


def test_everything_arrives_once_and_says_when_it_was_sent(
    start: Callable[..., Receiver], inbox: Inbox, raw: SQSClient, url: str
) -> None:
    before = time.time()
    bodies = send(raw, url, 57, '{{"can_id":"🗑 {}"}}')
    receiver = start()
    assert eventually(lambda: inbox.bodies == sorted(bodies))
    assert receiver.received == receiver.in_progress == 57
    assert all(before - 2 < each.sent_at_ms / 1000 < time.time() + 2 for each in inbox.received)
    assert {each.receive_count for each in inbox.received} == {1}
    assert all(each.first_message_id == each.message_id for each in inbox.received)


def test_at_rest_one_receive_is_in_flight_and_nothing_spins(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox
) -> None:
    watch = InFlight()
    proxy.inject(watch, "ReceiveMessage")
    start()
    assert for_a_while(2.2, lambda: watch.most <= 1)
    assert 2 <= proxy.seen["ReceiveMessage"] <= 4


def test_in_a_backlog_several_receives_are_in_flight(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    watch = InFlight(0.05)
    proxy.inject(watch, "ReceiveMessage")
    bodies = send(raw, url, 200)
    start()
    assert eventually(lambda: inbox.bodies == bodies)
    assert watch.most == module.IN_FLIGHT


def test_at_a_steady_rate_reports_gather_in_the_queue_between_receives(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    began = time.monotonic()
    start()
    for at in range(60):
        raw.send_message(QueueUrl=url, MessageBody=f"{at:02}")
    assert eventually(lambda: len(inbox.received) == 60)
    # The first ones come singly; then two a gathering at most, and one more for each ten.
    gatherings = (time.monotonic() - began) / pacing.GATHER_S
    assert proxy.seen["ReceiveMessage"] <= pacing.STEADY_PER_S + 2 * gatherings + 60 / 10


def test_reports_that_come_now_and_then_are_received_at_once(
    start: Callable[..., Receiver], inbox: Inbox, raw: SQSClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waited for a gathering would not come in time.
    monkeypatch.setattr(pacing, "GATHER_S", 60.0)
    start()
    for at in range(1, pacing.STEADY_PER_S):
        send(raw, url, 1)
        assert eventually(lambda at=at: len(inbox.received) == at)  # type: ignore[misc]


def test_while_sqs_gives_fewer_than_wait_nothing_gathers(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(pacing, "GATHER_S", 60.0)
    proxy.inject(lambda call: call.forward({**call.request, "MaxNumberOfMessages": 3}), "ReceiveMessage")
    bodies = send(raw, url, 30)
    assert for_a_while(2 * pacing.BEHIND_S, lambda: True)
    start()
    assert eventually(lambda: inbox.bodies == bodies)


def test_no_more_is_taken_than_there_is_room_for(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    bodies = send(raw, url, 120)
    receiver = start(limit=35)
    assert eventually(lambda: receiver.in_progress == 30)
    asked = proxy.seen["ReceiveMessage"]
    assert for_a_while(1.5, lambda: receiver.in_progress == 30 and proxy.seen["ReceiveMessage"] == asked)
    seen: set[str] = set()

    def work_off() -> bool:
        mine = [each for each in list(inbox.received) if each.body not in seen]
        assert receiver.in_progress <= 35
        seen.update(each.body for each in mine)
        receiver.done(mine)
        return seen == set(bodies)

    assert eventually(work_off)
    assert len(inbox.received) == 120


def test_large_bodies_are_bounded_by_their_bytes(
    start: Callable[..., Receiver], inbox: Inbox, raw: SQSClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 200_000)
    send(raw, url, 80, "{}" + "x" * 20_000)
    receiver = start()
    assert eventually(lambda: receiver.in_progress >= 10)
    # What was on its way when the bound was reached still comes.
    assert for_a_while(1.5, lambda: receiver.in_progress <= 10 * (1 + module.IN_FLIGHT))

    def work_off() -> bool:
        receiver.done(list(inbox.received))
        return receiver.received == 80

    assert eventually(work_off)


def test_a_message_that_comes_twice_in_one_answer_leaves_no_room_taken(
    start: Callable[..., Receiver],
    raw: SQSClient,
    url: str,
    inbox: Inbox,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 15)
    proxy.inject(faults.edit(lambda asked, answer: {"Messages": answer.get("Messages", []) * 2}), "ReceiveMessage")
    receiver = start()
    for turn in range(1, 4):
        send(raw, url, 1)
        eventually(lambda turn=turn: len(inbox.received) == 2 * turn)  # type: ignore[misc]
        receiver.done(inbox.received)


def test_while_paused_it_receives_nothing_and_keeps_what_it_has(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    send(raw, url, 10)
    receiver = start()
    assert eventually(lambda: receiver.in_progress == 10)
    receiver.pause(True)
    send(raw, url, 10)
    # The poll that was in flight when it was held may still bring some.
    assert eventually(lambda: not receiver._receiving)
    asked, held = proxy.seen["ReceiveMessage"], receiver.in_progress
    assert for_a_while(1.2, lambda: (proxy.seen["ReceiveMessage"], receiver.in_progress) == (asked, held))
    assert receiver.silent_s() == 0.0
    receiver.pause(False)
    assert eventually(lambda: receiver.in_progress == 20)


# -- what it keeps invisible and gives back --------------------------------------------------------------


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds instead of half a minute: the rules are the same."""
    monkeypatch.setattr(module, "VISIBILITY_S", 3)
    monkeypatch.setattr(module, "EXTEND_AFTER_S", 0.8)


def visible(raw: SQSClient, url: str) -> list[str]:
    """What anybody else would be given now; it is given back at once."""
    found = raw.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
    for each in found:
        raw.change_message_visibility(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0)
    return sorted(each["Body"] for each in found)


def all_visible(raw: SQSClient, url: str, bodies: list[str], within_s: float) -> bool:
    """Whether each of these is given to others, in whatever turns, within so long."""
    found: set[str] = set()

    def all_found() -> bool:
        found.update(visible(raw, url))
        return found >= set(bodies)

    return eventually(all_found, within_s)


def test_a_message_stays_invisible_for_as_long_as_it_is_worked_on_and_no_longer(
    brief: None, start: Callable[..., Receiver], inbox: Inbox, raw: SQSClient, url: str
) -> None:
    bodies = send(raw, url, 12)
    receiver = start(limit=20)
    assert eventually(lambda: receiver.in_progress == 12)
    receiver.pause(True)
    # Longer than the visibility timeout.
    assert for_a_while(4.0, lambda: visible(raw, url) == [])
    receiver.done(inbox.received)
    assert all_visible(raw, url, bodies, 6)


def test_an_error_of_ours_does_not_end_the_extending(
    start: Callable[..., Receiver], raw: SQSClient, url: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "EXTEND_AFTER_S", 0.0)
    asked: list[int] = []

    def extend(_: str, seconds: dict[str, int]) -> bool:
        asked.append(len(seconds))
        if asked.count(1) == 1:
            raise RuntimeError("can't start new thread")
        return True

    monkeypatch.setattr(module, "set_visibility", extend)
    send(raw, url, 1)
    start(limit=10)
    assert eventually(lambda: asked.count(1) >= 2)
    assert "the visibility of 1 messages could not be extended" in caplog.text


def test_what_is_released_is_soon_there_for_others(
    start: Callable[..., Receiver], inbox: Inbox, raw: SQSClient, url: str
) -> None:
    bodies = send(raw, url, 25)
    receiver = start(limit=30)
    assert eventually(lambda: receiver.in_progress == 25)
    receiver.pause(True)
    receiver.release(inbox.received)
    assert receiver.in_progress == 0
    # Sooner than after the 30 s for which they would be invisible.
    assert all_visible(raw, url, bodies, 15)


def test_what_comes_again_and_again_is_released_for_longer_each_time() -> None:
    assert [back_in_s(count) for count in (1, 2, 3, 9, 10, 500)] == [2, 4, 8, 512, 900, 900]


def test_what_arrives_after_the_stop_is_given_back_at_once(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    receiver = start()
    # The poll that is in flight is answered after the stop.
    assert eventually(lambda: proxy.seen["ReceiveMessage"] >= 1)
    receiver.stop()
    bodies = send(raw, url, 5)
    receiver.join(5, time.monotonic() + 3)
    assert all_visible(raw, url, bodies, 3)
    assert inbox.received == []
    assert receiver.stopping


def test_after_the_end_no_thread_is_left(
    start: Callable[..., Receiver], inbox: Inbox, raw: SQSClient, url: str
) -> None:
    before = set(threading.enumerate())
    send(raw, url, 3)
    receiver = start()
    assert eventually(lambda: receiver.in_progress == 3)
    receiver.stop()
    receiver.done(inbox.received)
    mine = {each for each in threading.enumerate() if each.name.startswith(("receive-", "keep-"))} - before
    assert len(mine) > 1
    assert eventually(lambda: not any(each.is_alive() for each in mine), 5)


def test_a_poll_that_was_not_answered_since_the_stop_is_waited_for_no_longer(
    start: Callable[..., Receiver], proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECEIVE_TIMEOUT_S", 30)
    proxy.inject(faults.never, "ReceiveMessage")
    receiver = start()
    assert eventually(lambda: proxy.seen["ReceiveMessage"] >= 1)
    receiver.stop()
    assert for_a_while(2, lambda: True)
    began = time.monotonic()
    receiver.join(2, 0.0)
    assert time.monotonic() - began < 1


def test_the_end_waits_for_what_is_being_given_back(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    send(raw, url, 3)
    receiver = start(limit=10)
    assert eventually(lambda: receiver.in_progress == 3)
    proxy.inject(faults.slow(1.0), "ChangeMessageVisibilityBatch")
    receiver.stop()
    # The process ends when this has returned, and its threads with it.
    receiver.release_in_thread(inbox.received)
    receiver.join(0.0, time.monotonic() + 3)
    assert queue.depth().in_flight == 0


def test_what_sqs_could_not_give_back_is_requested_again(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    send(raw, url, 10)
    receiver = start(limit=10)
    assert eventually(lambda: receiver.in_progress == 10)
    receiver.stop()
    proxy.inject(partial_answers.failed_entries(partial_answers.every(2)), "ChangeMessageVisibilityBatch", times=1)
    receiver.release(inbox.received)
    assert queue.depth() == Depth(waiting=10, in_flight=0, dead=0)
    assert proxy.seen["ChangeMessageVisibilityBatch"] == 2
    # They are in nobody's hand: that is said for good, and asked no second time.
    receiver.release(inbox.received)
    assert proxy.seen["ChangeMessageVisibilityBatch"] == 3


def test_what_is_given_back_while_it_is_kept_invisible_is_visible_in_the_end(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "EXTEND_AFTER_S", 0.8)
    send(raw, url, 3)
    receiver = start(limit=10)
    assert eventually(lambda: receiver.in_progress == 3)
    receiver.pause(True)
    proxy.inject(faults.slow(1.0), "ChangeMessageVisibilityBatch", times=1)
    assert eventually(lambda: proxy.spoilt["ChangeMessageVisibilityBatch"] == 1)
    # SQS must not hear of this first, and then that they are to stay invisible for half a minute.
    receiver.release(inbox.received)
    assert eventually(lambda: queue.depth().in_flight == 0, 6)


def test_what_could_not_be_given_back_comes_when_its_time_is_over(
    brief: None, start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    bodies = send(raw, url, 3)
    receiver = start(limit=10)
    assert eventually(lambda: receiver.in_progress == 3)
    receiver.pause(True)
    with proxy.broken(faults.never, "ChangeMessageVisibilityBatch"):
        began = time.monotonic()
        receiver.release(inbox.received, within_s=0.5)
        assert time.monotonic() - began < 2.5
    assert all_visible(raw, url, bodies, 6)


# -- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        faults.reset, faults.hang_up, faults.cut_short, faults.html, faults.throttled, faults.expired_token,
        faults.answer(500, ""), faults.unavailable, faults.answer(200, '{"Messages":7}'),
        faults.answer(200, '{"Messages":[{}]}'), faults.answer(200, "[" * 200_000),
        faults.error("AWS.SimpleQueueService.NonExistentQueue"),
    ],
)  # fmt: skip
def test_it_receives_again_automatically_after_every_fault(
    fault: Fault, start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    proxy.inject(fault, "GetQueueUrl", times=1)
    proxy.inject(fault, "ReceiveMessage", times=1)
    bodies = send(raw, url, 30)
    start()
    assert eventually(lambda: proxy.spoilt["GetQueueUrl"] == proxy.spoilt["ReceiveMessage"] == 1)
    # What an answer that was lost had brought is invisible for a while: it is not this test's.
    lost = 10 if fault is faults.cut_short else 0
    assert eventually(lambda: len(inbox.bodies) >= 30 - lost, 5)
    assert set(inbox.bodies) <= set(bodies)
    told = [record.levelname for record in caplog.records if "receiving" in record.getMessage()]
    assert told == ["WARNING", "INFO"]


def test_a_receive_that_is_never_answered_is_given_up_and_counted_as_silence(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    proxy.inject(faults.never, "ReceiveMessage", times=1)
    receiver = start()
    assert eventually(lambda: receiver.silent_s() > 1)
    bodies = send(raw, url, 3)
    assert eventually(lambda: inbox.bodies == bodies, module.RECEIVE_TIMEOUT_S + 3)
    assert receiver.silent_s() < 1.5


def test_one_receive_that_hangs_is_silence_although_another_is_answered_after_it(
    start: Callable[..., Receiver], proxy: FaultProxy, raw: SQSClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECEIVE_TIMEOUT_S", 60)
    monkeypatch.setattr(pacing, "BACKLOG_ANSWERS", 1)
    proxy.inject(faults.slow(0.3), "ReceiveMessage", times=1)
    proxy.inject(faults.never, "ReceiveMessage", times=1)
    # Full, so that several are in flight; the last of which bring nothing, while one is never answered.
    send(raw, url, 30)
    receiver = start()
    assert eventually(lambda: receiver.received == 30)
    assert eventually(lambda: receiver.silent_s() > 3, 20)


def test_an_outage_is_over_within_seconds_of_its_end(
    start: Callable[..., Receiver], proxy: FaultProxy, inbox: Inbox, raw: SQSClient, url: str
) -> None:
    proxy.refuse()
    start()
    bodies = send(raw, url, 3)
    assert for_a_while(2, lambda: inbox.received == [])
    proxy.heal()
    assert eventually(lambda: inbox.bodies == bodies, 5)


def test_after_an_error_in_deliver_the_next_messages_arrive_and_those_come_back(
    start: Callable[..., Receiver], inbox: Inbox, raw: SQSClient, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.refuse = True
    receiver = start()
    first = send(raw, url, 1)
    assert eventually(lambda: not inbox.refuse)
    assert eventually(lambda: inbox.bodies == first, 6)
    assert inbox.received[0].receive_count == 2
    assert receiver.in_progress == 1
    assert "could not be delivered" in caplog.text
