"""Alerts on their way: sent to a queue of their own, and set aside where they can never be delivered."""

from __future__ import annotations

from collections.abc import Sequence

from reports.queue.requests import (
    ALERTS,
    DEAD_ALERTS,
    as_queue_errors,
    in_batches,
    message_attributes,
    send_batch,
    sqs_text,
)


def publish_alerts(bodies: Sequence[str]) -> None:
    """Send each body as one message. Raises QueueUnavailable; what was sent twice is delivered once."""
    with as_queue_errors():
        for batch in in_batches([{"MessageBody": sqs_text(body)} for body in bodies]):
            send_batch(ALERTS, batch)


def set_alert_aside(body: str, reason: str, message_id: str) -> None:
    """Make an alert's message a dead letter that says why. Raises QueueUnavailable; safe to call again."""
    facts = {"reason": reason, "first_message_id": message_id}
    with as_queue_errors():
        send_batch(
            DEAD_ALERTS, [{"MessageBody": sqs_text(body) or " ", "MessageAttributes": message_attributes(facts)}]
        )
