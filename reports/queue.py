"""
The queue: all that the reports need of SQS, as verbs.

Two queues: `trash-level` takes what devices send, `trash-level-dead` keeps what can never be stored, with the
reason. What SQS itself moved there, after too many receives, has no reason attached.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from django.conf import settings

from reports.wire import InvalidReport
from trashsite import aws
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.entries import ask_for_each
from trashsite.sqs.visibility import back_in_s, set_visibility

logger = logging.getLogger(__name__)
_deleting = Outage("deleting messages")

REPORTS = "trash-level"
DEAD = "trash-level-dead"

#: Source: AWS, SQS quotas: 10 entries and 1 MiB a request, attributes counted.
BATCH = 10
MAX_BYTES = 1024 * 1024
TRIES = 4

VISIBILITY_S = 30
MAX_RECEIVES = 20
ATTRIBUTES = {
    "VisibilityTimeout": str(VISIBILITY_S),
    "ReceiveMessageWaitTimeSeconds": "20",
    "MessageRetentionPeriod": str(4 * 24 * 3600),
}
DEAD_ATTRIBUTES = {"MessageRetentionPeriod": str(14 * 24 * 3600)}

#: Source: AWS, SendMessage: the characters that a body or an attribute may hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class QueueUnavailable(Exception):
    """SQS did not answer, or the queue is missing; `unsent` holds the bodies that were not taken."""

    def __init__(self, reason: object, unsent: Sequence[str] = ()) -> None:
        super().__init__(str(reason))
        self.unsent = unsent


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
    aws.side_by_side(_delete, jobs)


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
            {name: int(count) for name, count in _attributes(url_of(name), "ApproximateNumberOfMessages",
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
        _sqs().call("GetQueueUrl", {"QueueName": full_name(REPORTS)}, timeout_s=2)


def full_name(name: str) -> str:
    """Return a queue's name in this deployment: with the suffix, as the lab's `trash-level-wra`."""
    return f"{name}-{settings.TRASH_SUFFIX}" if settings.TRASH_SUFFIX else name


def provision() -> Iterator[str]:
    """Make each queue that is missing, and yield a line on each. Safe to run again. Raises QueueUnavailable."""
    with as_queue_errors():
        yield _ensure(full_name(DEAD), DEAD_ATTRIBUTES)
        arn = _attributes(url_of(DEAD), "QueueArn")["QueueArn"]
        # As AWS writes it back, or each run would find it changed.
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}, separators=(",", ":"))
        yield _ensure(full_name(REPORTS), {**ATTRIBUTES, "RedrivePolicy": policy})


def flaws(name: str) -> list[str]:
    """
    Return what forbids a worker to take messages from the queue of that full name, nothing where all is well.

    Raises QueueUnavailable where SQS does not answer.
    """
    try:
        with as_queue_errors():
            url = _sqs().patiently("GetQueueUrl", {"QueueName": name})["QueueUrl"]
            sent = _attributes(url, "RedrivePolicy").get("RedrivePolicy")
    except QueueUnavailable as error:
        if _is_missing(error.__cause__):
            return [f"queue {name} does not exist: run `manage.py provision`"]
        raise
    receives = int(json.loads(sent).get("maxReceiveCount", 0)) if sent else 0
    if receives < 10:
        return [
            f"queue {name} has no redrive policy with a maxReceiveCount of at least 10 "
            "(poison would come back for ever, or good messages die of restarts): run `manage.py provision`"
        ]
    return []


# -- sending ---------------------------------------------------------------------------------------------


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
    body = _carriable(error.text) or " "
    letter = {"MessageBody": body, "MessageAttributes": message_attributes(facts)}
    if size_bytes(letter) <= MAX_BYTES:
        yield letter
        return
    half = len(body) // 2
    for part, text in (("1/2", body[:half]), ("2/2", body[half:])):
        # The digest tells which halves belong together, whatever names a device gave its messages.
        named = message_attributes({**facts, "part": f"{part} {digest(body)}"})
        yield {"MessageBody": text, "MessageAttributes": named}


def message_attributes(facts: Mapping[str, str]) -> dict[str, Any]:
    """Return facts as SQS carries them beside a body: those that say something, at most 256 characters of each."""
    return {
        name: {"DataType": "String", "StringValue": _carriable(value)[:256]} for name, value in facts.items() if value
    }


def _carriable(text: str) -> str:
    """Return a text with what SQS does not take written as JSON escapes."""
    return _FORBIDDEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def digest(body: str) -> str:
    """Return a short digest by which to know a text again."""
    return sha256(body.encode()).hexdigest()[:16]


def size_bytes(entry: Mapping[str, Any]) -> int:
    """Return what a message counts for SQS: its body and its attributes."""
    attributes = entry.get("MessageAttributes", {})
    return len(entry["MessageBody"].encode()) + sum(
        len(name.encode()) + len("String") + len(value["StringValue"].encode()) for name, value in attributes.items()
    )


def in_batches(entries: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Split by count and by bytes, as SQS limits a batch request in both."""
    batch: list[Mapping[str, Any]] = []
    room = MAX_BYTES
    for entry in entries:
        size = size_bytes(entry)
        if batch and (len(batch) == BATCH or size > room):
            yield batch
            batch, room = [], MAX_BYTES
        batch.append(entry)
        room -= size
    if batch:
        yield batch


