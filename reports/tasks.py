"""What the worker does: store what devices sent, set aside what can never be stored, then delete."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import shared_task
from celery.exceptions import Reject

from reports import metrics, queue, store, wire
from reports.queue import QueueUnavailable, Rejected
from reports.store import StoreUnavailable
from reports.wire import EPOCH, InvalidReport, Report
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.outage import Outage

logger = logging.getLogger(__name__)
_outage = Outage("storing reports")


@shared_task(name="reports.record_reports", ignore_result=True)
def record_reports(reports: list[dict[str, Any]]) -> None:
    """
    Store reports: the one task that any Celery producer may call, as `record_reports.delay([{...}, ...])`.

    reports: 1-500 objects as a device sends them. A worker never runs this body: the transport hands the
    reports on as if a device had sent them, so that each is checked, set aside or stored by one way only.
    Called as a plain function it publishes them.
    """
    queue.publish([json.dumps(reports)])


@shared_task(name="reports.store_messages", ignore_result=True)
def store_messages(batch: Sequence[Sequence[Any]]) -> None:
    """
    Store the reports of a batch of messages, set aside what is invalid, and delete the messages that are done.

    batch: the fields of one Delivery each; only the transport calls this. Ends in Reject where the batch must
    come again: without requeue while a service is down, with it when our own code broke.
    """
    deliveries = [Delivery(*fields) for fields in batch]
    try:
        _store(deliveries)
    except (StoreUnavailable, QueueUnavailable) as error:
        _outage.failed(error)
        raise Reject(str(error), requeue=False) from error
    except Exception as error:
        logger.exception("a batch of %d messages broke the worker's code and goes back", len(deliveries))
        raise Reject(repr(error), requeue=True) from error
    _outage.ended()


_Parsed = tuple[Delivery, list[Report | InvalidReport]]


def _store(deliveries: Sequence[Delivery]) -> None:
    parsed = [(delivery, _parse(delivery)) for delivery in deliveries]
    reports = [each for _, results in parsed for each in results if isinstance(each, Report)]
    try:
        outcome = store.put_reports(reports, now=datetime.now(UTC))
    except StoreUnavailable as error:
        # What is safe need not wait for the rest, which comes again with the batch.
        unsaved = {id(report) for report in error.unsaved}
        _settle([each for each in parsed if not any(id(result) in unsaved for result in each[1])])
        raise
    set_aside = _settle(parsed)
    metrics.add(messages=len(deliveries), stored=outcome.stored, stale=outcome.stale, repeated=outcome.repeated)
    ages = [time.time() - delivery.sent_at_ms / 1000 for delivery in deliveries]
    logger.info(
        "messages=%d stored=%d stale=%d repeated=%d set_aside=%d age_s=%.1f..%.1f",
        len(deliveries), outcome.stored, outcome.stale, outcome.repeated, set_aside, min(ages), max(ages),
    )  # fmt: skip


def _parse(delivery: Delivery) -> list[Report | InvalidReport]:
    if delivery.problem:
        return [InvalidReport("message", delivery.problem, text=delivery.body)]
    return wire.parse(delivery.body, EPOCH + timedelta(milliseconds=delivery.sent_at_ms))


def _settle(parsed: Sequence[_Parsed]) -> int:
    """Set aside what is invalid in messages whose reports are stored, delete them, and return how many it was."""
    rejected = [
        Rejected(result, delivery)
        for delivery, results in parsed
        for result in results
        if isinstance(result, InvalidReport)
    ]
    try:
        queue.quarantine(rejected)
    except QueueUnavailable:
        poisoned = {each.delivery.receipt_handle for each in rejected}
        queue.delete([delivery for delivery, _ in parsed if delivery.receipt_handle not in poisoned])
        raise
    queue.delete([delivery for delivery, _ in parsed])
    for each in rejected:
        logger.warning("set aside message %s: %s", each.delivery.first_message_id, each.error)
    metrics.add(set_aside=len(rejected))
    return len(rejected)
