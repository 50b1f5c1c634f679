"""Takes messages from one queue in threads of its own, and keeps them invisible while they are in hand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from trashsite import aws
from trashsite.outage import Outage
from trashsite.sqs.delivery import CARRIED, Delivery
from trashsite.sqs.entries import MESSAGES_PER_REQUEST, back_in_s, set_visibility

logger = logging.getLogger(__name__)

#: A worker that stops waits this long for its last poll: one that it left would bring ten messages to nobody, and
#: hide them for VISIBILITY_S. AWS allows 20 s, which would save 12 requests a minute of an idle worker.
WAIT_S = 4
#: A receive that is not answered by then never will be.
RECEIVE_TIMEOUT_S = WAIT_S + 5
#: Given with each receive, so that a message answered to a worker that is gone is back this soon.
VISIBILITY_S = 30
EXTEND_AFTER_S = 12.0
#: The time that an end may take: what is in hand is given back within this.
RELEASE_WITHIN_S = 3.0
IN_FLIGHT = 3
#: Bodies in hand; ten more receives of 10 times 1 MiB can be on their way when it is reached.
MAX_BYTES = 16 * 1024 * 1024


class Receiver:
    """
    Asks a queue for ten messages at a time and hands them over by `deliver`, called from its threads.

    Several receives are in flight while the last one came back full, else one. It asks only while what is in
    hand leaves room below `limit` messages, and not at all while held: so memory is bounded and nothing spins.
    A message is in hand from its arrival until `done` or `release`; meanwhile its visibility is extended.
    """

    def __init__(self, queue: str, deliver: Callable[[list[Delivery]], None], *, limit: int) -> None:
        self.queue = queue
        self.limit = limit
        self.received = 0
        self._deliver = deliver
        self._url = ""
        self._changed = threading.Condition()
        self._in_hand: dict[str, float] = {}
        #: What is being kept invisible at the moment: giving it back has to come after that.
        self._extending: dict[str, int] = {}
        self._bytes = 0
        #: When each receive that is in flight was begun, by its thread.
        self._asked: dict[int, float] = {}
        self._full = False
        self._held = False
        self._silent_since: float | None = None
        self._stopping = threading.Event()
        self._stopped_at = 0.0
        self._outage = Outage(f"receiving from {queue}")
        self._threads = [
            threading.Thread(target=self._receive_on, name=f"receive-{at}", daemon=True) for at in range(IN_FLIGHT)
        ]
        self._releasing: list[threading.Thread] = []
        self._keeper = threading.Thread(target=self._keep, name="keep-invisible", daemon=True)

    # -- what the dispatcher tells it --------------------------------------------------------------------

    def start(self) -> None:
        """Begin to receive."""
        for thread in (*self._threads, self._keeper):
            thread.start()

    def hold(self, held: bool) -> None:
        """Stop asking for more, or go on: what is in hand stays in hand."""
        with self._changed:
            self._held = held
            self._changed.notify_all()

    def stop(self) -> None:
        """Ask for nothing more, for good. What still arrives is given back at once."""
        if not self._stopping.is_set():
            self._stopped_at = time.monotonic()
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def join(self, within_s: float, released_by: float) -> None:
        """
        Wait for receives that are in flight: what an abandoned one brings is invisible for 30 s.

        within_s: counted from the stop, for a poll that is answered at all is answered so soon after it.
        released_by: the monotonic time until which to wait for what gives messages back, which would end with the
        process.
        """
        answered_by = self._stopped_at + within_s
        for thread in self._threads:
            if thread.ident in self._asked:
                thread.join(max(0.0, answered_by - time.monotonic()))
        for thread in (*self._threads, *self._releasing):
            if thread.ident not in self._asked:
                thread.join(max(0.0, released_by - time.monotonic()))

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    @property
    def busy(self) -> bool:
        """Whether more is on its way: the last answer was full and another receive is in flight."""
        return self._full and bool(self._asked)

    def silent_s(self) -> float:
        """Return for how long the queue has answered nothing although it was asked."""
        since = self._silent_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def knows_why(self) -> bool:
        """Whether it has said that receiving fails: silence is then an outage, and no hang."""
        return self._outage.lasts

    @property
    def in_hand(self) -> int:
        """How many messages are between their arrival and their end."""
        return len(self._in_hand)

    def done(self, deliveries: Iterable[Delivery]) -> None:
        """These need no more care: deleted, or left to come back."""
        with self._changed:
            for each in deliveries:
                if self._in_hand.pop(each.receipt_handle, None) is not None:
                    self._bytes -= len(each.body)
            self._changed.notify_all()

    def release(self, deliveries: Sequence[Delivery], *, within_s: float = aws.PATIENCE_S) -> None:
        """
        Give messages back to the queue: in 2 s for one received the first time, later each time it comes again.

        A message that breaks our code, or the process that runs it, so does not burn its receives in seconds.
        """
        self.done(deliveries)
        deadline = time.monotonic() + within_s
        seconds = {
            each.receipt_handle: 0 if self._stopping.is_set() else back_in_s(each.receive_count) for each in deliveries
        }
        with self._changed:
            self._changed.wait_for(lambda: self._extending.keys().isdisjoint(seconds), within_s)
        set_visibility(self._url, seconds, within_s=deadline - time.monotonic())

    def release_aside(self, deliveries: Sequence[Delivery]) -> None:
        """Like release, but without waiting for SQS, which may not answer."""
        thread = threading.Thread(target=self.release, args=(deliveries,), name="release", daemon=True)
        with self._changed:
            thread.start()
            self._releasing = [*filter(threading.Thread.is_alive, self._releasing), thread]

    # -- its threads -------------------------------------------------------------------------------------

    def _receive_on(self) -> None:
        failures = 0
        while self._take_turn():
            messages: list[Delivery] = []
            try:
                messages = self._receive()
                failures = 0
            except Exception as error:  # a receiver that ends would be a worker that idles for ever
                failures += 1
                self._outage.failed(error)
            with self._changed:
                del self._asked[threading.get_ident()]
                if not failures:
                    # Another one that was asked before may be hanging all the while.
                    self._silent_since = min(self._asked.values(), default=None)
                self._full = len(messages) == MESSAGES_PER_REQUEST
                self.received += len(messages)
                for each in messages:
                    # One answer may hold a message twice.
                    if each.receipt_handle not in self._in_hand:
                        self._bytes += len(each.body)
                    self._in_hand[each.receipt_handle] = time.monotonic()
                self._changed.notify_all()
            if messages:
                self._hand_over(messages)
            elif failures:
                # So that the end of an outage is noticed within 5 s, with what hangs on it.
                self._stopping.wait(aws.pause_s(failures, first_s=0.5, most_s=2.5))

    def _hand_over(self, messages: list[Delivery]) -> None:
        if self._stopping.is_set():
            self.release(messages)
            return
        try:
            self._deliver(messages)
        except Exception:  # as above: this thread must go on, and the messages come back
            logger.exception("%d messages could not be handed over and go back", len(messages))
            self.release(messages)

    def _take_turn(self) -> bool:
        """Wait until another receive is wanted and there is room for it; False once stopped."""
        with self._changed:
            while not self._stopping.is_set():
                wanted = IN_FLIGHT if self._full and not self._outage.lasts else 1
                expected = len(self._in_hand) + MESSAGES_PER_REQUEST * (len(self._asked) + 1)
                fits = expected <= self.limit and self._bytes < MAX_BYTES
                if not self._held and len(self._asked) < wanted and fits:
                    self._asked[threading.get_ident()] = now = time.monotonic()
                    if self._silent_since is None:
                        self._silent_since = now
                    return True
                self._changed.wait()
        return False

    def _receive(self) -> list[Delivery]:
        began = time.monotonic()
        if not self._url:
            # Asked for here, where SQS may be away: Celery's consumer would restart five times a second.
            self._url = aws.client("sqs").call("GetQueueUrl", {"QueueName": self.queue})["QueueUrl"]
        answer = aws.client("sqs").call(
            "ReceiveMessage",
            {
                "QueueUrl": self._url,
                "MaxNumberOfMessages": MESSAGES_PER_REQUEST,
                "WaitTimeSeconds": WAIT_S,
                "VisibilityTimeout": VISIBILITY_S,
                "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
                "MessageAttributeNames": list(CARRIED),
            },
            timeout_s=RECEIVE_TIMEOUT_S,
        )
        messages = [Delivery.received(self._url, message) for message in answer.get("Messages") or ()]
        self._outage.ended(began)
        return messages

    def _keep(self) -> None:
        """Extend what has been in hand for long, again and again, until nothing is left after the stop."""
        while not (self._stopping.is_set() and not self._in_hand):
            time.sleep(1.0)
            now = time.monotonic()
            with self._changed:
                self._extending = {
                    handle: VISIBILITY_S for handle, since in self._in_hand.items() if now - since >= EXTEND_AFTER_S
                }
            extended = set_visibility(self._url, self._extending)
            with self._changed:
                if extended:
                    self._in_hand.update(dict.fromkeys(self._extending.keys() & self._in_hand.keys(), now))
                self._extending = {}
                self._changed.notify_all()
