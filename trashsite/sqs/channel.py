"""
A channel that consumes: gives batches of device messages to Celery's consumer, and takes back what became of them.

Everything that may block happens in the receiver's threads or in tasks; they only wake the consumer's loop.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, NoReturn

from celery import signals
from kombu.transport import virtual
from kombu.utils.uuid import uuid

from trashsite import aws
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.dispatch import BATCH, Batch, Dispatcher
from trashsite.sqs.entries import MESSAGES_PER_REQUEST
from trashsite.sqs.envelope import unpacked
from trashsite.sqs.receiver import RELEASE_WITHIN_S, WAIT_S, Receiver

logger = logging.getLogger(__name__)

#: A worker to which nothing happens for so long, although it should, is stuck: a receive ends after 9 s, a task after
#: about 15. It says so with its next heartbeat, ten seconds later at most: half a minute in all.
STALLED_S = 18.0
JOIN_S = WAIT_S + 0.3


class Problem(NamedTuple):
    """What should happen and has not for too long, in words; hangs: nobody has said why."""

    text: str
    hangs: bool


class Consuming:
    """One queue that a channel consumes: its receiver, what waits, and what was given out."""

    def __init__(self, channel: Channel, queue: str) -> None:
        options: dict[str, str] = channel.connection.client.transport_options
        self.queue = queue
        self.task = options["task"]
        self.call = options["call"]
        self.dispatcher = Dispatcher()
        self.given: dict[str, Batch] = {}
        self.given_at: dict[str, float] = {}
        self.arrived: SimpleQueue[list[Delivery]] = SimpleQueue()
        self._wake = channel.connection.wake
        self.receiver = Receiver(queue, self._on_arrival, limit=BATCH + MESSAGES_PER_REQUEST)

    def _on_arrival(self, deliveries: list[Delivery]) -> None:
        self.arrived.put([unpacked(each, self.call) for each in deliveries])
        self._wake()

    def take_in(self, now: float) -> None:
        """Move what arrived to what waits."""
        with suppress(Empty):
            while True:
                self.dispatcher.add(self.arrived.get_nowait(), now)

    def give(self, batch: Batch) -> dict[str, Any]:
        """Return a batch as a Celery task message, which kombu's virtual channel takes for one from the broker."""
        tag = uuid()
        self.given[tag] = batch
        self.given_at[tag] = time.monotonic()
        return {
            "body": json.dumps([[[each.fields() for each in batch]], {}, {}]),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {
                "task": self.task, "id": tag, "root_id": tag, "parent_id": None, "group": None, "lang": "py",
                "argsrepr": f"({len(batch)} messages)", "kwargsrepr": "{}", "ignore_result": True,
            },
            "properties": {
                "delivery_tag": tag, "delivery_info": {"exchange": "", "routing_key": self.queue},
            },
        }  # fmt: skip

    def problems(self) -> Iterator[Problem]:
        """Yield what should happen here and has not for too long."""
        silent_s = self.receiver.silent_s()
        if silent_s > STALLED_S:
            said = f"{self.queue} has answered no receive for {silent_s:.0f} s"
            yield Problem(said, hangs=not self.receiver.knows_why)
        oldest = min(list(self.given_at.values()), default=None)
        if oldest is not None and time.monotonic() - oldest > STALLED_S:
            said = f"a batch from {self.queue} has been in work for {time.monotonic() - oldest:.0f} s"
            yield Problem(said, hangs=True)

    def all_in_hand(self) -> Batch:
        """Return and forget everything between arrival and end."""
        self.take_in(0.0)
        given = [each for batch in self.given.values() for each in batch]
        self.given.clear()
        return self.dispatcher.empty() + given


class QoS(virtual.QoS):
    """Counts the slots in use. At the end SQS needs no restoring of ours: see Channel.close."""

    restore_at_shutdown = False


