"""What every request to SQS needs: queues by name, limits, sizes, batches, and errors as QueueUnavailable."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from typing import Any

from trashsite import aws
from trashsite.names import full_name

REPORTS = "trash-level"
DEAD = "trash-level-dead"

#: Source: AWS, SQS quotas: 10 entries and 1 MiB a request, attributes counted.
BATCH = 10
MAX_BYTES = 1024 * 1024
TRIES = 4

#: Source: AWS, SendMessage: the characters that a body or an attribute may hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class QueueUnavailable(Exception):
    """SQS did not answer, or the queue is missing; `unsent` holds the bodies that were not taken."""

    def __init__(self, reason: object, unsent: Sequence[str] = ()) -> None:
        super().__init__(str(reason))
        self.unsent = unsent


@contextmanager
def as_queue_errors() -> Iterator[QueueUnavailable]:
    """Turn what AWS said into QueueUnavailable: the object given to the body, to put `unsent` into."""
    failure = QueueUnavailable("")
    try:
        yield failure
    except (aws.AwsUnavailable, aws.AwsError) as error:
        if is_missing(error):
            # It may have been made anew, elsewhere.
            _cached_url.cache_clear()
        raise QueueUnavailable(error, failure.unsent) from error


def is_missing(error: BaseException | None) -> bool:
    return isinstance(error, aws.AwsError) and ("NonExistentQueue" in error.code or error.code == "QueueDoesNotExist")


def sqs() -> aws.Client:
    return aws.client("sqs")


def url_of(name: str) -> str:
    """Return the URL of REPORTS or DEAD in this deployment. Raises what AWS said."""
    return _cached_url(full_name(name))


@cache
def _cached_url(name: str) -> str:
    return str(sqs().patiently("GetQueueUrl", {"QueueName": name})["QueueUrl"])


def get_attributes(url: str, *names: str) -> dict[str, str]:
    answer = sqs().patiently("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": list(names)})
    return dict(answer.get("Attributes", {}))


def message_attributes(facts: Mapping[str, str]) -> dict[str, Any]:
    """Return facts as SQS carries them beside a body: those that say something, at most 256 characters of each."""
    return {
        name: {"DataType": "String", "StringValue": carriable(value)[:256]} for name, value in facts.items() if value
    }


def carriable(text: str) -> str:
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
        answer = sqs().patiently("SendMessageBatch", {"QueueUrl": url, "Entries": entries})
        taken |= {int(each["Id"]): each["MessageId"] for each in answer.get("Successful", ())}
        if len(taken) == len(batch):
            return [taken[at] for at in range(len(batch))]
        failed = answer.get("Failed", ())
        for each in failed:
            if each.get("SenderFault"):
                raise aws.AwsError(each.get("Code", ""), each.get("Message", ""))
        time.sleep(aws.pause_s(attempt, first_s=0.1, most_s=2.0))
    raise aws.AwsUnavailable(f"SQS did not take {len(batch) - len(taken)} of {len(batch)} messages")
