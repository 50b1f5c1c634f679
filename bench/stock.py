"""
Celery without this project's transport: a stock worker on kombu's own SQS transport, one message a task.

It writes the same rows to the same tables as the worker, with boto3: a row of history, and a conditional update of the
can. A stock worker discards plain device messages, so each is published as a call of `record`:
`python -m bench.stock < bodies`, one body a line. The worker is `celery -A bench.stock worker`.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError
from celery import Celery, signals
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from bench.peer_rows import latest_values
from reports.formats.native import parse
from reports.report import Report
from reports.store.dynamodb import HISTORY, LEVELS
from reports.store.keys import order_key
from reports.store.report_items import history_item
from trashsite.names import full_name

# The project's package puts its own transport there when it is imported.
TRANSPORT_ALIASES["sqs"] = "kombu.transport.SQS:Transport"

_host = urlsplit(os.environ["AWS_ENDPOINT_URL_SQS"]).netloc
# No fixups: this worker need not close Django's database connections around each task.
app = Celery("bench-stock", broker=f"sqs://local:local@{_host}//", fixups=[])
app.conf.update(
    broker_transport_options={"region": os.environ["AWS_REGION"], "is_secure": False, "visibility_timeout": 30},
    task_default_queue=full_name("trash-level"),
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=False,
    task_ignore_result=True,
    worker_enable_remote_control=False,
)


@cache
def _dynamodb() -> Any:
    return boto3.client("dynamodb")


@signals.worker_init.connect
@signals.worker_process_init.connect
def prepare(**_: Any) -> None:
    """Make the client before the first task: start-up is not measured."""
    _dynamodb.cache_clear()
    _dynamodb()


@app.task(name="bench.record")
def record(body: str) -> None:
    """Store one report; what raises is not acknowledged, and comes back."""
    (report,) = parse(body, datetime.now(UTC))
    if not isinstance(report, Report):
        raise report
    key = order_key(report)
    if settings.TRASH_HISTORY_DAYS:
        _dynamodb().put_item(TableName=full_name(HISTORY), Item=history_item(report, key))
    values = latest_values(report, key)
    try:
        _dynamodb().update_item(
            TableName=full_name(LEVELS),
            Key={"id": {"S": report.can_id}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ConditionExpression="attribute_not_exists(order_key) OR order_key < :order_key",
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise


if __name__ == "__main__":
    # One connection for all calls.
    with app.producer_pool.acquire(block=True) as producer:
        for line in sys.stdin:
            app.send_task("bench.record", (line.rstrip("\n"),), producer=producer)