class Channel(virtual.Channel):
    """A channel that consumes by receivers; publishing is one SendMessage."""

    connection: Any  # the Transport; kombu's own name for it
    QoS = QoS
    do_restore = False
    supports_fanout = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._consuming: dict[str, Consuming] = {}
        signals.worker_shutting_down.connect(self._on_shutting_down)

    @property
    def consumes(self) -> bool:
        """Whether it takes messages from any queue."""
        return bool(self._consuming)

    # -- consuming ---------------------------------------------------------------------------------------

    def basic_consume(  # type: ignore[override] # the published types are those of AMQP
        self, queue: str, no_ack: bool, callback: Callable[..., Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        """Begin to receive from a queue. Raises ValueError for no_ack, which would lose what a crash interrupts."""
        if no_ack:
            raise ValueError("no_ack is refused: a message is deleted only after its reports are stored")
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        consuming = self._consuming[consumer_tag] = Consuming(self, queue)
        self._fit_limit()
        consuming.receiver.start()

    def basic_cancel(self, consumer_tag: str) -> None:
        """Receive no more from a queue; what no task has yet goes back at once."""
        consuming = self._consuming.get(consumer_tag)
        if consuming:
            consuming.receiver.stop()
            consuming.take_in(0.0)
            back = consuming.dispatcher.empty()
            if back:
                consuming.receiver.release(back, within_s=RELEASE_WITHIN_S)
        super().basic_cancel(consumer_tag)

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Set how many batches may be given out at once."""
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self._fit_limit()
        self.connection.wake()

    def pump(self) -> float | None:
        """
        Give out what there is room for, and return the time at which to come back, None for when woken.

        Called by the loop alone: a green pool's callback may run in a greenlet where delivering would deadlock.
        """
        due: list[float] = []
        for consuming in list(self._consuming.values()):
            dispatcher, receiver = consuming.dispatcher, consuming.receiver
            consuming.take_in(time.monotonic())
            while self.qos.can_consume():
                batch = dispatcher.next(time.monotonic(), more_to_come=receiver.busy)
                if batch is None:
                    if (at := dispatcher.due(time.monotonic())) is not None:
                        due.append(at)
                    break
                self._deliver(consuming, batch)
            receiver.hold(dispatcher.failures > 0)
        return min(due, default=None)

    def _deliver(self, consuming: Consuming, batch: Batch) -> None:
        payload = consuming.give(batch)
        tag = payload["properties"]["delivery_tag"]
        try:
            self.connection.on_message_ready(self, payload, consuming.queue)
        except Exception:
            # Whatever the consumer trips over, the slot must not leak and the messages must come back.
            logger.exception("a batch of %d messages could not be given to a task", len(batch))
            self.basic_reject(tag, requeue=True)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Free a slot: the task has stored, or set aside, and deleted its messages."""
        self._finish(delivery_tag, self._passed)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """
        Free a slot whose task did not do its work.

        requeue False: the store or the queue is down; keep the batch and try again here. requeue True: the task
        broke or its process died; give its messages back, from where each comes again alone.
        """
        self._finish(
            delivery_tag,
            lambda consuming, batch: self._give_back(consuming, batch) if requeue else self._stall(consuming, batch),
        )

    def _finish(self, delivery_tag: str, then: Callable[[Consuming, Batch], None]) -> None:
        try:
            for consuming in self._consuming.values():
                if (batch := consuming.given.pop(delivery_tag, None)) is not None:
                    consuming.given_at.pop(delivery_tag, None)
                    then(consuming, batch)
                    return
        finally:
            self.qos.ack(delivery_tag)
            self.connection.wake()

    def _passed(self, consuming: Consuming, batch: Batch) -> None:
        consuming.dispatcher.passed()
        consuming.receiver.done(batch)

    def _stall(self, consuming: Consuming, batch: Batch) -> None:
        if self._is_ending(consuming):
            self._give_back(consuming, batch)
        else:
            consuming.dispatcher.failed(batch, time.monotonic())

    def _give_back(self, consuming: Consuming, batch: Batch) -> None:
        consuming.dispatcher.abandoned()
        # Not in the loop, which must go on.
        consuming.receiver.release_aside(batch)

    def problems(self) -> list[Problem]:
        """Return what should happen and has not for too long."""
        return [problem for consuming in list(self._consuming.values()) for problem in consuming.problems()]

    # -- the end -----------------------------------------------------------------------------------------

    def _is_ending(self, consuming: Consuming) -> bool:
        return bool(self.closed) or consuming.receiver.stopping

    def _on_shutting_down(self, **_: Any) -> None:
        # Celery cancels its consumers only later; until then nothing new should come in, and nobody should wait.
        aws.stopping.set()
        for consuming in self._consuming.values():
            consuming.receiver.stop()

    def close(self) -> None:
        """Give everything in hand back to the queue, within a few seconds whether SQS answers or not."""
        if not self.closed:
            signals.worker_shutting_down.disconnect(self._on_shutting_down)
            released_by = time.monotonic() + RELEASE_WITHIN_S
            for consuming in self._consuming.values():
                consuming.receiver.stop()
                if back := consuming.all_in_hand():
                    logger.info("giving %d messages back to %s", len(back), consuming.queue)
                    consuming.receiver.release(back, within_s=released_by - time.monotonic())
                consuming.receiver.join(JOIN_S, released_by)
            self._consuming.clear()
        super().close()

    # -- publishing and the rest of the contract ---------------------------------------------------------

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        sqs = aws.client("sqs")
        url = sqs.patiently("GetQueueUrl", {"QueueName": queue})["QueueUrl"]
        sqs.patiently("SendMessage", {"QueueUrl": url, "MessageBody": json.dumps(message)})

    def _purge(self, queue: str) -> NoReturn:
        raise NotImplementedError("reports are never purged: retire the queue in AWS if you must")

    def _fit_limit(self) -> None:
        """Let the receivers hold what the slots can take and one batch more."""
        for consuming in self._consuming.values():
            consuming.receiver.limit = BATCH * ((self.qos.prefetch_count or 1) + 1) + MESSAGES_PER_REQUEST
