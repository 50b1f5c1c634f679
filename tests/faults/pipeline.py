"""One pipeline to break: its queues and tables, a proxy before each of their servers, and its workers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.faults import letters
from tests.faults.letters import Letter
from tests.faults.proxy import FaultProxy
from tests.servers import Worker, eventually

#: The line that a worker logs of each batch.
BATCH = re.compile(r"messages=(\d+) stored=(\d+) stale=(\d+) repeated=(\d+) set_aside=(\d+) ")


class Pipeline:
    """
    The queues and tables that end with `suffix`, which must exist.

    environ: leads to the real servers. Workers reach them through the proxies `sqs` and `dynamodb`; what the
    tests send and read goes straight there.
    """

    def __init__(self, suffix: str, environ: Mapping[str, str], directory: Path) -> None:
        self.suffix = suffix
        self.directory = directory
        self.sqs = FaultProxy(environ["AWS_ENDPOINT_URL_SQS"])
        self.dynamodb = FaultProxy(environ["AWS_ENDPOINT_URL_DYNAMODB"])
        self.workers: list[Worker] = []
        self._started = 0
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=20)
        self.queue: Any = boto3.client("sqs", config=config)
        self._tables: Any = boto3.client("dynamodb", config=config)
        self.url = self.queue.get_queue_url(QueueName=f"trash-level-{suffix}")["QueueUrl"]
        self.dead_url = self.queue.get_queue_url(QueueName=f"trash-level-dead-{suffix}")["QueueUrl"]

    def start(self, *arguments: str, **environ: str) -> Worker:
        """Start a worker whose way to AWS leads through the proxies; it need not be ready yet."""
        self._started += 1
        worker = Worker(
            self.directory / f"worker-{self._started}.log",
            *arguments,
            TRASH_SUFFIX=self.suffix,
            AWS_ENDPOINT_URL_SQS=self.sqs.url,
            AWS_ENDPOINT_URL_DYNAMODB=self.dynamodb.url,
            PYTHONWARNINGS="ignore:You're running the worker with superuser",
            **environ,
        )
        self.workers.append(worker)
        return worker

    def forget(self, worker: Worker) -> None:
        """Kill a worker, if it still runs, and no longer count it."""
        with suppress(ValueError):
            self.workers.remove(worker)
        worker.kill()

    def proxy(self, server: str) -> FaultProxy:
        """Return the proxy before "sqs" or "dynamodb"."""
        return {"sqs": self.sqs, "dynamodb": self.dynamodb}[server]

    def heal(self) -> None:
        """Let everything pass."""
        self.sqs.heal()
        self.dynamodb.heal()

    def is_readable(self, can_id: str) -> bool:
        """Whether a can has a level."""
        return "Item" in self._tables.get_item(
            TableName=f"trash-levels-{self.suffix}", Key={"id": {"S": can_id}}, ConsistentRead=True
        )

    def depth(self) -> int:
        """Return how many messages are in the main queue, visible or not."""
        attributes = self.queue.get_queue_attributes(
            QueueUrl=self.url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return sum(map(int, attributes.values()))

    def drain(self, deadline_s: float) -> None:
        """Wait until the main queue is empty, in flight included. Raises AssertionError where it does not get so."""
        eventually(lambda: self.depth() == 0, deadline_s, pause_s=0.25)

    def letters(self) -> list[Letter]:
        """Take all dead letters out of their queue."""
        return letters.collect(self.queue, self.dead_url)

    def problems(self) -> list[str]:
        """Return what the workers' heartbeats say of themselves."""
        answer = self._tables.query(
            TableName=f"trash-pipeline-{self.suffix}",
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": "worker"}},
            ConsistentRead=True,
        )
        return [problem for item in answer["Items"] if (problem := item["problem"]["S"])]

    def close(self) -> None:
        """End everything."""
        for worker in list(self.workers):
            self.forget(worker)
        self.sqs.close()
        self.dynamodb.close()
