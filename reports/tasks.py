"""What the worker does: store what devices sent, set aside what can never be stored, then delete."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import shared_task, signals
from celery.concurrency import get_implementation
from celery.exceptions import Reject
from django.conf import settings

from reports import formats, queue, store
from reports.queue import QueueUnavailable, Rejected
from reports.report import EPOCH, InvalidReport, Report
from reports.store import StoreUnavailable
from reports.worker import counters
from reports.worker.brake import Alarm, Brake, Braked
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery

logger = logging.getLogger(__name__)
#: A message that came more often waits in hand: SQS would set it aside after queue.MAX_RECEIVES.
MOST_POSTPONED = queue.MAX_RECEIVES - 5
_outage = Outage("storing reports")
_throttling = Outage("storing what DynamoDB throttles")
alarm = Alarm(Brake(settings.TRASH_BRAKE_SET_ASIDE, settings.TRASH_BRAKE_WITHIN_S, settings.TRASH_BRAKE_PERCENT))


@signals.worker_init.connect
def _count_processes(sender: Any, **_: Any) -> None:
    is_prefork = get_implementation(sender.pool_cls).__module__ == "celery.concurrency.prefork"
    alarm.brake.processes = int(sender.concurrency or 1) if is_prefork else 1


@signals.worker_process_init.connect
def _share_the_brake(**_: Any) -> None:
    # A child of a prefork pool sees its share of the messages; a solo worker, which is told too, sees all.
    alarm.brake.share()


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
    come again: without requeue while a service is down or the brake is on, with it when our own code broke.
    """
    began = time.monotonic()
    deliveries = [Delivery(*fields) for fields in batch]
    try:
        _store(deliveries)
    except (StoreUnavailable, QueueUnavailable) as error:
        _outage.failed(error)
        raise Reject(str(error), requeue=False) from error
    except Braked as error:
        # Held as in an outage: the transport takes no more, and tries one batch at a time.
        _outage.ended(began)
        raise Reject(str(error), requeue=False) from error
    except Exception as error:
        logger.exception("a batch of %d messages broke the worker's code and goes back", len(deliveries))
        raise Reject(repr(error), requeue=True) from error
    _outage.ended(began)


_Parsed = tuple[Delivery, list[Report | InvalidReport]]


def _store(deliveries: Sequence[Delivery]) -> None:
    parsed = [(delivery, _parse(delivery)) for delivery in deliveries]
    reports = [each for _, results in parsed for each in results if isinstance(each, Report)]
    try:
        tries = 1 if deliveries[0].receive_count > 1 else store.TRIES
        outcome = store.put_reports(reports, now=datetime.now(UTC), tries=tries)
        later = _of(outcome.throttled, parsed)
        if any(delivery.receive_count > MOST_POSTPONED for delivery in later):
            raise StoreUnavailable("DynamoDB has throttled these for long", outcome.throttled)
    except StoreUnavailable as error:
        # What is safe need not wait for the rest. The batch comes again whole, so nothing is set aside yet: it would
        # be again with each try.
        unsaved = _of(error.unsaved, parsed)
        _delete_clean([each for each in parsed if each[0] not in unsaved])
        raise
    set_aside = _settle([each for each in parsed if each[0] not in later])
    if later:
        # Last, for a batch that has to come again comes whole.
        _throttling.failed(f"{len(later)} messages go back for a while")
        queue.postpone(later)
    else:
        _throttling.ended()
    counters.add(messages=len(deliveries) - len(later), postponed=len(later))
    newest = outcome.stored - outcome.older
    counters.add(stored=newest, stale=outcome.older, repeated=outcome.repeated)
    ages = [time.time() - delivery.sent_at_ms / 1000 for delivery in deliveries]
    counters.note(lag_ms=max(0, int(max(ages) * 1000)), last_stored_at_s=int(time.time()))
    logger.info(
        "messages=%d stored=%d stale=%d repeated=%d set_aside=%d postponed=%d age_s=%.1f..%.1f",
        len(deliveries), newest, outcome.older, outcome.repeated, set_aside, len(later), min(ages), max(ages),
    )  # fmt: skip


def _parse(delivery: Delivery) -> list[Report | InvalidReport]:
    if delivery.problem:
        return [InvalidReport("message", delivery.problem, text=delivery.body)]
    return formats.parse(delivery.body, EPOCH + timedelta(milliseconds=delivery.sent_at_ms))


def _settle(parsed: Sequence[_Parsed]) -> int:
    """Set aside what is invalid in messages whose reports are stored, delete them, and return how many it was."""
    rejected = [
        Rejected(result, delivery)
        for delivery, results in parsed
        for result in results
        if isinstance(result, InvalidReport)
    ]
    counts = {"valid": sum(len(results) for _, results in parsed) - len(rejected), "invalid": len(rejected)}
    try:
        alarm.check(**counts)
        queue.quarantine(rejected)
    except (QueueUnavailable, Braked):
        _delete_clean(parsed)
        raise
    queue.delete([delivery for delivery, _ in parsed])
    alarm.note(**counts)
    for each in rejected:
        logger.warning("set aside message %s: %s", each.delivery.first_message_id, each.error)
    counters.add(set_aside=len(rejected))
    return len(rejected)


def _of(reports: Sequence[Report], parsed: Sequence[_Parsed]) -> list[Delivery]:
    """Return the messages that brought some of these reports."""
    wanted = {id(report) for report in reports}
    return [delivery for delivery, results in parsed if any(id(result) in wanted for result in results)]


def _delete_clean(parsed: Sequence[_Parsed]) -> None:
    """Delete the messages that hold nothing invalid; their reports are stored."""
    queue.delete(
        [delivery for delivery, results in parsed if not any(isinstance(each, InvalidReport) for each in results)]
    )
