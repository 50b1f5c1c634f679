"""The dead-letter queue as a stranger reads it: by the AWS SDK, knowing only what its attributes say."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Letter:
    """
    What was set aside: the exact text, why, and which message brought it (index: where in its array).

    reason: "" where SQS itself moved the message after too many receives.
    """

    text: str
    reason: str
    field: str
    error: str
    message_id: str
    index: str


def collect(sqs: Any, queue_url: str) -> list[Letter]:
    """Take all letters out of the queue; halves are joined, and copies of one letter are one."""
    parts: dict[tuple[str, str], dict[str, tuple[str, dict[str, str]]]] = defaultdict(dict)
    while True:
        answer = sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=60, MessageAttributeNames=["All"]
        )
        messages = answer.get("Messages", ())
        if not messages:
            break
        for message in messages:
            facts = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
            name = (facts.get("message_id", message["MessageId"]), facts.get("index", ""))
            parts[name][facts.get("part", "")] = (message["Body"], facts)
        sqs.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)],
        )
    return [_joined(name, [found[part] for part in sorted(found)]) for name, found in parts.items()]


def _joined(name: tuple[str, str], found: list[tuple[str, dict[str, str]]]) -> Letter:
    facts = found[0][1]
    return Letter(
        text="".join(body for body, _ in found),
        reason=facts.get("reason", ""),
        field=facts.get("field", ""),
        error=facts.get("error", ""),
        message_id=name[0],
        index=name[1],
    )
