"""
Counts the requests that a process sends to AWS, and delays its first receive until the bench opens a gate.

A process started by `python -m bench.counted` counts in a file of its own that the bench maps too: reading it costs
the measured process nothing. Counting a request takes about 2 µs.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SQS = (
    "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch", "SendMessage", "SendMessageBatch", "other sqs",
)  # fmt: skip
DYNAMODB = (
    "BatchWriteItem", "BatchExecuteStatement", "BatchGetItem", "TransactWriteItems", "GetItem", "PutItem",
    "UpdateItem", "Query", "other dynamodb",
)  # fmt: skip
#: Not requests: messages deleted, and whether the process waits at the gate before its first receive.
NAMES = (*SQS, *DYNAMODB, "deleted", "at gate")
SIZE = 8 * len(NAMES)


class Counters:
    """This process's numbers, in a file that others map; a forked child gets a file of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        gate = (directory / "gate").open("rb")
        self._gate = mmap.mmap(gate.fileno(), 1, access=mmap.ACCESS_READ)
        self._open()
        os.register_at_fork(after_in_child=self._open)

    def _open(self) -> None:
        self._lock = threading.Lock()
        with (self._directory / f"{os.getpid()}.counts").open("w+b") as file:
            file.truncate(SIZE)
            self._map = mmap.mmap(file.fileno(), SIZE)

    def add(self, name: str, number: int = 1) -> None:
        """Add to a count."""
        at = 8 * NAMES.index(name)
        with self._lock:
            struct.pack_into("q", self._map, at, struct.unpack_from("q", self._map, at)[0] + number)

    def request(self, headers: Mapping[Any, Any]) -> str:
        """Count a request by the operation in its headers, and return that; a receive waits at the gate."""
        target = headers.get("X-Amz-Target") or ""
        service, _, operation = (target.decode() if isinstance(target, bytes) else str(target)).partition(".")
        self.wait_at_gate(operation)
        self.sent("sqs" if service == "AmazonSQS" else "dynamodb", operation)
        return operation

    def wait_at_gate(self, operation: str) -> None:
        """Wait before the first receive until the bench opens the gate."""
        if operation == "ReceiveMessage" and self._gate[0] == 0:
            self.add("at gate")
            while self._gate[0] == 0:
                time.sleep(0.002)

    def sent(self, service: str, operation: str) -> None:
        """Count a request."""
        self.add(operation if operation in NAMES else f"other {service}")


def watch_ours(counters: Counters) -> None:
    """Count what the project's own client sends, and what the project itself counts as deleted."""
    from trashsite import aws, telemetry

    plain, add = aws.Client.call, telemetry.MESSAGES_DELETED.add

    def is_of_alerts(resource: str) -> bool:
        # What is asked of the queue of alerts does not depend on reports: the bill has a line of its own for it.
        return resource.startswith("trash-alerts")

    def call(client: Any, operation: str, request: Any, **how: Any) -> Any:
        if not is_of_alerts(aws.resource_of(request)):
            counters.wait_at_gate(operation)
        return plain(client, operation, request, **how)

    def deleted(amount: float = 1, *labels: str) -> None:
        add(amount, *labels)
        counters.add("deleted", int(amount))

    aws.Client.call = call  # type: ignore[method-assign]
    aws.subscribers.append(
        lambda sent: None if is_of_alerts(sent.resource) else counters.sent(sent.service, sent.operation)
    )
    telemetry.MESSAGES_DELETED.add = deleted  # type: ignore[method-assign]


def watch_urllib3(counters: Counters) -> None:
    """Count what boto3 sends, by urllib3's pools."""
    from urllib3.connectionpool import HTTPConnectionPool

    plain = HTTPConnectionPool.urlopen

    def urlopen(pool: Any, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any) -> Any:
        operation = counters.request(headers or {})
        response = plain(pool, method, url, body, headers, **kwargs)
        if operation in {"DeleteMessage", "DeleteMessageBatch"} and response.status == 200:
            counters.add("deleted", bytes(body, "utf-8").count(b'"ReceiptHandle"') if isinstance(body, str)
                         else body.count(b'"ReceiptHandle"'))  # fmt: skip
        return response

    HTTPConnectionPool.urlopen = urlopen  # type: ignore[assignment]


def watch_curl(counters: Counters) -> None:
    """Count what kombu's own SQS transport receives through curl."""
    from kombu.asynchronous.http.curl import CurlClient

    plain = CurlClient.add_request

    def add_request(client: Any, request: Any) -> Any:
        counters.request(request.headers)
        return plain(client, request)

    CurlClient.add_request = add_request  # type: ignore[method-assign, assignment]


class Watch:
    """The bench's side: the directory in which measured processes count, and their gate."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self._gate = directory / "gate"
        self._gate.write_bytes(b"\0")
        self._maps: dict[str, mmap.mmap] = {}

    def open_gate(self) -> None:
        """Allow the measured processes to receive."""
        with self._gate.open("r+b") as gate:
            gate.write(b"\1")

    def total(self) -> Counter[str]:
        """Return what all processes have counted so far."""
        for path in self.directory.glob("*.counts"):
            if path.name not in self._maps and path.stat().st_size == SIZE:
                with path.open("rb") as file:
                    self._maps[path.name] = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)
        total: Counter[str] = Counter()
        for counted in self._maps.values():
            total.update(dict(zip(NAMES, struct.unpack_from(f"{len(NAMES)}q", counted), strict=True)))
        return total

    def waiting(self) -> int:
        """Return how many processes have reached the gate."""
        self.total()
        at = 8 * NAMES.index("at gate")
        return sum(struct.unpack_from("q", counted, at)[0] > 0 for counted in self._maps.values())
