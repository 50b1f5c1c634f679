"""What every request to SQS needs: queues by name, sizes, batches, and errors as QueueUnavailable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from typing import Any

from trashsite import aws
from trashsite.names import ALERTS_QUEUE, REPORTS_QUEUE, full_name
from trashsite.sqs.entries import MAX_BYTES, MESSAGES_PER_REQUEST, request_entries

REPORTS = REPORTS_QUEUE
DEAD = "trash-level-dead"
ALERTS = ALERTS_QUEUE
DEAD_ALERTS = "trash-alerts-dead"

#: SQS's own names of its counts.
VISIBLE, IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"

#: Source: AWS, SendMessage: the characters that a body or an attribute may hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class QueueUnavailable(Exception):
    """SQS did not answer, or the queue is missing; `unsent` holds the bodies that SQS did not accept."""

    def __init__(self, reason: object, unsent: Sequence[str] = ()) -> None:
        super().__init__(str(reason))
        self.unsent = unsent


@contextmanager
def as_queue_errors() -> Iterator[QueueUnavailable]:
    """Raise QueueUnavailable for an error of AWS; the body may set `unsent` on the object that it is given."""
    failure = QueueUnavailable("")
    try:
        yield failure
    except (aws.AwsUnavailable, aws.AwsError) as error:
        if is_missing(error):
            # It may have been created again, with another URL.
            _cached_url.cache_clear()
        raise QueueUnavailable(error, failure.unsent) from error


def is_missing(error: BaseException | None) -> bool:
    return isinstance(error, aws.AwsError) and ("NonExistentQueue" in error.code or error.code == "QueueDoesNotExist")


def sqs() -> aws.Client:
    return aws.client("sqs")


def url_of(name: str) -> str:
    """Return the URL of one of the four queues in this deployment. Raises AwsUnavailable or AwsError."""
    return _cached_url(full_name(name))


@cache
def _cached_url(name: str) -> str:
    return str(sqs().patiently("GetQueueUrl", {"QueueName": name})["QueueUrl"])


def get_attributes(url: str, *names: str) -> dict[str, str]:
    answer = sqs().patiently("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": list(names)})
    return dict(answer.get("Attributes", {}))


def message_attributes(facts: Mapping[str, str]) -> dict[str, Any]:
    """Return facts as message attributes: those that are not empty, at most 256 characters of each."""
    return {
        name: {"DataType": "String", "StringValue": sqs_text(value)[:256]} for name, value in facts.items() if value
    }


def sqs_text(text: str) -> str:
    """Return a text with the characters that SQS refuses written as JSON escapes."""
    return _FORBIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def digest(body: str) -> str:
    """Return a short digest that identifies a text."""
    return sha256(body.encode()).hexdigest()[:16]


def size_bytes(entry: Mapping[str, Any]) -> int:
    """Return the size of a message by SQS's rule: its body and its attributes."""
    attributes = entry.get("MessageAttributes", {})
    return len(entry["MessageBody"].encode()) + sum(
        len(name.encode()) + len("String") + len(value["StringValue"].encode()) for name, value in attributes.items()
    )


def in_batches(entries: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Split by count and by bytes, as SQS limits a batch request in both."""
    batch: list[Mapping[str, Any]] = []
    left_bytes = MAX_BYTES
    for entry in entries:
        size = size_bytes(entry)
        if batch and (len(batch) == MESSAGES_PER_REQUEST or size > left_bytes):
            yield batch
            batch, left_bytes = [], MAX_BYTES
        batch.append(entry)
        left_bytes -= size
    if batch:
        yield batch


def send_batch(name: str, batch: Sequence[Mapping[str, Any]]) -> None:
    """Send a batch to one of the four queues. Raises AwsUnavailable or AwsError unless SQS accepted each message."""
    request_entries("SendMessageBatch", url_of(name), batch).raise_unless_done()
