"""The queues: created where they are missing, corrected where their attributes differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from reports.queue.requests import (
    ALERTS,
    DEAD,
    DEAD_ALERTS,
    REPORTS,
    QueueUnavailable,
    as_queue_errors,
    get_attributes,
    is_missing,
    sqs,
    url_of,
)
from trashsite import aws
from trashsite.names import full_name
from trashsite.sqs.receiver import VISIBILITY_S

MAX_RECEIVES = 20
#: An alert is received again for each try, and while it waits: up to 180 times in 12 hours (worker.alerts.delivery).
MAX_RECEIVES_ALERTS = 200
ATTRIBUTES = {
    "VisibilityTimeout": str(VISIBILITY_S),
    "ReceiveMessageWaitTimeSeconds": "20",
    "MessageRetentionPeriod": str(4 * 24 * 3600),
}
DEAD_ATTRIBUTES = {"MessageRetentionPeriod": str(14 * 24 * 3600)}


def provision() -> Iterator[str]:
    """Create each queue that is missing, and yield a line on each. Safe to run again. Raises QueueUnavailable."""
    with as_queue_errors():
        for name, dead, receives in ((REPORTS, DEAD, MAX_RECEIVES), (ALERTS, DEAD_ALERTS, MAX_RECEIVES_ALERTS)):
            yield _ensure(full_name(dead), DEAD_ATTRIBUTES)
            arn = get_attributes(url_of(dead), "QueueArn")["QueueArn"]
            # Written as AWS returns it, or each run would find it changed.
            policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives}, separators=(",", ":"))
            yield _ensure(full_name(name), {**ATTRIBUTES, "RedrivePolicy": policy})


def flaws(name: str) -> list[str]:
    """
    Return why a worker must not receive from the queue of that full name; an empty list where it may.

    Raises QueueUnavailable where SQS does not answer.
    """
    try:
        with as_queue_errors():
            url = sqs().patiently("GetQueueUrl", {"QueueName": name})["QueueUrl"]
            sent = get_attributes(url, "RedrivePolicy").get("RedrivePolicy")
    except QueueUnavailable as error:
        if is_missing(error.__cause__):
            return [f"queue {name} does not exist: run `manage.py provision`"]
        raise
    receives = int(json.loads(sent).get("maxReceiveCount", 0)) if sent else 0
    if receives < 10:
        return [
            f"queue {name} has no redrive policy with a maxReceiveCount of at least 10 "
            "(what can never be stored would come back for ever, or restarts would move good messages away): "
            "run `manage.py provision`"
        ]
    return []


def _ensure(name: str, attributes: Mapping[str, str]) -> str:
    try:
        url = sqs().patiently("GetQueueUrl", {"QueueName": name})["QueueUrl"]
    except aws.AwsError as error:
        if not is_missing(error):
            raise
        sqs().patiently("CreateQueue", {"QueueName": name, "Attributes": dict(attributes)})
        return f"made queue {name}"
    if get_attributes(url, *attributes) == dict(attributes):
        return f"found queue {name}"
    sqs().patiently("SetQueueAttributes", {"QueueUrl": url, "Attributes": dict(attributes)})
    return f"found queue {name}, set its attributes"
