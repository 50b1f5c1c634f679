"""
The dead letters: what can never be stored, or was received too often, kept until somebody has looked at it.

Listing is receiving: it hides a letter from all others for a while and raises its receive count. Neither can lose it,
since the dead-letter queue has no redrive policy: only its retention deletes a letter. So a listing hides briefly,
and makes the letters visible again at its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from reports.queue.requests import (
    DEAD,
    REPORTS,
    as_queue_errors,
    digest,
    in_batches,
    message_attributes,
    send_batch,
    size_bytes,
    url_of,
)
from reports.report import EPOCH, iso
from trashsite import aws, json_slices
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.entries import MAX_BYTES, MESSAGES_PER_REQUEST, in_requests, request_entries
from trashsite.sqs.origin import Origin, require_key

logger = logging.getLogger(__name__)

#: How long a receive waits for the first letter. AWS: with any wait it asks all servers, without one only a few.
WAIT_S = 1
#: A walk through the whole queue hides what it has received for this long; at its end all is visible again.
WALK_S = 900
#: Letters that are about to be copied and deleted are hidden for this long.
HELD_S = 60
#: A walk yields its letters once they are so many or so large: memory is bounded whatever the queue's size.
LETTERS_AT_ONCE = 10_000
BYTES_AT_ONCE = 32 * 1024 * 1024
#: Requests at one time; after one that fails no more are sent.
SIDE_BY_SIDE = 16


@dataclass(frozen=True, slots=True)
class Copy:
    """One message of the dead-letter queue; its handle is valid until it is visible or received again."""

    message_id: str
    receipt_handle: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    What was set aside once, from one or several messages.

    body: the exact text that was sent, of one report or of a whole message. reason, field, error: why our worker set it
    aside; None where SQS moved the message after too many receives. first_message_id, index, sent_at: which
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
        return cls(**{**fields, "copies": copies, "sent_at": datetime.fromisoformat(fields["sent_at"])})


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    """
    What became of letters, by message id. done: redriven or discarded.

    again: unchanged, to be listed again. SQS refused a handle, since the letter is visible or received by another
    reader, or only a part of the letter was received.
    """

    done: Sequence[str]
    again: Sequence[str]


#: Whether a letter is meant.
Choice = Callable[[DeadLetter], bool]


def sample_letters(*, most: int = 10, hidden_s: int = 30, release: bool = False) -> list[DeadLetter]:
    """
    Return up to `most` letters, fewer where no more come.

    They stay hidden for `hidden_s` seconds, while their handles are valid; with release they are visible again at
    once. Raises QueueUnavailable.
    """
    with _received_letters() as received, as_queue_errors():
        while (left := most - len(received.letters)) > 0:
            if not received.add(_receive(min(left, MESSAGES_PER_REQUEST), hidden_s)):
                break
        letters = received.remove(everything=True)
        if not release:
            received.leave_hidden(letters)
        return letters


def find_letters(message_ids: Collection[str], *, hidden_s: int = HELD_S) -> list[DeadLetter]:
    """
    Return the letters of these ids, hidden for `hidden_s` seconds; whatever else was received is visible again.

    One that is not among them is gone, or received by another reader. Raises QueueUnavailable.
    """
    wanted = set(message_ids)
    matches: list[DeadLetter] = []
    with _received_letters() as received, as_queue_errors():
        # Few enough for a page that waits, and enough to contain most second copies.
        for letters in _walk(received, at_once=500):
            chosen = [letter for letter in letters if wanted.intersection(copy.message_id for copy in letter.copies)]
            wanted.difference_update(copy.message_id for copy in _copies(chosen))
            received.leave_hidden(chosen)
            matches += chosen
            if not wanted:
                break
        _request("ChangeMessageVisibilityBatch", _copies(matches), VisibilityTimeout=hidden_s)
    return matches


def walk_letters() -> Generator[list[DeadLetter]]:
    """
    Yield all letters, up to some thousands at a time, each once and hidden from others until the walk ends.

    AWS hides at most 120,000 messages at once: a walk yields no more than that. Raises QueueUnavailable.
    """
    with _received_letters() as received, as_queue_errors():
        yield from _walk(received)


def redrive_where(wanted: Choice) -> Generator[LetterOutcome]:
    """
    Send back all letters that are wanted, and yield what became of each ten of them.

    It may be stopped at any moment without loss, and a second call continues. Letters that the worker sets aside again
    meanwhile are not sent again. Raises QueueUnavailable, and RedriveKeyMissing as `redrive` does.
    """
    require_key()
    sent: set[tuple[str, datetime, str]] = set()
    with _received_letters() as received, as_queue_errors():
        for letters in _walk(received):
            chosen = [letter for letter in letters if _identity(letter) not in sent and wanted(letter)]
            for ten in in_requests(chosen):
                outcome = redrive(ten)
                sent.update(map(_identity, ten))
                done = set(outcome.done)
                received.leave_hidden([letter for letter in ten if letter.message_id in done])
                yield outcome


def redrive(letters: Sequence[DeadLetter]) -> LetterOutcome:
    """
    Send letters back to the worker's queue: a copy with the first message id and time, then delete the letter.

    A crash between the two leaves both, which is harmless: a report is stored once. The first time matters for a
    report without measured_at, which counts as measured then. Raises QueueUnavailable: what was not yet
    deleted is still there. Raises RedriveKeyMissing, and does nothing, where no key can sign the first id and time.
    """
    require_key()
    return _delete_after(_send_back, letters)


def discard(letters: Sequence[DeadLetter]) -> LetterOutcome:
    """Delete letters for good. Raises QueueUnavailable: what was not yet deleted is still there."""
    return _delete_after(lambda hidden: hidden, letters)


# -- receiving -------------------------------------------------------------------------------------------


#: First message id, index, sent at, digest of the text: what the parts and copies of one letter share.
_Key = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class _Message:
    """A message of the dead-letter queue: `part` is 0 for a whole text, 1 or 2 for a half."""

    copy: Copy
    delivery: Delivery
    facts: Mapping[str, str]
    part: int
    key: _Key


class _Letters:
    """Received messages grouped to letters: those of one key are parts or copies of the same letter."""

    def __init__(self) -> None:
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
        letters = {key: _letter(list(messages.values())) for key, messages in self.letters.items()}
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
def _received_letters() -> Iterator[_Letters]:
    """Yield an empty collection; at the end, also by Ctrl-C, make its letters visible again, but for `leave_hidden`."""
    received = _Letters()
    try:
        yield received
    finally:
        _make_visible([Copy(*each) for each in received.handles.items()])


def _make_visible(copies: Sequence[Copy]) -> None:
    """Make messages visible; where SQS does not answer, they become visible when their time is over."""
    tens = list(in_requests(copies))
    try:
        for at in range(0, len(tens), SIDE_BY_SIDE):
            aws.side_by_side(_make_ten_visible, tens[at : at + SIDE_BY_SIDE], service="sqs")
    except (aws.AwsUnavailable, aws.AwsError) as error:
        logger.warning("up to %d dead letters stay hidden for %d s: %s", len(copies), WALK_S, error)


def _make_ten_visible(copies: Sequence[Copy]) -> None:
    _request("ChangeMessageVisibilityBatch", copies, VisibilityTimeout=0)


def _walk(received: _Letters, *, at_once: int | None = None) -> Iterator[list[DeadLetter]]:
    while received.add(_receive(MESSAGES_PER_REQUEST, WALK_S)):
        if len(received.letters) >= (at_once or LETTERS_AT_ONCE) or received.size_bytes >= BYTES_AT_ONCE:
            yield received.remove()
    yield received.remove(everything=True)


def _receive(most: int, hidden_s: int) -> Sequence[Mapping[str, Any]]:
    answer = aws.client("sqs").patiently(
        "ReceiveMessage",
        {
            "QueueUrl": url_of(DEAD),
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
            facts.get("index", ""),
            delivery.sent_at_ms,
            text_digest or digest(delivery.body),
        ),
    )


def _letter(messages: Sequence[_Message]) -> DeadLetter:
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
    )


def _identity(letter: DeadLetter) -> tuple[str, datetime, str]:
    """Return what identifies a letter that the worker sets aside a second time: its index is not the same then."""
    return letter.first_message_id, letter.sent_at, digest(letter.body)


# -- deleting --------------------------------------------------------------------------------------------


def _delete_after(
    first: Callable[[list[DeadLetter]], list[DeadLetter]], letters: Sequence[DeadLetter]
) -> LetterOutcome:
    """Hide letters, call `first`, and delete those that it returns, ten at a time."""
    distinct = list({letter.message_id: letter for letter in letters}.values())
    done: list[str] = []
    with as_queue_errors():
        for ten in in_requests(distinct):
            # AWS answers "deleted" for an expired handle too, but does not extend its visibility.
            expired = _request("ChangeMessageVisibilityBatch", _copies(ten), VisibilityTimeout=HELD_S)
            ready = first([letter for letter in ten if expired.isdisjoint(letter.copies)])
            kept = _request("DeleteMessageBatch", _copies(ready))
            done += [letter.message_id for letter in ready if kept.isdisjoint(letter.copies)]
    finished = set(done)
    return LetterOutcome(done, [each.message_id for each in distinct if each.message_id not in finished])


def _send_back(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Send a copy of each letter to the worker's queue; return those that could be sent."""
    sendable = [(letter, messages) for letter in letters if letter.complete and (messages := _messages(letter))]
    for batch in in_batches([message for _, messages in sendable for message in messages]):
        send_batch(REPORTS, batch)
    return [letter for letter, _ in sendable]


