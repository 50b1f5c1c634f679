"""
A channel that consumes: gives batches of device messages to Celery's consumer, and gets acknowledgements back.

Everything that may block happens in the receiver's threads or in tasks; they only wake the consumer's loop.
"""

from __future__ import annotations

import json
import logging
import math
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
from trashsite.sqs.dispatch import BATCH, Batch, Dispatcher, is_slow
from trashsite.sqs.entries import MESSAGES_PER_REQUEST
from trashsite.sqs.envelope import unpacked
from trashsite.sqs.receiver import RELEASE_WITHIN_S, WAIT_S, Receiver

logger = logging.getLogger(__name__)

#: What should happen in a worker and has not for so long is a stall: a receive ends after 9 s, a task after about 15.
#: The next heartbeat reports it, ten seconds later at most: half a minute in all.
STALLED_S = 18.0
JOIN_S = WAIT_S + 0.3
#: Messages in a batch of a queue of our own: each may wait for somebody else's server.
BATCH_OWN = 5


class Stall(NamedTuple):
    """What should happen and has not for too long. text: for people. hangs: no failure explains it."""

    text: str
    hangs: bool


class Consuming:
    """
    One queue that a channel consumes: its receiver, the messages that wait, and the batches in tasks.

    is_own: whether our own programs alone send to it, as the transport's option `own` says by naming it with its task.
    So no call is looked for in its messages. It has one batch in a task at a time, of few messages, and one slot is
    kept for it where there are two or more: however long its tasks take, device messages have all others.
    """

    def __init__(self, channel: Channel, queue: str) -> None:
        options: dict[str, Any] = channel.connection.client.transport_options
        own: dict[str, str] = options.get("own", {})
        self.queue = queue
        self.is_own = queue in own
        self.task = own.get(queue, options["task"])
        self.call = options["call"]
        self.dispatcher = Dispatcher(most=BATCH_OWN) if self.is_own else Dispatcher()
        #: Batches in tasks, and since when, by delivery tag.
        self.given: dict[str, Batch] = {}
        self.given_at: dict[str, float] = {}
        #: Those of them that hold slow messages.
        self.given_slow: set[str] = set()
        self.arrived: SimpleQueue[list[Delivery]] = SimpleQueue()
        #: With so many messages that wait the loop has something to do; with fewer it is woken by a timer or a slot.
        self.enough = 1.0
        self._wake = channel.connection.wake
        self.receiver = Receiver(queue, self._on_arrival, limit=BATCH + MESSAGES_PER_REQUEST)

    def _on_arrival(self, deliveries: list[Delivery]) -> None:
        self.arrived.put(deliveries if self.is_own else [unpacked(each, self.call) for each in deliveries])
        waiting = MESSAGES_PER_REQUEST * self.arrived.qsize() + self.dispatcher.waiting
        if waiting >= self.enough or not self.receiver.busy:
            self._wake()

    def enqueue_arrived(self, now: float) -> None:
        """Pass what the receiver delivered to the dispatcher."""
        with suppress(Empty):
            while True:
                self.dispatcher.add(self.arrived.get_nowait(), now)

    def give(self, batch: Batch) -> dict[str, Any]:
        """Return a batch as a Celery task message, as kombu's virtual channel expects one from a broker."""
        tag = uuid()
        self.given[tag] = batch
        self.given_at[tag] = time.monotonic()
        if is_slow(batch[0]):
            self.given_slow.add(tag)
        return {
            # Not as JSON, which Celery would parse twice: in its consumer and in the task. What goes to a process of a
            # prefork pool is pickled anyhow.
            "body": [[batch], {}, {}],
            "content-type": None,
            "content-encoding": "binary",
            "headers": {
                "task": self.task, "id": tag, "root_id": tag, "parent_id": None, "group": None, "lang": "py",
                "argsrepr": f"({len(batch)} messages)", "kwargsrepr": "{}", "ignore_result": True,
            },
            "properties": {
                "delivery_tag": tag, "delivery_info": {"exchange": "", "routing_key": self.queue},
            },
        }  # fmt: skip

    def stalls(self) -> Iterator[Stall]:
        """Yield what should happen here and has not for too long."""
        silent_s = self.receiver.silent_s()
        if silent_s > STALLED_S:
            text = f"{self.queue} has answered no receive for {silent_s:.0f} s"
            yield Stall(text, hangs=not self.receiver.fails)
        oldest = min(list(self.given_at.values()), default=None)
        if oldest is not None and time.monotonic() - oldest > STALLED_S:
            text = f"a batch from {self.queue} has been in a task for {time.monotonic() - oldest:.0f} s"
            yield Stall(text, hangs=True)

    def remove_all(self) -> Batch:
        """Remove and return every message that waits or is in a task."""
        self.enqueue_arrived(0.0)
        given = [each for batch in self.given.values() for each in batch]
        self.given.clear()
        return self.dispatcher.remove_all() + given


