"""
The dead letters: what can never be stored, or was received too often, until somebody has looked.

Looking is receiving: it hides a letter from everybody else for a while and raises its count of receives. Neither
can lose it, for the dead-letter queue has no redrive policy of its own: nothing moves a letter on or drops it but
the queue's retention. So a look hides briefly, and whoever has seen enough makes the letters visible again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from reports.queue.requests import (
    BATCH,
    DEAD,
    MAX_BYTES,
    REPORTS,
    TRIES,
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

logger = logging.getLogger(__name__)

#: What a receive waits for the first letter. AWS: any wait asks all of its servers, none only a few of them.
WAIT_S = 1
#: A walk through the whole queue hides what it has seen for this long; it ends earlier, and shows all again.
WALK_S = 900
#: What is about to be copied and deleted is held for this long.
HELD_S = 60
#: A walk gives out what it has once it holds this much: memory is bounded whatever the queue holds.
LETTERS_AT_ONCE = 10_000
BYTES_AT_ONCE = 32 * 1024 * 1024
#: Requests at one time; after the first that fails none is made.
SIDE_BY_SIDE = 16


@dataclass(frozen=True, slots=True)
class Copy:
    """One message of the dead-letter queue; its handle is good until it is visible or received again."""

    message_id: str
    receipt_handle: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    What was set aside once, from one or several messages.

    body: the exact text that was sent, of one report or of a whole message. reason, field, error: what our worker
    found; None where SQS moved the message after too many receives. first_message_id, index, sent_at: which
    message brought it, where in its array, and when the queue first took it. receive_count: how often it had been
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

    @property
    def message_id(self) -> str:
        """The name by which to ask for it: the smallest id of its copies, so the same in each listing."""
        return self.copies[0].message_id

    @property
    def moved_by_sqs(self) -> bool:
        """Whether SQS moved it, after too many receives, and nobody knows why."""
        return self.reason is None

    def is_about(self, word: str) -> bool:
        """Whether `word` is its reason ("moved" where SQS moved it) or the field that broke a rule."""
        return word in (self.reason or "moved", self.field)

    def fields(self) -> dict[str, Any]:
        """Return it as JSON can carry it, handles included: from_fields is the way back."""
        return {**asdict(self), "sent_at": iso(self.sent_at)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return the letter that gave these fields."""
        copies = tuple(Copy(**copy) for copy in fields["copies"])
        return cls(**{**fields, "copies": copies, "sent_at": datetime.fromisoformat(fields["sent_at"])})


@dataclass(frozen=True, slots=True)
class Settled:
    """
    What became of letters, by message id: done, or to be listed again.

    again: SQS refused a handle, since the letter is visible or in somebody else's hand; or the letter is there in
    part only. It is where it was: list again.
    """

    done: Sequence[str]
    again: Sequence[str]


#: Which letters are meant.
Choice = Callable[[DeadLetter], bool]


def sample_letters(*, most: int = 10, hidden_s: int = 30, release: bool = False) -> list[DeadLetter]:
    """
    Return up to `most` letters, fewer where no more come.

    They stay hidden for `hidden_s` seconds, in which their handles are good; with release they are visible again
    at once. Raises QueueUnavailable.
    """
    with _pile() as pile, as_queue_errors():
        while (room := most - len(pile.letters)) > 0 and pile.add(_receive(min(room, BATCH), hidden_s)):
            pass
        letters = pile.take(everything=True)
        if not release:
            pile.forget(letters)
        return letters


def find_letters(message_ids: Collection[str], *, hidden_s: int = HELD_S) -> list[DeadLetter]:
    """
    Return the letters of these ids, hidden for `hidden_s` seconds; whatever else was received is visible again.

    One that is not among them is gone, or in somebody else's hand. Raises QueueUnavailable.
    """
    wanted = set(message_ids)
    found: list[DeadLetter] = []
    with _pile() as pile, as_queue_errors():
        # Soon enough for a page, and late enough for most second copies.
        for letters in _walk(pile, at_once=500):
            chosen = [letter for letter in letters if wanted.intersection(copy.message_id for copy in letter.copies)]
            wanted.difference_update(copy.message_id for copy in _copies(chosen))
            pile.forget(chosen)
            found += chosen
            if not wanted:
                break
        _ask("ChangeMessageVisibilityBatch", _copies(found), VisibilityTimeout=hidden_s)
    return found


def walk_letters() -> Generator[list[DeadLetter]]:
    """
    Yield all letters, up to some thousands at a time, each once and hidden from others until the walk ends.

    AWS lets 120,000 messages be hidden at once: a walk sees no more than that. Raises QueueUnavailable.
    """
    with _pile() as pile, as_queue_errors():
        yield from _walk(pile)


