"""The whole way: a message on the queue, the real worker, the store."""

from __future__ import annotations

from collections.abc import Callable

import boto3
import pytest

from reports import queue, store
from reports.tasks import record_reports
from tests.support.servers import Worker, eventually


@pytest.fixture
def send(suffix: str) -> Callable[[str], str]:
    """Send a text to the queue as a device does, with the AWS SDK alone."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"trash-level-{suffix}")["QueueUrl"]
    return lambda body: sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"]


@pytest.mark.parametrize("pool", ["threads", "prefork", "solo", "gevent"])
def test_a_device_message_a_celery_call_and_poison_each_end_where_they_should(
    pool: str, worker: Callable[..., Worker], send: Callable[[str], str]
) -> None:
    started = worker("-P", pool).ready()
    send('{"can_id":"432","level":"70.69237046207665"}')
    send('[{"can_id":"433","level":1.50},{"can_id":"434"}]')
    send("not JSON")
    record_reports.apply_async(([{"can_id": "435", "level": "12.5"}],), queue=queue.full_name("trash-level"))

    def latest() -> list[str | None]:
        return [report and report.level for report in map(store.latest, ("432", "433", "435"))]

    eventually(lambda: latest() == ["70.69237046207665", "1.50", "12.5"])
    eventually(lambda: queue.depth() == queue.Depth(waiting=0, in_flight=0, dead=2))
    assert store.latest("434") is None
    assert started.stop() == 0
    assert "ERROR" not in started.log
