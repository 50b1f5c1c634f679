"""One message as SQS delivered it, in the form in which it is passed to a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

#: The message attributes of a redriven message: its first id and time, which its reports keep.
CARRIED = ("message_id", "sent_at_ms")


def carried_facts(first_message_id: str, sent_at_ms: int) -> dict[str, str]:
    """Return the values of these attributes, as Delivery.received reads them."""
    return dict(zip(CARRIED, (first_message_id, str(sent_at_ms)), strict=True))


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    A message in progress: its body unchanged, or the reports of a Celery call as JSON text.

    sent_at_ms: when the queue first received it, in epoch milliseconds. receive_count: 1 for the first delivery.
    why_unreadable: why it cannot be read although it names our task, "" for all others.
    """

    queue_url: str
    message_id: str
    first_message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at_ms: int
    why_unreadable: str = ""

    @classmethod
    def received(cls, queue_url: str, message: Mapping[str, Any]) -> Delivery:
        """Return the delivery of a message in an answer of ReceiveMessage."""
        attributes = message.get("Attributes", {})
        carried = {
            # Any sender may set these, up to 1 MiB; they appear in log lines.
            name: str(value.get("StringValue", ""))[:128]
            for name, value in message.get("MessageAttributes", {}).items()
            if name in CARRIED
        }
        sent_at_ms = int(attributes.get("SentTimestamp", 0))
        first_sent = carried.get("sent_at_ms", "")
        if first_sent.isascii() and first_sent.isdigit():
            # Any sender may set this too, so it may only make a report older.
            sent_at_ms = min(sent_at_ms, int(first_sent[:15]))
        return cls(
            queue_url=queue_url,
            message_id=message["MessageId"],
            first_message_id=carried.get("message_id") or message["MessageId"],
            receipt_handle=message["ReceiptHandle"],
            body=message["Body"],
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at_ms=sent_at_ms,
        )

    @property
    def sent_at(self) -> datetime:
        """When the queue first received it, in UTC."""
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.sent_at_ms)

    def fields(self) -> list[Any]:
        """Return the values to write as JSON; Delivery(*fields) restores it."""
        # Not dataclasses.astuple: its deep copies took an eighth of the worker's time.
        return [getattr(self, name) for name in self.__slots__]