def redrive_where(wanted: Choice) -> Generator[Settled]:
    """
    Send back all letters that are wanted, and yield what became of each ten of them.

    Left at any moment, it has lost nothing, and asked again it goes on. What the worker sets aside again meanwhile
    is left alone. Raises QueueUnavailable.
    """
    sent: set[tuple[str, datetime, str]] = set()
    with _pile() as pile, as_queue_errors():
        for letters in _walk(pile):
            chosen = [letter for letter in letters if _report(letter) not in sent and wanted(letter)]
            for at in range(0, len(chosen), BATCH):
                ten = chosen[at : at + BATCH]
                settled = redrive(ten)
                sent.update(map(_report, ten))
                done = set(settled.done)
                pile.forget([letter for letter in ten if letter.message_id in done])
                yield settled


def redrive(letters: Sequence[DeadLetter]) -> Settled:
    """
    Send letters back to the worker's queue: a copy under the first name and time, then the letter is deleted.

    Between the two a crash leaves both, which is harmless: the store knows a report that it has. The first time
    matters for a report without measured_at, which was measured then. Raises QueueUnavailable: what was not yet
    deleted is still there.
    """
    return _settled(letters, _copied_back)


def discard(letters: Sequence[DeadLetter]) -> Settled:
    """Delete letters for good. Raises QueueUnavailable: what was not yet deleted is still there."""
    return _settled(letters, lambda held: held)


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