def _messages(letter: DeadLetter) -> list[dict[str, Any]]:
    """Return a letter's message, or several where an array with its first id and time is too large for one."""
    sent_at_ms = (letter.sent_at - EPOCH) // timedelta(milliseconds=1)
    first = Origin(letter.first_message_id, sent_at_ms, letter.sender_id)
    most_bytes = MAX_BYTES - size_bytes({"MessageBody": "", "MessageAttributes": message_attributes(first.signed(""))})
    if bodies := _split(letter.body, most_bytes):
        return [{"MessageBody": body, "MessageAttributes": message_attributes(first.signed(body))} for body in bodies]
    if len(letter.body.encode()) <= MAX_BYTES:
        # No valid report is nearly as large: it will be set aside again, with another id.
        return [{"MessageBody": letter.body}]
    logger.warning("dead letter %s is too large to be sent: export and discard it", letter.message_id)
    return []


def _split(body: str, most_bytes: int) -> list[str]:
    """Return a text as one piece, or an array in pieces of at most `most_bytes` each; no piece where that fails."""
    if len(body.encode()) <= most_bytes:
        return [body]
    try:
        parsed, start, end = json_slices.value(body)
        json_slices.finish(body, end)
    except (ValueError, RecursionError):
        return []
    if not isinstance(parsed, list) or len(parsed) < 2:
        return []
    elements = [body[each.start : each.end] for each in json_slices.elements(body, start)]
    half = len(elements) // 2
    pieces = [_split(f"[{','.join(each)}]", most_bytes) for each in (elements[:half], elements[half:])]
    return pieces[0] + pieces[1] if all(pieces) else []


def _copies(letters: Sequence[DeadLetter]) -> list[Copy]:
    return [copy for letter in letters for copy in letter.copies]


def _request(operation: str, copies: Sequence[Copy], **fields: int) -> set[Copy]:
    """Send a batch operation for any number of messages; return those for which SQS did not do it."""
    left: set[Copy] = set()
    for ten in in_requests(copies):
        entries = [{"ReceiptHandle": copy.receipt_handle, **fields} for copy in ten]
        results = request_entries(operation, url_of(DEAD), entries)
        if results.error:
            raise results.error
        left.update(copy for at, copy in enumerate(ten) if at not in results.done)
    return left
