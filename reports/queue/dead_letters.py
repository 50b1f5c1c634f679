"""
The dead letters: what can never be stored or delivered, or was received too often, kept until somebody looks at it.

They are listed, found again by id, sent back to the queue from which they came, or discarded: reports and alerts alike
(reports.queue.received_letters).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reports.insight import change
from reports.queue.received_letters import (
    DeadLetter,
    LetterKind,
    copies_of,
    receive,
    received_letters,
    request_copies,
    walk,
)
from reports.queue.requests import (
    IN_FLIGHT,
    VISIBLE,
    as_queue_errors,
    digest,
    get_attributes,
    in_batches,
    message_attributes,
    send_batch,
    size_bytes,
    url_of,
)
from reports.report import EPOCH
from trashsite import json_slices
from trashsite.sqs.entries import MAX_BYTES, MESSAGES_PER_REQUEST, in_requests
from trashsite.sqs.origin import Origin, require_key

logger = logging.getLogger(__name__)

#: Letters that are about to be copied and deleted are hidden for this long.
HELD_S = 60


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


def count_dead_letters(kind: LetterKind) -> int:
    """Return how many messages a dead-letter queue has, hidden or not, as SQS estimates. Raises QueueUnavailable."""
    with as_queue_errors():
        return sum(map(int, get_attributes(url_of(kind.queue), VISIBLE, IN_FLIGHT).values()))


def sample_letters(
    kind: LetterKind = LetterKind.REPORTS, *, most: int = 10, hidden_s: int = 30, release: bool = False
) -> list[DeadLetter]:
    """
    Return up to `most` letters, fewer where no more come.

    They stay hidden for `hidden_s` seconds, while their handles are valid; with release they are visible again at
    once. Raises QueueUnavailable.
    """
    with received_letters(kind) as received, as_queue_errors():
        while (left := most - len(received.letters)) > 0:
            if not received.add(receive(kind, min(left, MESSAGES_PER_REQUEST), hidden_s)):
                break
        letters = received.remove(everything=True)
        if not release:
            received.leave_hidden(letters)
        return letters


def find_letters(
    message_ids: Collection[str], kind: LetterKind = LetterKind.REPORTS, *, hidden_s: int = HELD_S
) -> list[DeadLetter]:
    """
    Return the letters of these ids, hidden for `hidden_s` seconds; whatever else was received is visible again.

    One that is not among them is gone, or received by another reader. Raises QueueUnavailable.
    """
    wanted = set(message_ids)
    matches: list[DeadLetter] = []
    with received_letters(kind) as received, as_queue_errors():
        # Few enough for a page that waits, and enough to contain most second copies.
        for letters in walk(received, at_once=500):
            chosen = [letter for letter in letters if wanted.intersection(copy.message_id for copy in letter.copies)]
            wanted.difference_update(copy.message_id for copy in copies_of(chosen))
            received.leave_hidden(chosen)
            matches += chosen
            if not wanted:
                break
        request_copies("ChangeMessageVisibilityBatch", kind, copies_of(matches), VisibilityTimeout=hidden_s)
    return matches


def walk_letters(kind: LetterKind = LetterKind.REPORTS) -> Generator[list[DeadLetter]]:
    """
    Yield all letters, up to some thousands at a time, each once and hidden from others until the walk ends.

    AWS hides at most 120,000 messages at once: a walk yields no more than that. Raises QueueUnavailable.
    """
    with received_letters(kind) as received, as_queue_errors():
        yield from walk(received)


def redrive_where(wanted: Choice, kind: LetterKind = LetterKind.REPORTS) -> Generator[LetterOutcome]:
    """
    Send back all letters of a kind that are wanted, and yield what became of each ten of them.

    It may be stopped at any moment without loss, and a second call continues. Letters that the worker sets aside again
    meanwhile are not sent again. Raises QueueUnavailable, and RedriveKeyMissing as `redrive` does.
    """
    _require_key(kind)
    sent: set[tuple[str, datetime, str, str]] = set()
    with received_letters(kind) as received, as_queue_errors():
        for letters in walk(received):
            chosen = [letter for letter in letters if _identity(letter) not in sent and wanted(letter)]
            for ten in in_requests(chosen):
                outcome = redrive(ten)
                sent.update(map(_identity, ten))
                done = set(outcome.done)
                received.leave_hidden([letter for letter in ten if letter.message_id in done])
                yield outcome


def redrive(letters: Sequence[DeadLetter]) -> LetterOutcome:
    """
    Send letters back to the queue from which they came, then delete them.

    A crash between the two leaves both, which is harmless: a report is stored once, and an alert is known by its id. A
    report goes with its first message id and time, which matters where it has no measured_at: it counts as measured
    then. An alert is told by the rule that had failed, and by no other. Raises QueueUnavailable: what was not yet
    deleted is still there. Raises RedriveKeyMissing, and does nothing, where no key can sign a report's first id and
    time.
    """
    for letter in letters:
        _require_key(letter.kind)
    return _delete_after(_send_back, letters)


def discard(letters: Sequence[DeadLetter]) -> LetterOutcome:
    """Delete letters for good. Raises QueueUnavailable: what was not yet deleted is still there."""
    return _delete_after(lambda hidden: hidden, letters)


def _require_key(kind: LetterKind) -> None:
    # Of an alert nothing is signed: nobody but us may send to its queue.
    if kind is LetterKind.REPORTS:
        require_key()


def _identity(letter: DeadLetter) -> tuple[str, datetime, str, str]:
    """Return what identifies a letter that the worker sets aside a second time: its index is not the same then."""
    return letter.first_message_id, letter.sent_at, digest(letter.body), letter.rule


# -- deleting --------------------------------------------------------------------------------------------


def _delete_after(
    first: Callable[[list[DeadLetter]], list[DeadLetter]], letters: Sequence[DeadLetter]
) -> LetterOutcome:
    """Hide letters, call `first`, and delete those that it returns, ten at a time."""
    distinct = list({letter.message_id: letter for letter in letters}.values())
    tens = [(kind, ten) for kind in LetterKind for ten in in_requests([each for each in distinct if each.kind is kind])]
    done: list[str] = []
    with as_queue_errors():
        for kind, ten in tens:
            # AWS answers "deleted" for an expired handle too, but does not extend its visibility.
            expired = request_copies("ChangeMessageVisibilityBatch", kind, copies_of(ten), VisibilityTimeout=HELD_S)
            ready = first([letter for letter in ten if expired.isdisjoint(letter.copies)])
            kept = request_copies("DeleteMessageBatch", kind, copies_of(ready))
            done += [letter.message_id for letter in ready if kept.isdisjoint(letter.copies)]
    finished = set(done)
    return LetterOutcome(done, [each.message_id for each in distinct if each.message_id not in finished])


def _send_back(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Send a copy of each letter, all of one kind, to its queue; return those that could be sent."""
    sendable = [(letter, messages) for letter in letters if letter.complete and (messages := _messages(letter))]
    for batch in in_batches([message for _, messages in sendable for message in messages]):
        send_batch(letters[0].kind.source, batch)
    return [letter for letter, _ in sendable]


def _messages(letter: DeadLetter) -> list[dict[str, Any]]:
    """Return a letter's message, or several where an array with its first id and time is too large for one."""
    if letter.kind is LetterKind.ALERTS:
        return [{"MessageBody": _alert_again(letter)}]
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


def _alert_again(letter: DeadLetter) -> str:
    """Return the text of an alert that is to be told by the rule that had failed; of any other text, itself."""
    try:
        return replace(change.from_text(letter.body), again=letter.rule).text() if letter.rule else letter.body
    except ValueError:
        return letter.body


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
