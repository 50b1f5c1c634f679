"""One pipeline to break: its queues and tables, a proxy before each of their servers, and its workers."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.config import Config

from stack.servers import Kind, Server, launch, wait_for
from tests.faults import dead_letters
from tests.faults.dead_letters import Letter
from tests.support.fault_proxy import FaultProxy
from tests.support.servers import Worker, environment, eventually

#: The line that a worker logs of each batch.
BATCH = re.compile(r"messages=(\d+) stored=(\d+) older=\d+ repeated=(\d+) set_aside=(\d+) ")


class Pipeline:
    """
    The queues and tables that end with `suffix`, which must exist.

    servers: SQS and DynamoDB themselves, of one kind. Workers reach them through the proxies `sqs` and `dynamodb`; what
    the tests send and read goes straight there.
    """

    def __init__(
        self, suffix: str, servers: tuple[Server, Server], directory: Path, *, kind: Kind = "embedded"
    ) -> None:
        self.suffix = suffix
        self.directory = directory
        self._kind: Kind = kind
        self._servers: dict[str, Server] = {each.name: each for each in servers}
        environ = environment(*servers)
        self.sqs = FaultProxy(environ["AWS_ENDPOINT_URL_SQS"])
        self.dynamodb = FaultProxy(environ["AWS_ENDPOINT_URL_DYNAMODB"])
        self.workers: list[Worker] = []
        self._started = 0
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=20)
        self.queue: Any = boto3.client("sqs", config=config)
        self._tables: Any = boto3.client("dynamodb", config=config)
        self.url = self.queue.get_queue_url(QueueName=f"trash-level-{suffix}")["QueueUrl"]
        self.dead_url = self.queue.get_queue_url(QueueName=f"trash-level-dead-{suffix}")["QueueUrl"]

    def start(self, *arguments: str, modules: Sequence[str] = (), **environ: str) -> Worker:
        """Start a worker, which loads `modules`; its way to AWS leads through the proxies. It need not be ready yet."""
        self._started += 1
        worker = Worker(
            self.directory / f"worker-{self._started}.log",
            *arguments,
            "-I",
            ",".join(["tests.faults.every_batch", *modules]),
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

    def clear(self) -> None:
        """End all workers in order, where they will: a killed one's last polls would hide what the next one is sent."""
        for worker in list(self.workers):
            with suppress(subprocess.TimeoutExpired):
                worker.stop()
            self.forget(worker)

    def proxy(self, server: str) -> FaultProxy:
        """Return the proxy before "sqs" or "dynamodb"."""
        return {"sqs": self.sqs, "dynamodb": self.dynamodb}[server]

    def heal(self) -> None:
        """Let everything pass."""
        self.sqs.heal()
        self.dynamodb.heal()

    def kill(self, name: Literal["sqs", "dynamodb"]) -> None:
        """Kill -9 a server itself."""
        self._servers[name].kill()

    def revive(self, name: Literal["sqs", "dynamodb"]) -> None:
        """Start a server that was killed where it was, with what it has kept."""
        dead = self._servers[name]
        self._servers[name] = wait_for(launch(name, dead.port, dead.data, kind=self._kind))

    def is_readable(self, can_id: str) -> bool:
        """Whether a can has a level."""
        return "Item" in self._tables.get_item(
            TableName=f"trash-levels-{self.suffix}", Key={"id": {"S": can_id}}, ConsistentRead=True
        )

    def readable(self, can_ids: Sequence[str], level: str = "") -> set[str]:
        """Return which of these cans have a level, or this one."""
        found: set[str] = set()
        table = f"trash-levels-{self.suffix}"
        for at in range(0, len(can_ids), 100):
            keys = [{"id": {"S": can_id}} for can_id in can_ids[at : at + 100]]
            wanted = {
                "Keys": keys, "ProjectionExpression": "id, #level", "ExpressionAttributeNames": {"#level": "level"},
                "ConsistentRead": True,
            }  # fmt: skip
            answer = self._tables.batch_get_item(RequestItems={table: wanted})
            items = answer["Responses"].get(table, ())
            found.update(item["id"]["S"] for item in items if level in ("", item["level"]["S"]))
        return found

    def depth(self) -> int:
        """Return how many messages are in the main queue, visible or not."""
        return sum(self._counts(self.url))

    def in_flight(self) -> int:
        """Return how many messages of the main queue are invisible."""
        return self._counts(self.url)[1]

    def dead(self) -> int:
        """Return how many messages are in the dead-letter queue, copies and halves counted."""
        return sum(self._counts(self.dead_url))

    def _counts(self, url: str) -> tuple[int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.queue.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])

    def drain(self, patience_s: float) -> None:
        """
        Wait until the main queue is empty, in flight included.

        Raises AssertionError once it has not become any shorter for so long.
        """
        least = self.depth()
        while least:
            eventually(lambda least=least: self.depth() < least, patience_s, pause_s=0.25)  # type: ignore[misc]
            least = min(least, self.depth())

    def letters(self) -> list[Letter]:
        """Take all dead letters out of their queue."""
        return dead_letters.collect(self.queue, self.dead_url)

    def health(self) -> list[str]:
        """Return what is wrong with the workers, in sentences."""
        from reports import store
        from reports.insight.health import worker_troubles

        now = datetime.now(UTC)
        try:
            return [f"{trouble.text} {trouble.remedy}" for trouble in worker_troubles(store.workers(now), now)]
        except store.StoreUnavailable as error:
            return [str(error)]

    def close(self) -> None:
        """End everything."""
        for worker in list(self.workers):
            self.forget(worker)
        self.sqs.close()
        self.dynamodb.close()
        for server in self._servers.values():
            server.kill()


def provision() -> None:
    """Make queues and tables in a program that is no test: Django is set up first, and silent on each 503."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    django.setup()
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    from reports import queue, store

    list(queue.provision())
    list(store.provision())
