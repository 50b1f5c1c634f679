"""
Letters as they are received: messages of a dead-letter queue, of which those that belong together are one letter.

Listing is receiving: it hides a letter from all others for a while and raises its receive count. Neither can lose it,
since the dead-letter queue has no redrive policy: only its retention deletes a letter. So a listing hides briefly,
and makes the letters visible again at its end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Self

from reports.queue.requests import ALERTS, DEAD, DEAD_ALERTS, REPORTS, digest, url_of
from reports.report import iso
from trashsite import aws
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.entries import MESSAGES_PER_REQUEST, in_requests, request_entries

logger = logging.getLogger(__name__)

#: How long a receive waits for the first letter. AWS: with any wait it asks all servers, without one only a few.
WAIT_S = 1
#: A walk through the whole queue hides what it has received for this long; at its end all is visible again.
WALK_S = 900
#: A walk yields its letters once they are so many or so large: memory is bounded whatever the queue's size.
LETTERS_AT_ONCE = 10_000
BYTES_AT_ONCE = 32 * 1024 * 1024
#: Requests at one time; after one that fails no more are sent.
SIDE_BY_SIDE = 16


class LetterKind(StrEnum):
    """Of what letters are: reports that cannot be stored, or alerts that could not be delivered."""

    REPORTS = "reports"
    ALERTS = "alerts"

    @property
    def queue(self) -> str:
        """The dead-letter queue that holds them."""
        return DEAD if self is LetterKind.REPORTS else DEAD_ALERTS

    @property
    def source(self) -> str:
        """The queue from which they came, and to which they are sent back."""
        return REPORTS if self is LetterKind.REPORTS else ALERTS


@dataclass(frozen=True, slots=True)
class Copy:
    """One message of a dead-letter queue; its handle is valid until it is visible or received again."""

    message_id: str
    receipt_handle: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    What was set aside once, from one or several messages.

    body: the exact text that was sent, of one report or of a whole message. reason, field, error: why our worker set it
    aside; None where SQS moved the message after too many receives. Of an alert, field is the name of the rule by which
    it could not be delivered, and rule that rule's id. first_message_id, index, sent_at: which
    message brought it, where in its array, and when the queue first received it. receive_count: how often it had been
    received by then. copies: two for a text too large for one message, more after a crash between setting aside
    and deleting. complete: False where only a part of the text was seen.
    """

    body: str
    reason: str | None
    field: str | None
    error: str | None
    first_message_id: str
    index: int | None
    sent_at: datetime
    receive_count: int
    copies: tuple[Copy, ...]
    complete: bool = True
    #: Where the letter is an array with many invalid reports: how many, and which fields broke rules.
    summary: str | None = None
    #: AWS's id of who sent the message; "" where that is not known.
    sender_id: str = ""
    kind: LetterKind = LetterKind.REPORTS
    rule: str = ""

    @property
    def message_id(self) -> str:
        """Its id: the smallest one of its copies, so the same in each listing."""
        return self.copies[0].message_id

    @property
    def moved_by_sqs(self) -> bool:
        """Whether SQS moved it, after too many receives, so that no reason is known."""
        return self.reason is None

    def is_about(self, word: str) -> bool:
        """Whether `word` is its reason ("moved" where SQS moved it) or the field that broke a rule."""
        return word in (self.reason or "moved", self.field)

    def fields(self) -> dict[str, Any]:
        """Return its fields for JSON, handles included; from_fields restores it."""
        return {**asdict(self), "sent_at": iso(self.sent_at)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return the letter with these fields."""
        copies = tuple(Copy(**copy) for copy in fields["copies"])
        told = {"sent_at": datetime.fromisoformat(fields["sent_at"]), "kind": LetterKind(fields["kind"])}
        return cls(**{**fields, **told, "copies": copies})


# -- receiving -----------------------------------------------------------------------------------------------------

#: First message id, index or rule, sent at, digest of the text: what the parts and copies of one letter share.
_Key = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class _Message:
    """A message of a dead-letter queue: `part` is 0 for a whole text, 1 or 2 for a half."""

    copy: Copy
    delivery: Delivery
    facts: Mapping[str, str]
    part: int
    key: _Key


class Letters:
    """Received messages of one kind, grouped to letters: those of one key are parts or copies of the same letter."""

    def __init__(self, kind: LetterKind) -> None:
        self.kind = kind
        self.letters: dict[_Key, dict[str, _Message]] = {}
        #: The newest handle of each message received that will be visible again at the end.
        self.handles: dict[str, str] = {}
        self.size_bytes = 0
        self._received: set[str] = set()
        self._removed: set[_Key] = set()

    def add(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Add received messages; return False where none is new, so that no more will come."""
        read = [_read(message) for message in messages]
        new = {each.copy.message_id for each in read} - self._received
        for each in read:
            self.handles[each.copy.message_id] = each.copy.receipt_handle
            # A further copy of a letter that was returned before is not another letter.
            if each.key not in self._removed:
                self.letters.setdefault(each.key, {})[each.copy.message_id] = each
        self._received |= new
        self.size_bytes += sum(len(each.delivery.body) for each in read if each.copy.message_id in new)
        return bool(new)

    def remove(self, *, everything: bool = False) -> list[DeadLetter]:
        """Remove and return the complete letters; with everything also those whose other half is missing."""
        letters = {key: _letter(list(messages.values()), self.kind) for key, messages in self.letters.items()}
        removed = {key: letter for key, letter in letters.items() if everything or letter.complete}
        self._removed.update(removed)
        self.letters = {key: messages for key, messages in self.letters.items() if key not in removed}
        self.size_bytes = sum(len(each.delivery.body) for group in self.letters.values() for each in group.values())
        return list(removed.values())

    def leave_hidden(self, letters: Sequence[DeadLetter]) -> None:
        """Do not make these visible at the end: they are deleted, or the caller's."""
        for letter in letters:
            for copy in letter.copies:
                self.handles.pop(copy.message_id, None)


@contextmanager
def received_letters(kind: LetterKind) -> Iterator[Letters]:
    """Yield an empty collection; at the end, also by Ctrl-C, make its letters visible again, but for `leave_hidden`."""
    received = Letters(kind)
    try:
        yield received
    finally:
        _make_visible([Copy(*each) for each in received.handles.items()], kind)


def _make_visible(copies: Sequence[Copy], kind: LetterKind) -> None:
    """Make messages visible; where SQS does not answer, they become visible when their time is over."""
    tens = list(in_requests(copies))
    make_ten_visible = partial(request_copies, "ChangeMessageVisibilityBatch", kind, VisibilityTimeout=0)
    try:
        for at in range(0, len(tens), SIDE_BY_SIDE):
            aws.side_by_side(make_ten_visible, tens[at : at + SIDE_BY_SIDE], service="sqs")
    except (aws.AwsUnavailable, aws.AwsError) as error:
        logger.warning("up to %d dead letters stay hidden for %d s: %s", len(copies), WALK_S, error)


def walk(received: Letters, *, at_once: int | None = None) -> Iterator[list[DeadLetter]]:
    """Yield all letters, up to `at_once` or LETTERS_AT_ONCE at a time. Raises AwsUnavailable or AwsError."""
    while received.add(receive(received.kind, MESSAGES_PER_REQUEST, WALK_S)):
        if len(received.letters) >= (at_once or LETTERS_AT_ONCE) or received.size_bytes >= BYTES_AT_ONCE:
            yield received.remove()
    yield received.remove(everything=True)


def receive(kind: LetterKind, most: int, hidden_s: int) -> Sequence[Mapping[str, Any]]:
    """Receive up to ten messages, hidden for so many seconds; return SQS's. Raises AwsUnavailable or AwsError."""
    answer = aws.client("sqs").patiently(
        "ReceiveMessage",
        {
            "QueueUrl": url_of(kind.queue),
            "MaxNumberOfMessages": most,
            "WaitTimeSeconds": WAIT_S,
            "VisibilityTimeout": hidden_s,
            "MessageSystemAttributeNames": [
                "ApproximateReceiveCount",
                "SentTimestamp",
                "DeadLetterQueueSourceArn",
                "SenderId",
            ],
            "MessageAttributeNames": ["All"],
        },
    )
    return answer.get("Messages") or ()


def _read(message: Mapping[str, Any]) -> _Message:
    facts = {name: str(value.get("StringValue", "")) for name, value in message.get("MessageAttributes", {}).items()}
    # A message moved by SQS keeps the attributes that its sender chose: they are not ours.
    if "DeadLetterQueueSourceArn" in message.get("Attributes", {}) or "reason" not in facts:
        facts = {}
    delivery = Delivery.received("", message, is_ours=bool(facts))
    part, _, text_digest = facts.get("part", "0").partition(" ")
    return _Message(
        copy=Copy(delivery.message_id, delivery.receipt_handle),
        delivery=delivery,
        facts=facts,
        part={"1/2": 1, "2/2": 2}.get(part, 0),
        key=(
            delivery.first_message_id,
            facts.get("index") or facts.get("rule", ""),
            delivery.sent_at_ms,
            text_digest or digest(delivery.body),
        ),
    )


def _letter(messages: Sequence[_Message], kind: LetterKind) -> DeadLetter:
    """Return the letter of messages with one key."""
    # After a crash a message that we set aside may come back until SQS moves it: our copy has the facts.
    described = max(messages, key=lambda each: bool(each.facts))
    facts, delivery = described.facts, described.delivery
    texts = {each.part: each.delivery.body for each in messages}
    index, receives = facts.get("index", ""), facts.get("receive_count", "")
    return DeadLetter(
        body=texts.get(0) or texts.get(1, "") + texts.get(2, ""),
        reason=facts.get("reason"),
        field=facts.get("field"),
        error=facts.get("error"),
        first_message_id=delivery.first_message_id,
        index=int(index) if index.isdecimal() else None,
        sent_at=delivery.sent_at,
        receive_count=int(receives) if receives.isdecimal() else delivery.receive_count,
        copies=tuple(sorted((each.copy for each in messages), key=lambda copy: copy.message_id)),
        complete=0 in texts or len(texts) == 2,
        summary=facts.get("summary"),
        sender_id=delivery.origin.sender_id,
        kind=kind,
        rule=facts.get("rule", ""),
    )


def copies_of(letters: Sequence[DeadLetter]) -> list[Copy]:
    return [copy for letter in letters for copy in letter.copies]


def request_copies(operation: str, kind: LetterKind, copies: Sequence[Copy], **fields: int) -> set[Copy]:
    """
    Send a batch operation for any number of messages of a kind; return those for which SQS did not do it.

    Raises AwsUnavailable or AwsError where it did not answer.
    """
    left: set[Copy] = set()
    for ten in in_requests(copies):
        entries = [{"ReceiptHandle": copy.receipt_handle, **fields} for copy in ten]
        results = request_entries(operation, url_of(kind.queue), entries)
        if results.error:
            raise results.error
        left.update(copy for at, copy in enumerate(ten) if at not in results.done)
    return left
