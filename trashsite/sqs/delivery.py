"""One message as SQS delivered it, in the form in which it is passed to a task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from trashsite import tracing
from trashsite.sqs import origin
from trashsite.sqs.origin import Origin

#: The sender of a redriven message whose first sender was not asked.
ANY_SENDER = "*"
_EPOCH = datetime.fromtimestamp(0, UTC)


class Delivery(NamedTuple):
    """
    A message in progress: its body unchanged, or the reports of a Celery call as JSON text.

    sent_at_ms: when the queue first received it, in epoch milliseconds. receive_count: 1 for the first delivery.
    why_unreadable: why it cannot be read although it names our task, "" for all others. sender_id: who first sent it,
    by AWS's id: "" where SQS did not tell, ANY_SENDER where it was redriven and nobody had asked. trace: the
    context that created it (trashsite.tracing), "" where it tells none.
    """

    queue_url: str
    message_id: str
    first_message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at_ms: int
    why_unreadable: str = ""
    sender_id: str = ""
    trace: str = ""

    @classmethod
    def received(cls, queue_url: str, message: Mapping[str, Any], *, is_ours: bool = False) -> Delivery:
        """
        Return the delivery of a message in an answer of ReceiveMessage.

        is_ours: whether only we may have sent it, so that its attributes need no signature.
        """
        attributes, told = message.get("Attributes", {}), message.get("MessageAttributes")
        message_id = first_message_id = message["MessageId"]
        sent_at_ms, sender_id = int(attributes.get("SentTimestamp", 0)), str(attributes.get("SenderId", ""))
        if told and (earlier := origin.read(told) if is_ours else origin.verified(told, message["Body"])):
            first_message_id, sender_id = earlier.message_id, earlier.sender_id or ANY_SENDER
            # A report never becomes younger.
            sent_at_ms = min(earlier.sent_at_ms, sent_at_ms)
        return cls(
            queue_url=queue_url,
            message_id=message_id,
            first_message_id=first_message_id,
            receipt_handle=message["ReceiptHandle"],
            body=message["Body"],
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at_ms=sent_at_ms,
            sender_id=sender_id,
            trace=tracing.context_of(message),
        )

    @property
    def origin(self) -> Origin:
        """Who first sent it, and when."""
        return Origin(self.first_message_id, self.sent_at_ms, "" if self.sender_id == ANY_SENDER else self.sender_id)

    @property
    def is_sent_again(self) -> bool:
        """Whether it had left the queue before, as a dead letter or kept for a sensor: its age is no delay of ours."""
        return self.message_id != self.first_message_id

    @property
    def sent_at(self) -> datetime:
        """When the queue first received it, in UTC."""
        return _EPOCH + timedelta(milliseconds=self.sent_at_ms)
