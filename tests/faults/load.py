"""The load while things break: what a fleet's devices send, all of it noted in a ledger."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from simulator.fleet import Fleet, Measurement
from tests.faults.pace import PACE
from tests.support.ledger import Ledger

CANS = 60
#: Reports measured in the past, so that a sender that is late never comes before its own instant.
BEHIND = timedelta(minutes=20)
TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Mix:
    """
    What is sent. rate: reports a second, copies not counted. arrays: the share that travels in arrays of 2 to 8.
    copies: each message is sent so many times, from the least to the most. old: the share measured days ago.
    shuffled: within so many reports the order is lost. poison: how many of the messages can never be stored.
    """

    rate: float = 110.0
    arrays: float = 0.4
    copies: tuple[int, int] = (1, 1)
    old: float = 0.1
    shuffled: int = 24
    poison: float = 0.0


class Load:
    """
    Sends a fleet's reports to a queue, from its own thread, until it is stopped.

    key: begins the id of each can, so that the reports of one load are told from those of another.
    """

    def __init__(self, sqs: Any, queue_url: str, key: str, mix: Mix, *, seed: int = 1) -> None:
        self.key = key
        self.mix = mix
        self.rate = min(mix.rate, PACE.most_rate)
        self.ledger = Ledger()
        self._sqs = sqs
        self._queue_url = queue_url
        self._chance = random.Random(f"{key} {seed}")
        self._noting = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send_on, name="load", daemon=True)
        self._failure: Exception | None = None
        self._paused = threading.Event()
        self._canaries = 0
        #: Of some texts that must be set aside: the field that must be named.
        self.fields: dict[str, str] = {}
        fleet = Fleet(seed, CANS)
        self._measurements = fleet.at_rate(self.rate, datetime.now(UTC) - BEHIND)
        self._bodies = self._worded()

    @property
    def sent(self) -> int:
        """How many reports were sent, copies and poison included."""
        with self._noting:
            return self.ledger.reports.total() + self.ledger.poison.total()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more. Raises what the sending tripped over."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._failure:
            raise self._failure

    def pause(self) -> None:
        """Send nothing of its own until `resume`."""
        self._paused.set()

    def resume(self) -> None:
        """Go on, and make nothing up for the pause."""
        self._paused.clear()

    def send(self, reports: int) -> None:
        """Send so many reports at once, as many messages as they come in."""
        goal = self.sent + reports
        while self.sent < goal:
            self._publish(list(islice(self._bodies, 50)))

    def canary(self) -> str:
        """Send one report of a can of its own, and return the can's id."""
        self._canaries += 1
        can_id = f"{self.key}-canary{self._canaries}"
        self.send_body(f'{{"can_id":"{can_id}","level":"50.5","measured_at":"{_iso(datetime.now(UTC))}"}}')
        return can_id

    def change(self, can_id: str, level: str) -> None:
        """Send a report of a can that has reported before."""
        self.send_body(f'{{"can_id":"{can_id}","level":"{level}","measured_at":"{_iso(datetime.now(UTC))}"}}')

    def send_body(self, body: str) -> None:
        """Send a message of good reports."""
        self._publish([(body, ())])

    def send_poison(self, body: str, *texts: str) -> None:
        """Send a message of which these texts must be set aside (the body itself where none is named)."""
        self._publish([(body, texts or (body,))])

    def send_mixed(self, body: str, good: str, bad: Sequence[str]) -> None:
        """Send a message of reports that are `good`, a JSON array, and of `bad` texts that must be set aside."""
        with self._noting:
            self.ledger.sent(good)
            self.ledger.sent_poison(*bad)
        self._post([body])

    def note_poison(self, texts: Sequence[str]) -> None:
        """Note texts that must be set aside, of a message that somebody else sends."""
        with self._noting:
            self.ledger.sent_poison(*texts)

    def send_uplinks(self, messages: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """Send messages of sensors, each with its texts that must be set aside; the rest is the scenario's to judge."""
        for _, texts in messages:
            self.note_poison(texts)
        self._post([body for body, _ in messages])

    def send_messages(self, messages: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """Send messages, each with the texts of it that must be set aside: none where all of it is good."""
        self._publish(messages)

    # -- its thread --------------------------------------------------------------------------------------

    def _send_on(self) -> None:
        began, base = time.monotonic(), self.sent
        try:
            while not self._stopping.wait(TICK_S):
                if self._paused.is_set():
                    began, base = time.monotonic(), self.sent
                    continue
                due = (time.monotonic() - began) * self.rate * sum(self.mix.copies) / 2
                while self.sent - base < due and not self._stopping.is_set():
                    self._publish(list(islice(self._bodies, 10)))
        except Exception as error:  # told by stop()
            self._failure = error

    def _publish(self, messages: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        with self._noting:
            for body, poison in messages:
                if poison:
                    self.ledger.sent_poison(*poison)
                else:
                    self.ledger.sent(body)
        self._post([body for body, _ in messages])

    def _post(self, bodies: Sequence[str]) -> None:
        batch: list[dict[str, str]] = []
        size = 0
        for at, body in enumerate(bodies):
            length = len(body.encode())
            if batch and (len(batch) == 10 or size + length > 1024 * 1024):
                self._send_batch(batch)
                batch, size = [], 0
            batch.append({"Id": str(at), "MessageBody": body})
            size += length
        if batch:
            self._send_batch(batch)

    def _send_batch(self, entries: list[dict[str, str]]) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = self._sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            except Exception:
                # The server itself may be down: a device tries again, too.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
                continue
            assert not answer.get("Failed"), answer["Failed"]
            return

    # -- its words ---------------------------------------------------------------------------------------

    def _worded(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield bodies, and of each the texts that must be set aside."""
        while True:
            texts = [self._text(each) for each in islice(self._measurements, self.mix.shuffled)]
            self._chance.shuffle(texts)
            messages = list(self._folded(texts))
            copies = [message for message in messages for _ in range(self._chance.randint(*self.mix.copies))]
            self._chance.shuffle(copies)
            for message in copies:
                yield message
                if self._chance.random() < self.mix.poison:
                    bad = f'{{"can_id":"{self.key}-bad","level":"{self._chance.random() + 101}"}}'
                    yield bad, (bad,)

    def _folded(self, texts: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        while texts:
            if self._chance.random() < self.mix.arrays / 3:
                count = self._chance.randint(2, 8)
                taken, texts = texts[:count], texts[count:]
                yield f"[{','.join(taken)}]", ()
            else:
                yield texts.pop(), ()

    def _text(self, measured: Measurement) -> str:
        at = measured.measured_at
        if self._chance.random() < self.mix.old:
            at -= timedelta(days=self._chance.randint(1, 300))
        stream = json.dumps(measured.can.stream)
        can_id = f"{self.key}-{measured.can.can_id}"
        return f'{{"can_id":"{can_id}","level":"{measured.level}","measured_at":"{_iso(at)}","stream":{stream}}}'


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