class _Pile:
    """Received messages, put together to letters: those of one key are parts or copies of one."""

    def __init__(self) -> None:
        self.letters: dict[_Key, dict[str, _Message]] = {}
        #: The newest handle of each message ever received and not forgotten.
        self.handles: dict[str, str] = {}
        self.size_bytes = 0
        self._known: set[str] = set()
        self._given: set[_Key] = set()

    def add(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Take in what was received; False where none of it is new, and none will be."""
        read = [_read(message) for message in messages]
        new = {each.copy.message_id for each in read} - self._known
        for each in read:
            self.handles[each.copy.message_id] = each.copy.receipt_handle
            # What comes of a letter that was given out, if only to a long walk, is no other letter.
            if each.key not in self._given:
                self.letters.setdefault(each.key, {})[each.copy.message_id] = each
        self._known |= new
        self.size_bytes += sum(len(each.delivery.body) for each in read if each.copy.message_id in new)
        return bool(new)

    def take(self, *, everything: bool = False) -> list[DeadLetter]:
        """Return the letters, and keep only those that wait for their other half, if not asked for everything."""
        letters = {key: _letter(list(messages.values())) for key, messages in self.letters.items()}
        taken = {key: letter for key, letter in letters.items() if everything or letter.complete}
        self._given.update(taken)
        self.letters = {key: messages for key, messages in self.letters.items() if key not in taken}
        self.size_bytes = sum(len(each.delivery.body) for group in self.letters.values() for each in group.values())
        return list(taken.values())

    def forget(self, letters: Sequence[DeadLetter]) -> None:
        """Leave these hidden: they are deleted, or somebody else's now."""
        for letter in letters:
            for copy in letter.copies:
                self.handles.pop(copy.message_id, None)


@contextmanager
def _pile() -> Iterator[_Pile]:
    """Give an empty pile; at the end, also that by Ctrl-C, what it was not told to forget is visible again."""
    pile = _Pile()
    try:
        yield pile
    finally:
        _show([Copy(*each) for each in pile.handles.items()])


def _show(copies: Sequence[Copy]) -> None:
    """Make messages visible; where SQS does not answer, they come into sight by themselves."""
    tens = [copies[at : at + BATCH] for at in range(0, len(copies), BATCH)]
    try:
        for at in range(0, len(tens), SIDE_BY_SIDE):
            aws.side_by_side(_show_ten, tens[at : at + SIDE_BY_SIDE], service="sqs")
    except (aws.AwsUnavailable, aws.AwsError) as error:
        logger.warning("up to %d dead letters stay hidden for %d s: %s", len(copies), WALK_S, error)


def _show_ten(copies: Sequence[Copy]) -> None:
    _ask("ChangeMessageVisibilityBatch", copies, VisibilityTimeout=0)


def _walk(pile: _Pile, *, at_once: int | None = None) -> Iterator[list[DeadLetter]]:
    while pile.add(_receive(BATCH, WALK_S)):
        if len(pile.letters) >= (at_once or LETTERS_AT_ONCE) or pile.size_bytes >= BYTES_AT_ONCE:
            yield pile.take()
    yield pile.take(everything=True)


def _receive(most: int, hidden_s: int) -> Sequence[Mapping[str, Any]]:
    answer = aws.client("sqs").patiently(
        "ReceiveMessage",
        {
            "QueueUrl": url_of(DEAD),
            "MaxNumberOfMessages": most,
            "WaitTimeSeconds": WAIT_S,
            "VisibilityTimeout": hidden_s,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp", "DeadLetterQueueSourceArn"],
            "MessageAttributeNames": ["All"],
        },
    )
    return answer.get("Messages") or ()


def _read(message: Mapping[str, Any]) -> _Message:
    delivery = Delivery.received("", message)
    facts = {name: str(value.get("StringValue", "")) for name, value in message.get("MessageAttributes", {}).items()}
    # What SQS moved keeps the attributes that its sender chose: they are no word of ours.
    if "DeadLetterQueueSourceArn" in message.get("Attributes", {}) or "reason" not in facts:
        facts = {}
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
    """Put together what has one key."""
    # A message that a crash left to come back until SQS moved it may have been set aside by us before.
    told = max(messages, key=lambda each: bool(each.facts))
    facts, delivery = told.facts, told.delivery
    texts = {each.part: each.delivery.body for each in messages}
    index, receives = facts.get("index", ""), facts.get("receive_count", "")
    return DeadLetter(
        body=texts.get(0) or texts.get(1, "") + texts.get(2, ""),
        reason=facts.get("reason"),
        field=facts.get("field"),
        error=facts.get("error"),
        first_message_id=delivery.first_message_id,
        index=int(index) if index.isdecimal() else None,
        sent_at=EPOCH + timedelta(milliseconds=delivery.sent_at_ms),
        receive_count=int(receives) if receives.isdecimal() else delivery.receive_count,
        copies=tuple(sorted((each.copy for each in messages), key=lambda copy: copy.message_id)),
        complete=0 in texts or len(texts) == 2,
    )


def _report(letter: DeadLetter) -> tuple[str, datetime, str]:
    """Return by what to know a letter again that the worker set aside a second time: then it has no index."""
    return letter.first_message_id, letter.sent_at, digest(letter.body)


# -- settling --------------------------------------------------------------------------------------------


def _settled(letters: Sequence[DeadLetter], first: Callable[[list[DeadLetter]], list[DeadLetter]]) -> Settled:
    """Hold letters, do what is to be done first, and delete those for which it was done, ten at a time."""
    distinct = list({letter.message_id: letter for letter in letters}.values())
    done: list[str] = []
    with as_queue_errors():
        for at in range(0, len(distinct), BATCH):
            ten = distinct[at : at + BATCH]
            # AWS says "deleted" also for a handle that has gone stale, but renews none.
            stale = _ask("ChangeMessageVisibilityBatch", _copies(ten), VisibilityTimeout=HELD_S)
            ready = first([letter for letter in ten if stale.isdisjoint(letter.copies)])
            kept = _ask("DeleteMessageBatch", _copies(ready))
            done += [letter.message_id for letter in ready if kept.isdisjoint(letter.copies)]
    finished = set(done)
    return Settled(done, [each.message_id for each in distinct if each.message_id not in finished])


def _copied_back(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Send a copy of each letter to the worker's queue; return those for which that could be done."""
    sendable = [(letter, messages) for letter in letters if letter.complete and (messages := _messages(letter))]
    for batch in in_batches([message for _, messages in sendable for message in messages]):
        send_batch(url_of(REPORTS), batch)
    return [letter for letter, _ in sendable]


def _messages(letter: DeadLetter) -> list[dict[str, Any]]:
    """Return the message that takes a letter back: several where an array leaves no room for its name and time."""
    first = message_attributes(
        {
            "message_id": letter.first_message_id,
            "sent_at_ms": str((letter.sent_at - EPOCH) // timedelta(milliseconds=1)),
        }
    )
    room = MAX_BYTES - size_bytes({"MessageBody": "", "MessageAttributes": first})
    if bodies := _fitting(letter.body, room):
        return [{"MessageBody": body, "MessageAttributes": first} for body in bodies]
    if len(letter.body.encode()) <= MAX_BYTES:
        # No report is nearly as large: it will be set aside again, if under another name.
        return [{"MessageBody": letter.body}]
    logger.warning("dead letter %s is too large to be sent: export and discard it", letter.message_id)
    return []


def _fitting(body: str, room: int) -> list[str]:
    """Return a text of at most `room` bytes, or the array that it is in pieces; nothing where that cannot be."""
    if len(body.encode()) <= room:
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
    pieces = [_fitting(f"[{','.join(each)}]", room) for each in (elements[:half], elements[half:])]
    return pieces[0] + pieces[1] if all(pieces) else []


def _copies(letters: Sequence[DeadLetter]) -> list[Copy]:
    return [copy for letter in letters for copy in letter.copies]


def _ask(operation: str, copies: Sequence[Copy], **fields: int) -> set[Copy]:
    """Ask one thing for many messages, ten a request; return those for which SQS refused it."""
    refused: set[Copy] = set()
    for at in range(0, len(copies), BATCH):
        left = {str(number): copy for number, copy in enumerate(copies[at : at + BATCH])}
        for attempt in range(1, TRIES + 1):
            entries = [{"Id": number, "ReceiptHandle": copy.receipt_handle, **fields} for number, copy in left.items()]
            answer = aws.client("sqs").patiently(operation, {"QueueUrl": url_of(DEAD), "Entries": entries})
            for each in answer.get("Successful") or ():
                del left[each["Id"]]
            refused |= {left.pop(each["Id"]) for each in answer.get("Failed") or () if each.get("SenderFault")}
            if not left:
                break
            time.sleep(aws.pause_s(attempt, first_s=0.1, most_s=1.0))
        refused.update(left.values())
    return refused