class QoS(virtual.QoS):
    """Counts the slots in use. Channel.close gives messages back, so nothing is restored here."""

    restore_at_shutdown = False


class Channel(virtual.Channel):
    """A channel that consumes through receivers; publishing is one SendMessage."""

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
        """Whether it receives from any queue."""
        return bool(self._consuming)

    # -- consuming ---------------------------------------------------------------------------------------

    def basic_consume(  # type: ignore[override] # the published types are those of AMQP
        self, queue: str, no_ack: bool, callback: Callable[..., Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        """Begin to receive from a queue. Raises ValueError for no_ack: a crash would lose messages."""
        if no_ack:
            raise ValueError("no_ack is refused: a message is deleted only after its reports are stored")
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        consuming = self._consuming[consumer_tag] = Consuming(self, queue)
        self._fit_limit()
        consuming.receiver.start()

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop receiving from a queue; give messages that no task has yet back at once."""
        consuming = self._consuming.get(consumer_tag)
        if consuming:
            consuming.receiver.stop()
            consuming.enqueue_arrived(0.0)
            back = consuming.dispatcher.remove_all()
            if back:
                consuming.receiver.release(back, within_s=RELEASE_WITHIN_S)
        super().basic_cancel(consumer_tag)

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Set how many batches may be in tasks at once."""
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self._fit_limit()
        self.connection.wake()

    def pump(self) -> float | None:
        """
        Deliver a batch to each free slot; return the time at which to call again, None for when woken.

        Called by the loop alone: a green pool's callback may run in a greenlet where delivering would deadlock.
        """
        due: list[float] = []
        for consuming in list(self._consuming.values()):
            dispatcher, receiver = consuming.dispatcher, consuming.receiver
            # Before it looks at what arrived: what arrives from now on wakes it again.
            consuming.enough = 1.0
            consuming.enqueue_arrived(time.monotonic())
            # In a solo worker a batch is done when _deliver returns: what still waits at the end is given back instead.
            while not receiver.stopping:
                if not self._has_slot(consuming):
                    consuming.enough = math.inf
                    break
                # Most slots are kept for others: with half of them for slow messages in a prefork pool, others waited
                # 8 s for the local DynamoDB (p99, measured 2026-11-26).
                slow_too = len(consuming.given_slow) < max(1, self._slots // 4)
                batch = dispatcher.next(time.monotonic(), more_to_come=receiver.busy, slow_too=slow_too)
                if batch is None:
                    if (at := dispatcher.due(time.monotonic(), slow_too=slow_too)) is not None:
                        due.append(at)
                        consuming.enough = dispatcher.most
                    break
                self._deliver(consuming, batch)
            receiver.pause(dispatcher.failures > 0)
        return min(due, default=None)

    def _has_slot(self, consuming: Consuming) -> bool:
        """Say whether a batch of this queue may go into a task now."""
        return bool(self.qos.can_consume()) and len(consuming.given) < self._slots_of(consuming)

    def _deliver(self, consuming: Consuming, batch: Batch) -> None:
        payload = consuming.give(batch)
        tag = payload["properties"]["delivery_tag"]
        try:
            self.connection.on_message_ready(self, payload, consuming.queue)
        except Exception:
            # Whatever failed in the consumer, the slot must be freed and the messages must come back.
            logger.exception("a batch of %d messages could not be given to a task", len(batch))
            self.basic_reject(tag, requeue=True)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Free a slot: the task has stored, or set aside, and deleted its messages."""
        self._finish(delivery_tag, self._succeeded)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """
        Free a slot whose task failed.

        requeue False: the store or the queue is down; keep the batch and try again here. requeue True: the task
        raised an error or its process crashed; give its messages back to SQS, from where each comes again alone.
        """
        self._finish(
            delivery_tag,
            lambda consuming, batch: (
                self._give_back(consuming, batch) if requeue else self._keep_for_retry(consuming, batch)
            ),
        )

    def _finish(self, delivery_tag: str, then: Callable[[Consuming, Batch], None]) -> None:
        try:
            for consuming in self._consuming.values():
                if (batch := consuming.given.pop(delivery_tag, None)) is not None:
                    consuming.given_at.pop(delivery_tag, None)
                    consuming.given_slow.discard(delivery_tag)
                    then(consuming, batch)
                    return
        finally:
            self.qos.ack(delivery_tag)
            self.connection.wake()

    def _succeeded(self, consuming: Consuming, batch: Batch) -> None:
        consuming.dispatcher.succeeded()
        consuming.receiver.done(batch)

    def _keep_for_retry(self, consuming: Consuming, batch: Batch) -> None:
        if self._is_ending(consuming):
            self._give_back(consuming, batch)
        else:
            consuming.dispatcher.failed(batch, time.monotonic())

    def _give_back(self, consuming: Consuming, batch: Batch) -> None:
        consuming.dispatcher.given_back()
        # In a thread: the loop must not wait for SQS.
        consuming.receiver.release_in_thread(batch)

    def stalls(self) -> list[Stall]:
        """Return what should happen and has not for too long."""
        return [stall for consuming in list(self._consuming.values()) for stall in consuming.stalls()]

    # -- the end -----------------------------------------------------------------------------------------

    def _is_ending(self, consuming: Consuming) -> bool:
        return bool(self.closed) or consuming.receiver.stopping

    def _on_shutting_down(self, **_: Any) -> None:
        # Celery cancels its consumers only later; until then nothing should be received, and no request tried again.
        aws.stopping.set()
        for consuming in self._consuming.values():
            consuming.receiver.stop()

    def close(self) -> None:
        """Give all messages in progress back to the queue, within a few seconds whether SQS answers or not."""
        if not self.closed:
            signals.worker_shutting_down.disconnect(self._on_shutting_down)
            released_by = time.monotonic() + RELEASE_WITHIN_S
            for consuming in self._consuming.values():
                consuming.receiver.stop()
                if back := consuming.remove_all():
                    logger.info("giving %d messages back to %s", len(back), consuming.queue)
                    consuming.receiver.release(back, within_s=released_by - time.monotonic())
                consuming.receiver.join(JOIN_S, released_by)
            self._consuming.clear()
        super().close()

    # -- publishing, and what else kombu calls -----------------------------------------------------------

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        sqs = aws.client("sqs")
        url = sqs.patiently("GetQueueUrl", {"QueueName": queue})["QueueUrl"]
        sqs.patiently("SendMessage", {"QueueUrl": url, "MessageBody": json.dumps(message)})

    def _purge(self, queue: str) -> NoReturn:
        raise NotImplementedError("reports are never purged: delete the queue in AWS if you must")

    @property
    def _slots(self) -> int:
        return int(self.qos.prefetch_count or 1)

    def _slots_of(self, consuming: Consuming) -> int:
        """Return in how many slots batches of this queue may be at once."""
        if consuming.is_own:
            return 1
        keeps_one = any(each.is_own for each in self._consuming.values())
        return max(1, self._slots - keeps_one)

    def _fit_limit(self) -> None:
        """Limit each receiver to the messages of its queue's slots and of one batch more: others may have the rest."""
        for consuming in self._consuming.values():
            batches = self._slots_of(consuming) + 1
            consuming.receiver.limit = consuming.dispatcher.most * batches + MESSAGES_PER_REQUEST
