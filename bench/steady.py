"""What a report costs that comes at a steady rate, and how soon it can be read, from its sending on."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from bench import processes
from bench.cases import ROWS, Row
from bench.counts import DYNAMODB, SQS
from bench.deployment import ROOT, BenchError, Deployment, proxied
from bench.messages import Messages
from stack.servers import Server

SECONDS = 30
#: Reports a second that are read; reading all would load the store.
PROBES = 10
#: Between two looks, and a twentieth of the wait where that is longer: many looks would slow down what is measured.
POLL_S = 0.004
GIVEN_UP_S = 30.0


def measure(name: str, rate: int, sqs: Server, dynamodb: Server) -> dict[str, float]:
    """
    Send `rate` reports a second for half a minute and return how soon they could be read, and what they cost.

    The worker's requests to DynamoDB pass a proxy that counts their capacity units; the probes' do not.
    """
    row = ROWS[name]
    count = rate * SECONDS
    messages = Messages(datetime.now(UTC) - timedelta(minutes=2), count)
    with Deployment.fresh(sqs, dynamodb, row, messages.before()) as deployment:
        with proxied(dynamodb, capacity=True) as (port, consumed):
            figures = _measured(deployment, row, messages, rate, f"http://127.0.0.1:{port}")
        if not consumed["unknown"]:
            figures |= {f"{kind}_units_per_report": consumed[f"{kind}_units"] / count for kind in ("write", "read")}
        deployment.verify(row, messages)
    return figures


def _measured(deployment: Deployment, row: Row, messages: Messages, rate: int, dynamodb: str) -> dict[str, float]:
    count = messages.count
    with deployment.workers(row, 1, AWS_ENDPOINT_URL_DYNAMODB=dynamodb) as workers:
        deployment.watch.open_gate()
        deployment.await_receive()
        with _sender(deployment, row) as send, ThreadPoolExecutor(32) as probes:
            tree = processes.tree(workers[0].pid)
            counted, cpu = deployment.watch.total(), processes.cpu_s(tree)
            logged = len(deployment.log())
            reads = [
                probes.submit(_readable, deployment, body, sent_at)
                for at, (body, sent_at) in enumerate(_paced(messages, rate, send))
                if at % max(1, rate // PROBES) == 0
            ]
            waits = sorted(each.result() * 1000 for each in reads)
        _drained(deployment, count)
        counted, cpu = deployment.watch.total() - counted, processes.cpu_s(tree) - cpu
        logged = len(deployment.log()) - logged
    return {
        "p50_ms": statistics.median(waits),
        "p99_ms": waits[int(len(waits) * 0.99)],
        "probes": len(waits),
        "sqs_requests_per_report": sum(counted[name] for name in SQS) / count,
        "dynamodb_requests_per_report": sum(counted[name] for name in DYNAMODB) / count,
        "cpu_ms_per_report": cpu / count * 1000,
        "log_bytes_per_report": logged / count,
        **{f"requests {name}": counted[name] / count for name in (*SQS, *DYNAMODB) if counted[name]},
    }


def _paced(messages: Messages, rate: int, send: Callable[[str], None]) -> Iterator[tuple[str, float]]:
    """Send each message at its time, and yield it with the moment at which its sending began."""
    started = time.monotonic()
    for at, body in enumerate(messages.bodies()):
        time.sleep(max(0.0, started + at / rate - time.monotonic()))
        sent_at = time.monotonic()
        send(body)
        yield body, sent_at


@contextmanager
def _sender(deployment: Deployment, row: Row) -> Iterator[Callable[[str], None]]:
    """Yield a function that sends one message and does not wait for its answer."""
    if row.calls:
        # Calls are made by Celery, in a process of their own.
        with subprocess.Popen(
            [sys.executable, "-u", "-m", "bench.stock"], cwd=ROOT, env=deployment.environ(), text=True, bufsize=1,
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as caller:  # fmt: skip
            assert caller.stdin
            stdin = caller.stdin
            yield lambda body: print(body, file=stdin)
        return
    client, url = deployment.client("sqs"), deployment.queue_url("trash-level")
    with ThreadPoolExecutor(4) as threads:

        def send(body: str) -> None:
            threads.submit(client.send_message, QueueUrl=url, MessageBody=body)

        yield send


_local = threading.local()


def _readable(deployment: Deployment, body: str, sent_at: float) -> float:
    """Return how many seconds after its sending a report, or a newer one of its can, could be read."""
    report = json.loads(body)
    if not hasattr(_local, "client") or _local.deployment is not deployment:
        _local.client, _local.deployment = deployment.client("dynamodb"), deployment
    table, wanted = f"trash-levels-{deployment.suffix}", report["measured_at"].rstrip("Z")
    while (waited := time.monotonic() - sent_at) < GIVEN_UP_S:
        item = _local.client.get_item(TableName=table, Key={"id": {"S": report["can_id"]}})["Item"]
        if item["order_key"]["S"] >= wanted:
            return time.monotonic() - sent_at
        time.sleep(max(POLL_S, waited / 20))
    return waited


def _drained(deployment: Deployment, count: int) -> None:
    deadline = time.monotonic() + 2 * GIVEN_UP_S
    while deployment.watch.total()["deleted"] < count:
        if time.monotonic() > deadline:
            raise BenchError(f"{count - deployment.watch.total()['deleted']} of {count} reports were never stored")
        time.sleep(0.1)
