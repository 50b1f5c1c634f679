"""Receives messages from one queue in threads of its own, and keeps them invisible while they are in progress."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from trashsite import aws, telemetry, tracing
from trashsite.outage import Outage
from trashsite.sqs import origin
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.entries import MESSAGES_PER_REQUEST, back_in_s, set_visibility
from trashsite.sqs.pacing import IN_FLIGHT, Pace

logger = logging.getLogger(__name__)

#: A worker that stops waits this long for its last poll: the messages of an unread answer would be invisible for
#: VISIBILITY_S. AWS allows 20 s, which would save 12 requests a minute of an idle worker.
WAIT_S = 4
#: A receive that is not answered by then counts as lost.
RECEIVE_TIMEOUT_S = WAIT_S + 5
#: Set by each receive: a message delivered to a worker that crashed is visible again after this time.
VISIBILITY_S = 30
EXTEND_AFTER_S = 12.0
#: The time that stopping may take: messages in progress are given back within this.
RELEASE_WITHIN_S = 3.0
#: Of bodies in progress; further receives of up to 10 MiB each can be in flight when it is reached.
MAX_BYTES = 16 * 1024 * 1024


class Receiver:
    """
    Receives up to ten messages at a time and passes them to `deliver`, which its threads call.

    `pacing` says when a receive begins and how many are in flight. It receives only while fewer than `limit` messages
    are in progress, and not while paused: so memory is bounded and no loop is busy.
    A message is in progress from its arrival until `done` or `release`; meanwhile its visibility is extended.
    """

    def __init__(self, queue: str, deliver: Callable[[list[Delivery]], None], *, limit: int) -> None:
        self.queue = queue
        self.limit = limit
        self.received = 0
        self._deliver = deliver
        self._url = ""
        lock = threading.RLock()
        #: What its threads wait for before they receive, and what a release waits for.
        self._changed, self._extended = threading.Condition(lock), threading.Condition(lock)
        #: Since when each message in progress may have been invisible: since its receive began, or was extended last.
        self._in_progress: dict[str, float] = {}
        #: What is being kept invisible at the moment: it may be given back only after that.
        self._extending: dict[str, int] = {}
        self._bytes = 0
        #: When each receive in flight began, by its thread.
        self._receiving: dict[int, float] = {}
        self._pace = Pace()
        self._paused = False
        self._silent_since: float | None = None
        self._stopping = threading.Event()
        self._stopped_at = 0.0
        self._outage = Outage(f"receiving from {queue}")
        self._threads = [
            threading.Thread(target=self._receive_on, name=f"receive-{at}", daemon=True) for at in range(IN_FLIGHT)
        ]
        self._releasing: list[threading.Thread] = []
        self._extender = threading.Thread(target=self._extend_visibility, name="extend-visibility", daemon=True)

    # -- what the channel calls ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to receive."""
        for thread in (*self._threads, self._extender):
            thread.start()

    def pause(self, paused: bool) -> None:
        """Stop receiving for now, or continue; messages in progress are not affected."""
        with self._changed:
            if paused != self._paused:
                self._paused = paused
                self._changed.notify_all()

    def stop(self) -> None:
        """Receive no more, for good. What still arrives is given back at once."""
        if not self._stopping.is_set():
            self._stopped_at = time.monotonic()
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def join(self, within_s: float, released_by: float) -> None:
        """
        Wait for receives in flight: the messages of an unread answer would be invisible for 30 s.

        within_s: counted from the stop; a poll that is answered at all is answered by then.
        released_by: the monotonic time until which to wait for the threads that give messages back.
        """
        answered_by = self._stopped_at + within_s
        for thread in self._threads:
            if thread.ident in self._receiving:
                thread.join(max(0.0, answered_by - time.monotonic()))
        for thread in (*self._threads, *self._releasing):
            if thread.ident not in self._receiving:
                thread.join(max(0.0, released_by - time.monotonic()))

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    @property
    def busy(self) -> bool:
        """Whether more is likely to come: more waited after the last answer, and another receive is or may begin."""
        return self._pace.more_in_a_row > 0 and (bool(self._receiving) or self._is_wanted(time.monotonic()))

    def silent_s(self) -> float:
        """Return for how long receives have been in flight without an answer."""
        since = self._silent_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def fails(self) -> bool:
        """Whether receiving fails: silence is then an outage, which was logged, and not a hang."""
        return self._outage.lasts

    @property
    def in_progress(self) -> int:
        """How many messages have arrived and are neither done nor given back."""
        return len(self._in_progress)

    def done(self, deliveries: Iterable[Delivery]) -> None:
        """Stop extending the visibility of messages that are deleted, or left to come back."""
        with self._changed:
            for each in deliveries:
                if self._in_progress.pop(each.receipt_handle, None) is not None:
                    self._bytes -= len(each.body)
            self._wake_if_wanted(time.monotonic())

    def release(self, deliveries: Sequence[Delivery], *, within_s: float = aws.PATIENCE_S) -> None:
        """
        Give messages back to the queue: in 2 s for one received the first time, later each time it comes again.

        So a message that breaks our code, or the process that runs it, does not use up its receives within seconds.
        """
        self.done(deliveries)
        deadline = time.monotonic() + within_s
        seconds = {
            each.receipt_handle: 0 if self._stopping.is_set() else back_in_s(each.receive_count) for each in deliveries
        }
        with self._changed:
            self._extended.wait_for(lambda: self._extending.keys().isdisjoint(seconds), within_s)
        set_visibility(self._url, seconds, within_s=deadline - time.monotonic())

    def release_in_thread(self, deliveries: Sequence[Delivery]) -> None:
        """Like release, but without waiting for SQS."""
        thread = threading.Thread(target=self.release, args=(deliveries,), name="release", daemon=True)
        with self._changed:
            thread.start()
            self._releasing = [*filter(threading.Thread.is_alive, self._releasing), thread]

    # -- its threads -------------------------------------------------------------------------------------

    def _receive_on(self) -> None:
        failures = 0
        while self._wait_until_wanted():
            messages: list[Delivery] = []
            try:
                messages = self._receive()
                failures = 0
            except Exception as error:  # without this thread the worker would receive no more, for ever
                failures += 1
                self._outage.failed(error)
            with self._changed:
                began = self._receiving.pop(threading.get_ident())
                if not failures:
                    # Another one that began earlier may still hang.
                    self._silent_since = min(self._receiving.values(), default=None)
                now = time.monotonic()
                self._pace.answered(messages, now, time.time() * 1000)
                self.received += len(messages)
                for each in messages:
                    # One answer may contain a message twice.
                    if each.receipt_handle not in self._in_progress:
                        self._bytes += len(each.body)
                    self._in_progress[each.receipt_handle] = began
                if failures:
                    # This one pauses.
                    self._wake_if_wanted(now)
            if messages:
                self._deliver_or_release(messages)
            elif failures:
                # At most 2.5 s, so that the end of an outage is noticed within 5 s.
                self._stopping.wait(aws.pause_s(failures, first_s=0.5, most_s=2.5))

    def _deliver_or_release(self, messages: list[Delivery]) -> None:
        if self._stopping.is_set():
            self.release(messages)
            return
        try:
            self._deliver(messages)
        except Exception:  # as above, and the messages come back
            logger.exception("%d messages could not be delivered and are given back", len(messages))
            self.release(messages)

    def _wait_until_wanted(self) -> bool:
        """Wait until another receive is wanted and within the limit; return False once stopped."""
        with self._changed:
            while not self._stopping.is_set():
                now = time.monotonic()
                if self._is_wanted(now):
                    self._receiving[threading.get_ident()] = now
                    if self._silent_since is None:
                        self._silent_since = now
                    self._wake_if_wanted(now)
                    return True
                self._changed.wait(self._pace.gathers_for(now))
        return False

    def _wake_if_wanted(self, now: float) -> None:
        """Wake one of the threads that wait where it would receive: each that wakes for nothing costs 80 µs of CPU."""
        if self._is_wanted(now):
            self._changed.notify()

    def _is_wanted(self, now: float) -> bool:
        """Return whether one more receive may begin."""
        receives = self._pace.receives(now)
        if self._outage.lasts:
            receives = min(receives, 1)
        expected = len(self._in_progress) + MESSAGES_PER_REQUEST * (len(self._receiving) + 1)
        fits = expected <= self.limit and self._bytes < MAX_BYTES
        return not self._paused and len(self._receiving) < receives and fits

    def _receive(self) -> list[Delivery]:
        began = time.monotonic()
        if not self._url:
            # Not in Celery's consumer, which would restart five times a second while SQS does not answer.
            self._url = aws.client("sqs").call("GetQueueUrl", {"QueueName": self.queue})["QueueUrl"]
        answer = aws.client("sqs").call(
            "ReceiveMessage",
            {
                "QueueUrl": self._url,
                "MaxNumberOfMessages": MESSAGES_PER_REQUEST,
                "WaitTimeSeconds": WAIT_S,
                "VisibilityTimeout": VISIBILITY_S,
                "MessageSystemAttributeNames": [
                    "ApproximateReceiveCount",
                    "SentTimestamp",
                    "SenderId",
                    tracing.AWS_HEADER,
                ],
                "MessageAttributeNames": [*origin.NAMES, tracing.TRACEPARENT],
            },
            timeout_s=RECEIVE_TIMEOUT_S,
        )
        messages = [Delivery.received(self._url, message) for message in answer.get("Messages") or ()]
        if messages:
            telemetry.MESSAGES_RECEIVED.add(len(messages))
            tracing.received(self.queue, len(messages), time.time() - (time.monotonic() - began))
        self._outage.ended(began)
        return messages

    def _extend_visibility(self) -> None:
        """Extend the visibility of messages long in progress, again and again, until none is left after the stop."""
        while not (self._stopping.is_set() and not self._in_progress):
            time.sleep(1.0)
            now = time.monotonic()
            with self._changed:
                self._extending = {
                    handle: VISIBILITY_S for handle, since in self._in_progress.items() if now - since >= EXTEND_AFTER_S
                }
            extended = False
            try:
                extended = set_visibility(self._url, self._extending)
            except Exception:  # without this thread whatever takes long would come again, ever after
                logger.exception("the visibility of %d messages could not be extended", len(self._extending))
            with self._changed:
                if extended:
                    self._in_progress.update(dict.fromkeys(self._extending.keys() & self._in_progress.keys(), now))
                self._extending = {}
                self._extended.notify_all()
