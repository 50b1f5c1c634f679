"""
What counting and tracing cost, in CPU: `python -m bench.telemetry`, in some minutes, also on a busy machine.

One process does the worker's work on batches of a hundred reports, from the receive to the delete, on the embedded
servers; then Django's on requests for one can. Batch by batch, in turns of a random order, it does so without counts,
with counts in files as for Prometheus, and with traces sampled at 1 % besides. So whatever else the machine does meets
all alike. Told are the CPU time of the process, and the median of the differences between neighbours with its 95 %
interval.
"""

from __future__ import annotations

import http.server
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stack.servers import REGION, free_port, start_both

ROUNDS, BATCH, REQUESTS = 200, 100, 20
CANS = 2_000
MODES = ("without", "counted", "traced")


def main() -> int:
    """Measure both, and print them."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-telemetry-")))
        sqs, dynamodb = start_both(directory)
        receiver = http.server.HTTPServer(("127.0.0.1", 0), _Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        os.environ |= {
            "AWS_ENDPOINT_URL_SQS": sqs.url, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url, "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "TRASH_LOCAL": "1",
            "TRASH_DATA": str(directory), "TRASH_METRICS_PORT": str(free_port()), "TRASH_READ_RATE": "",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}", "TRASH_TRACE_PERCENT": "1",
            "DJANGO_SETTINGS_MODULE": "trashsite.settings",
        }  # fmt: skip
        import django

        from trashsite import exposition, tracing

        django.setup()
        exposition.share()
        tracing.start("worker")
        switch = Switch()
        print(table("worker, a report", in_turn(worker(), switch), per=BATCH))
        print(table("site, a request", in_turn(site(), switch), per=REQUESTS))
        tracing.stop()
    return 0


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Takes spans, and forgets them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Switch:
    """Switches counts and traces of this process on and off."""

    def __init__(self) -> None:
        from trashsite import aws, telemetry, tracing

        self._aws, self._tracing, self._tracer = aws, tracing, tracing._tracer
        self._kinds = {telemetry.Counter: "add", telemetry.Gauge: "set", telemetry.Histogram: "observe"}
        self._real = {kind: getattr(kind, name) for kind, name in self._kinds.items()}
        self._subscribers = list(aws.subscribers)

    def to(self, mode: str) -> None:
        counted = mode != "without"
        for kind, name in self._kinds.items():
            setattr(kind, name, self._real[kind] if counted else _nothing)
        self._aws.subscribers[:] = self._subscribers if counted else []
        self._aws.asks_for_units = counted
        self._tracing._tracer = self._tracer if mode == "traced" else None


def _nothing(*_: object) -> None:
    """Count nothing."""


Work = Callable[[str], Callable[[], None]]


def in_turn(work: Work, switch: Switch) -> Mapping[str, Sequence[float]]:
    """Do the work in each mode, round by round, and return its CPU times."""
    took: dict[str, list[float]] = defaultdict(list)
    for number in range(ROUNDS + 10):
        for mode in random.sample(MODES, len(MODES)):
            switch.to("without")
            do = work(mode)
            switch.to(mode)
            began = time.process_time()
            do()
            if number >= 10:
                took[mode].append(time.process_time() - began)
    switch.to("counted")
    return took


def worker() -> Work:
    """Return the work on a batch: receive it, store it, delete it."""
    from reports import queue, store, tasks
    from trashsite import aws
    from trashsite.sqs.delivery import Delivery

    list(queue.provision())
    list(store.provision())
    numbers = iter(range(10**9))
    began = datetime.now(UTC) - timedelta(hours=2)
    url = queue.url_of(queue.REPORTS)
    wanted = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]}

    def prepare(_: str) -> Callable[[], None]:
        reports = []
        for number in (next(numbers) for _ in range(BATCH)):
            measured_at = (began + timedelta(milliseconds=20 * number)).isoformat()
            reports.append(f'{{"can_id":"{number % CANS}","level":"{number % 70}","measured_at":"{measured_at}"}}')
        queue.publish(reports)

        def do() -> None:
            received: list[Any] = []
            while len(received) < BATCH:
                received += aws.client("sqs").call("ReceiveMessage", wanted).get("Messages", ())
            tasks.store_messages([Delivery.received(url, each) for each in received])

        return do

    return prepare


def site() -> Work:
    """Return the work on some requests for one can, each through all of Django."""
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    settings.ALLOWED_HOSTS = ["testserver"]
    clients = {True: Client(), False: Client()}
    clients[True].handler.load_middleware()
    first, *others = settings.MIDDLEWARE
    assert first == "trashsite.request_counts.CountRequests"
    settings.MIDDLEWARE = others
    clients[False].handler.load_middleware()

    def prepare(mode: str) -> Callable[[], None]:
        client = clients[mode != "without"]

        def do() -> None:
            for number in range(REQUESTS):
                assert client.get(f"/reports/{number}", headers={"Accept": "application/json"}).status_code == 200

        return do

    return prepare


def table(what: str, took: Mapping[str, Sequence[float]], *, per: int) -> str:
    """Return the CPU of each mode, and what it takes more than the one before."""
    lines, before = [], None
    for mode in MODES:
        median_us = statistics.median(took[mode]) / per * 1e6
        line = f"{what}: {mode:<8} {median_us:7.1f} us"
        if before:
            more = [
                (mine - other) / statistics.median(took[before])
                for mine, other in zip(took[mode], took[before], strict=True)
            ]
            medians = sorted(statistics.median(random.choices(more, k=len(more))) for _ in range(2_000))
            line += f"  {statistics.median(more):+.1%} of {before} ({medians[50]:+.1%} to {medians[-50]:+.1%})"
        lines.append(line)
        before = mode
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
