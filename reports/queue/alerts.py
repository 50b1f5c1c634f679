"""Alerts on their way: sent to a queue of their own, and set aside where they can never be delivered."""

from __future__ import annotations

from collections.abc import Sequence

from reports.insight.change import Change
from reports.queue.requests import (
    ALERTS,
    DEAD_ALERTS,
    as_queue_errors,
    get_attributes,
    in_batches,
    message_attributes,
    send_batch,
    sqs_text,
    url_of,
)
from trashsite import telemetry


def publish_alerts(changes: Sequence[Change]) -> None:
    """Send an alert of each change, and count them. Raises QueueUnavailable; what was sent twice is delivered once."""
    with as_queue_errors():
        for batch in in_batches([{"MessageBody": sqs_text(each.text())} for each in changes]):
            send_batch(ALERTS, batch)
    if changes:
        telemetry.ALERTS.add(len(changes), "queued")


def count_dead_alerts() -> int:
    """Return how many alerts are set aside, by SQS's own estimate. Raises QueueUnavailable."""
    visible = "ApproximateNumberOfMessages"
    with as_queue_errors():
        return int(get_attributes(url_of(DEAD_ALERTS), visible)[visible])


def set_alert_aside(body: str, reason: str, message_id: str) -> None:
    """Make an alert's message a dead letter that says why. Raises QueueUnavailable; safe to call again."""
    facts = {"reason": reason, "first_message_id": message_id}
    with as_queue_errors():
        send_batch(
            DEAD_ALERTS, [{"MessageBody": sqs_text(body) or " ", "MessageAttributes": message_attributes(facts)}]
        )
