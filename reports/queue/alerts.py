"""Alerts on their way: sent to a queue of their own, and set aside where they can never be delivered."""

from __future__ import annotations

from collections.abc import Sequence

from reports.insight.change import Change
from reports.queue.requests import (
    ALERTS,
    DEAD_ALERTS,
    as_queue_errors,
    in_batches,
    message_attributes,
    send_batch,
    sqs_text,
)
from trashsite import telemetry
from trashsite.sqs.delivery import Delivery


def publish_alerts(changes: Sequence[Change]) -> None:
    """Send an alert of each change, and count them. Raises QueueUnavailable; what was sent twice is delivered once."""
    with as_queue_errors():
        for batch in in_batches([{"MessageBody": sqs_text(each.text())} for each in changes]):
            send_batch(ALERTS, batch)
    if changes:
        telemetry.ALERTS.add(len(changes), "queued")


def set_alert_aside(delivery: Delivery, error: str, *, rule_name: str = "", rule_id: str = "") -> None:
    """
    Make an alert's message a dead letter that says why.

    rule_name, rule_id: the rule by which it could not be delivered; "" where the message is no alert at all.
    Raises QueueUnavailable. Safe to call again: a second copy is of the same letter.
    """
    facts = {
        "reason": "failed" if rule_id else "invalid",
        "field": rule_name or "message",
        "error": error,
        "rule": rule_id,
        **delivery.origin.facts(),
        "receive_count": str(delivery.receive_count),
    }
    letter = {"MessageBody": sqs_text(delivery.body) or " ", "MessageAttributes": message_attributes(facts)}
    with as_queue_errors():
        send_batch(DEAD_ALERTS, [letter])
