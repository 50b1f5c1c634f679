"""The worker's tasks, by the names that messages and producers know."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from typing import Any

from celery import current_task, shared_task
from celery.exceptions import Reject

from reports import queue
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable
from reports.worker.storing import store_batch
from trashsite import logs, telemetry, tracing
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery

logger = logging.getLogger(__name__)
_outage = Outage("storing reports")


@shared_task(name="reports.record_reports", ignore_result=True)
def record_reports(reports: list[dict[str, Any]]) -> None:
    """
    Store reports: the one task that any Celery producer may call, as `record_reports.delay([{...}, ...])`.

    reports: 1-500 objects as a device sends them. A worker never runs this body: the transport passes the reports on
    as if a device had sent them, so that they are checked, set aside or stored in one place only. Called as a plain
    function it publishes them.
    """
    queue.publish([json.dumps(reports)])


@shared_task(name="reports.store_messages", ignore_result=True)
def store_messages(deliveries: Sequence[Delivery]) -> None:
    """
    Store the reports of a batch of messages, set aside what is invalid, and delete the messages.

    Only the transport calls this. Raises Reject where the batch must come again: without requeue while a service is
    down, with it after an error of our code.
    """
    began, outcome = time.monotonic(), "error"
    telemetry.BATCH_MESSAGES.observe(len(deliveries))
    context = logs.context.set({"batch_id": current_task.request.id or ""} if current_task else {})
    queue_name = queue.full_name(queue.REPORTS)
    try:
        with tracing.span(
            f"process {queue_name}", "CONSUMER", tracing.messaging("process", queue_name, len(deliveries)),
            created=(each.trace for each in deliveries),
        ):  # fmt: skip
            store_batch(deliveries)
        outcome = "done"
    except (StoreUnavailable, QueueUnavailable) as error:
        outcome = "unavailable"
        _outage.failed(error)
        raise Reject(str(error), requeue=False) from error
    except Exception as error:
        logger.exception("a batch of %d messages raised an error in our code and is given back", len(deliveries))
        raise Reject(repr(error), requeue=True) from error
    finally:
        telemetry.BATCHES.add(1, outcome)
        telemetry.BATCH_SECONDS.observe(time.monotonic() - began)
        logs.context.reset(context)
    _outage.ended(began)
