"""The worker's task for alerts: beside the one for reports, on a queue of their own."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from celery import shared_task
from celery.exceptions import Reject

from reports import queue
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable
from reports.worker.alerts import delivery
from trashsite import tracing
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery

logger = logging.getLogger(__name__)
_outage = Outage("delivering alerts")


@shared_task(name="reports.deliver_alerts", ignore_result=True)
def deliver_alerts(deliveries: Sequence[Delivery]) -> None:
    """
    Deliver alerts, or set them aside with their reason.

    Only the transport calls this. Raises Reject as `tasks.store_messages` does.
    """
    began = time.monotonic()
    name = queue.full_name(queue.ALERTS)
    try:
        with tracing.span(f"process {name}", "CONSUMER", tracing.messaging("process", name, len(deliveries))):
            delivery.deliver(deliveries, datetime.now(UTC))
    except (StoreUnavailable, QueueUnavailable) as error:
        _outage.failed(error)
        raise Reject(str(error), requeue=False) from error
    except Exception as error:
        logger.exception("a batch of %d alerts raised an error in our code and is given back", len(deliveries))
        raise Reject(repr(error), requeue=True) from error
    _outage.ended(began)
