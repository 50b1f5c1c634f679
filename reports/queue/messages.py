"""Messages: sent, set aside, deleted, postponed; and how many there are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reports.queue.requests import (
    DEAD,
    IN_FLIGHT,
    REPORTS,
    VISIBLE,
    as_queue_errors,
    digest,
    get_attributes,
    in_batches,
    message_attributes,
    send_batch,
    size_bytes,
    sqs,
    sqs_text,
    url_of,
)
from reports.report import InvalidReport
from trashsite import aws, telemetry, tracing
from trashsite.names import full_name
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.entries import MAX_BYTES, back_in_s, in_requests, request_entries, set_visibility
from trashsite.sqs.origin import Origin, require_key

#: Nobody waits for deletes but the slot of their batch, and each thread that is woken costs 80 µs of CPU.
DELETES_AT_ONCE = 2

logger = logging.getLogger(__name__)
_deleting = Outage("deleting messages")


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages wait, were received and are not deleted yet, and are set aside."""

    waiting: int
    in_flight: int
    dead: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A report that can never be stored, and the message that brought it."""

    error: InvalidReport
    delivery: Delivery


def publish(bodies: Sequence[str]) -> list[str]:
    """
    Send each body as one message and return their message ids, in order.

    bodies: JSON texts of at most 1 MiB each, any number. Raises QueueUnavailable; its `unsent` holds those that SQS did
    not accept.
    """
    ids: list[str] = []
    entries: list[dict[str, Any]] = [{"MessageBody": body} for body in bodies]
    queue = full_name(REPORTS)
    with (
        tracing.span(f"send {queue}", "PRODUCER", tracing.messaging("send", queue, len(bodies))),
        as_queue_errors() as failure,
    ):
        # A message of the greatest size has no room for more.
        tracing.inject(entry for entry in entries if size_bytes(entry) < MAX_BYTES - 1024)
        for batch in in_batches(entries):
            rest = failure.unsent = bodies[len(ids) :]
            results = request_entries("SendMessageBatch", url_of(REPORTS), batch)
            failure.unsent = [body for at, body in enumerate(rest) if at not in results.done]
            results.raise_unless_done()
            ids += [results.done[at]["MessageId"] for at in range(len(batch))]
    return ids


def send_again(messages: Sequence[tuple[str, Origin]], *, delay_s: int = 0) -> None:
    """
    Send messages to the queue once more, each under its first id, time and sender.

    delay_s: for how long workers do not see them, at most 900. Raises QueueUnavailable, and RedriveKeyMissing where
    nothing can be signed. Safe to call again: what is stored twice is stored once.
    """
    require_key()
    entries = [
        {
            "MessageBody": sqs_text(body),
            "MessageAttributes": message_attributes(origin.signed(sqs_text(body))),
            "DelaySeconds": delay_s,
        }
        for body, origin in messages
    ]
    with as_queue_errors():
        for batch in in_batches(entries):
            send_batch(REPORTS, batch)


def quarantine(rejected: Sequence[Rejected]) -> None:
    """
    Set each report aside: its exact text becomes a dead letter, whose attributes say why and which message brought it.

    Raises QueueUnavailable. Safe to call again: a second copy has the same first message id and index.
    """
    letters = [letter for each in rejected for letter in _letters(each)]
    with as_queue_errors():
        for batch in in_batches(letters):
            send_batch(DEAD, batch)


def delete(deliveries: Sequence[Delivery]) -> None:
    """
    Delete messages whose reports are all stored or set aside.

    One that could not be deleted comes back and is stored a second time with no effect, so that is only a warning.
    """
    aws.side_by_side(_delete, list(in_requests(deliveries)), service="sqs", at_once=DELETES_AT_ONCE)


def _soon(delivery: Delivery) -> int:
    return back_in_s(delivery.receive_count)


def postpone(deliveries: Sequence[Delivery], for_s: Callable[[Delivery], int] = _soon) -> None:
    """
    Make messages invisible for a while: 2 s for one received the first time, longer each time it comes again.

    for_s: how many seconds of each; at most 43,000, since AWS hides a message for 12 hours at most.
    Without an answer from SQS they come again too, when their visibility timeout is over.
    """
    if deliveries:
        set_visibility(deliveries[0].queue_url, {each.receipt_handle: for_s(each) for each in deliveries})


def depth() -> Depth:
    """Return how many messages both queues have, by SQS's own estimate. Raises QueueUnavailable."""
    with as_queue_errors():
        main, dead = (_counts(name, VISIBLE, IN_FLIGHT) for name in (REPORTS, DEAD))
    return Depth(waiting=main[VISIBLE], in_flight=main[IN_FLIGHT], dead=sum(dead.values()))


def count_in_flight() -> int:
    """
    Return how many messages of the reports queue were received and are not deleted yet, by SQS's own estimate.

    It asks the reports queue alone, as a worker may. Raises QueueUnavailable.
    """
    with as_queue_errors():
        return _counts(REPORTS, IN_FLIGHT)[IN_FLIGHT]


def ping() -> None:
    """Raise QueueUnavailable where SQS does not answer, or the queue is missing."""
    with as_queue_errors():
        sqs().call("GetQueueUrl", {"QueueName": full_name(REPORTS)}, timeout_s=2)


def _counts(queue: str, *attributes: str) -> dict[str, int]:
    return {name: int(count) for name, count in get_attributes(url_of(queue), *attributes).items()}


def _letters(rejected: Rejected) -> Iterator[dict[str, Any]]:
    """Yield the dead letter of a rejected report, in two parts where text and reason are too large for one message."""
    error, delivery = rejected.error, rejected.delivery
    facts = {
        "reason": "invalid",
        "field": error.field,
        "error": error.rule,
        "summary": error.summary,
        **delivery.origin.facts(),
        "index": "" if error.index is None else str(error.index),
        "receive_count": str(delivery.receive_count),
    }
    body = sqs_text(error.text) or " "
    letter = {"MessageBody": body, "MessageAttributes": message_attributes(facts)}
    if size_bytes(letter) <= MAX_BYTES:
        yield letter
        return
    half = len(body) // 2
    for part, text in (("1/2", body[:half]), ("2/2", body[half:])):
        # The digest shows which halves belong together, whatever ids a sender gave its messages.
        named = message_attributes({**facts, "part": f"{part} {digest(body)}"})
        yield {"MessageBody": text, "MessageAttributes": named}


def _delete(batch: Sequence[Delivery]) -> None:
    began = time.monotonic()
    entries = [{"ReceiptHandle": each.receipt_handle} for each in batch]
    results = request_entries("DeleteMessageBatch", batch[0].queue_url, entries)
    telemetry.MESSAGES_DELETED.add(len(results.done))
    for refusal in results.refused.values():
        # An expired handle stays so: SQS delivers the message again under a new one.
        logger.warning("a message could not be deleted and will come back: %s", refusal)
    if results.undecided:
        reason = next(iter(results.undecided.values()))
        _deleting.failed(f"{len(results.undecided)} messages will come back, to no effect: {reason}")
    else:
        _deleting.ended(began)
