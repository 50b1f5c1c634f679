"""Messages on their way: sent, set aside, deleted, given back; and how many are where."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reports.queue.requests import (
    BATCH,
    DEAD,
    MAX_BYTES,
    REPORTS,
    as_queue_errors,
    carriable,
    digest,
    get_attributes,
    in_batches,
    message_attributes,
    send_batch,
    size_bytes,
    sqs,
    url_of,
)
from reports.report import InvalidReport
from trashsite import aws
from trashsite.names import full_name
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.entries import ask_for_each, back_in_s, set_visibility

logger = logging.getLogger(__name__)
_deleting = Outage("deleting messages")


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages wait, are in a worker's hand, and are set aside."""

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

    bodies: JSON texts of at most 1 MiB each, any number. Raises QueueUnavailable; its `unsent` holds the rest.
    """
    ids: list[str] = []
    entries = [{"MessageBody": body} for body in bodies]
    with as_queue_errors() as failure:
        for batch in in_batches(entries):
            taken: dict[int, str] = {}
            try:
                ids += send_batch(url_of(REPORTS), batch, taken)
            except Exception:
                failure.unsent = [body for at, body in enumerate(bodies[len(ids) :]) if at not in taken]
                raise
    return ids


def quarantine(rejected: Sequence[Rejected]) -> None:
    """
    Set each report aside: its exact text as a dead letter whose attributes say why and where it came from.

    Raises QueueUnavailable. Safe to call again: a second copy has the same first message id and index.
    """
    letters = [letter for each in rejected for letter in _letters(each)]
    with as_queue_errors():
        for batch in in_batches(letters):
            send_batch(url_of(DEAD), batch)


def delete(deliveries: Sequence[Delivery]) -> None:
    """
    Delete messages whose reports are all safe.

    One that could not be deleted comes back and is stored a second time with no effect, so that is a warning.
    """
    jobs = [deliveries[at : at + BATCH] for at in range(0, len(deliveries), BATCH)]
    aws.side_by_side(_delete, jobs, service="sqs")


def postpone(deliveries: Sequence[Delivery]) -> None:
    """
    Give messages back for a while: in 2 s for one received the first time, later each time it comes again.

    Where SQS does not hear of it they come again all the same, when their time is over.
    """
    if deliveries:
        set_visibility(
            deliveries[0].queue_url, {each.receipt_handle: back_in_s(each.receive_count) for each in deliveries}
        )


def depth() -> Depth:
    """Return how many messages are where. Raises QueueUnavailable."""
    with as_queue_errors():
        main, dead = (
            {name: int(count) for name, count in get_attributes(url_of(name), "ApproximateNumberOfMessages",
                                                              "ApproximateNumberOfMessagesNotVisible").items()}
            for name in (REPORTS, DEAD)
        )  # fmt: skip
    return Depth(
        waiting=main["ApproximateNumberOfMessages"],
        in_flight=main["ApproximateNumberOfMessagesNotVisible"],
        dead=sum(dead.values()),
    )


def ping() -> None:
    """Ask for the queue. Raises QueueUnavailable, also where it is missing."""
    with as_queue_errors():
        sqs().call("GetQueueUrl", {"QueueName": full_name(REPORTS)}, timeout_s=2)


def _letters(rejected: Rejected) -> Iterator[dict[str, Any]]:
    """Yield the dead letter of a rejected report: in two parts where its text leaves no room for the reason."""
    error, delivery = rejected.error, rejected.delivery
    facts = {
        "reason": "invalid",
        "field": error.field,
        "error": error.rule,
        "message_id": delivery.first_message_id,
        "index": "" if error.index is None else str(error.index),
        "sent_at_ms": str(delivery.sent_at_ms),
        "receive_count": str(delivery.receive_count),
    }
    body = carriable(error.text) or " "
    letter = {"MessageBody": body, "MessageAttributes": message_attributes(facts)}
    if size_bytes(letter) <= MAX_BYTES:
        yield letter
        return
    half = len(body) // 2
    for part, text in (("1/2", body[:half]), ("2/2", body[half:])):
        # The digest tells which halves belong together, whatever names a device gave its messages.
        named = message_attributes({**facts, "part": f"{part} {digest(body)}"})
        yield {"MessageBody": text, "MessageAttributes": named}


def _delete(batch: Sequence[Delivery]) -> None:
    began = time.monotonic()
    left, problem = ask_for_each(
        "DeleteMessageBatch",
        batch[0].queue_url,
        [{"ReceiptHandle": each.receipt_handle} for each in batch],
        deadline=began + aws.PATIENCE_S,
        # A handle that has gone stale stays so: SQS delivers the message again under a new one.
        on_stale=lambda said: logger.warning("a message could not be deleted and will come back: %s", said),
    )
    if left:
        _deleting.failed(f"{left} messages will come back, to no effect: {problem}")
    else:
        _deleting.ended(began)
