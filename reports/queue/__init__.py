"""
The queue: everything that this app does with SQS, as functions. They raise QueueUnavailable, never an error of AWS.

`trash-level` receives what devices send, `trash-level-dead` keeps what can never be stored, with the reason.
Messages moved there by SQS, after too many receives, have no reason attached. `trash-alerts` takes the alerts that
workers send, `trash-alerts-dead` those that can never be delivered.
"""

from reports.queue.alerts import publish_alerts, set_alert_aside
from reports.queue.dead_letters import (
    LetterOutcome,
    count_dead_letters,
    discard,
    find_letters,
    redrive,
    redrive_where,
    sample_letters,
    walk_letters,
)
from reports.queue.messages import (
    Depth,
    Rejected,
    count_in_flight,
    delete,
    depth,
    ping,
    postpone,
    publish,
    quarantine,
    send_again,
)
from reports.queue.provisioning import MAX_RECEIVES, flaws, provision
from reports.queue.received_letters import DeadLetter, LetterKind
from reports.queue.requests import ALERTS, DEAD, DEAD_ALERTS, REPORTS, QueueUnavailable, sqs_text, url_of
from trashsite.names import full_name
from trashsite.sqs.entries import MAX_BYTES
from trashsite.sqs.origin import Origin, RedriveKeyMissing

__all__ = (
    "ALERTS",
    "DEAD",
    "DEAD_ALERTS",
    "MAX_BYTES",
    "MAX_RECEIVES",
    "REPORTS",
    "DeadLetter",
    "Depth",
    "LetterKind",
    "LetterOutcome",
    "Origin",
    "QueueUnavailable",
    "RedriveKeyMissing",
    "Rejected",
    "count_dead_letters",
    "count_in_flight",
    "delete",
    "depth",
    "discard",
    "find_letters",
    "flaws",
    "full_name",
    "ping",
    "postpone",
    "provision",
    "publish",
    "publish_alerts",
    "quarantine",
    "redrive",
    "redrive_where",
    "sample_letters",
    "send_again",
    "set_alert_aside",
    "sqs_text",
    "url_of",
    "walk_letters",
)  # fmt: skip