def send_batch(url: str, batch: Sequence[Mapping[str, Any]], taken: dict[int, str] | None = None) -> list[str]:
    """
    Send a batch until each entry is taken; return their message ids in order. Raises what AWS said.

    taken: filled with the id of each entry taken, by its place, for who must know after a failure.
    """
    taken = {} if taken is None else taken
    for attempt in range(1, TRIES + 1):
        entries = [{"Id": str(at), **entry} for at, entry in enumerate(batch) if at not in taken]
        answer = _sqs().patiently("SendMessageBatch", {"QueueUrl": url, "Entries": entries})
        taken |= {int(each["Id"]): each["MessageId"] for each in answer.get("Successful", ())}
        if len(taken) == len(batch):
            return [taken[at] for at in range(len(batch))]
        failed = answer.get("Failed", ())
        for each in failed:
            if each.get("SenderFault"):
                raise aws.AwsError(each.get("Code", ""), each.get("Message", ""))
        time.sleep(aws.pause_s(attempt, first_s=0.1, most_s=2.0))
    raise aws.AwsUnavailable(f"SQS did not take {len(batch) - len(taken)} of {len(batch)} messages")


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


# -- asking ----------------------------------------------------------------------------------------------


@contextmanager
def as_queue_errors() -> Iterator[QueueUnavailable]:
    """Turn what AWS said into QueueUnavailable: the object given to the body, to put `unsent` into."""
    failure = QueueUnavailable("")
    try:
        yield failure
    except (aws.AwsUnavailable, aws.AwsError) as error:
        if _is_missing(error):
            # It may have been made anew, elsewhere.
            _cached_url.cache_clear()
        raise QueueUnavailable(error, failure.unsent) from error


def _is_missing(error: BaseException | None) -> bool:
    return isinstance(error, aws.AwsError) and ("NonExistentQueue" in error.code or error.code == "QueueDoesNotExist")


def _sqs() -> aws.Client:
    return aws.client("sqs")


def url_of(name: str) -> str:
    """Return the URL of REPORTS or DEAD in this deployment. Raises what AWS said."""
    return _cached_url(full_name(name))


@cache
def _cached_url(name: str) -> str:
    return str(_sqs().patiently("GetQueueUrl", {"QueueName": name})["QueueUrl"])


def _attributes(url: str, *names: str) -> dict[str, str]:
    answer = _sqs().patiently("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": list(names)})
    return dict(answer.get("Attributes", {}))


def _ensure(name: str, attributes: Mapping[str, str]) -> str:
    try:
        url = _sqs().patiently("GetQueueUrl", {"QueueName": name})["QueueUrl"]
    except aws.AwsError as error:
        if not _is_missing(error):
            raise
        _sqs().patiently("CreateQueue", {"QueueName": name, "Attributes": dict(attributes)})
        return f"made queue {name}"
    found = _attributes(url, *attributes)
    if found == dict(attributes):
        return f"found queue {name}"
    _sqs().patiently("SetQueueAttributes", {"QueueUrl": url, "Attributes": dict(attributes)})
    return f"found queue {name}, set its attributes"
