"""The queues and tables of one run: created, filled, checked, removed; and the processes that work on them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import boto3

from bench.cases import Row
from bench.counts import Watch
from bench.messages import CANS, Messages
from stack.servers import LOOPBACK, REGION, Server, answers
from tests.support.servers import ROOT, environment

#: Without any progress for this long, a run has failed.
STALLED_S = 60.0


class BenchError(Exception):
    """Why a run gives no figure, in one line."""


@contextmanager
def proxied(server: Server, *, delay_ms: float = 0, capacity: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Put a proxy in front of a server; yield its port, and a dict that holds what it counted once it has ended."""
    options = ["--delay-ms", str(delay_ms), *(["--capacity"] if capacity else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.proxy", str(server.port), *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    counted: dict[str, Any] = {}
    assert process.stdout
    try:
        yield int(process.stdout.readline()), counted
        process.terminate()
        counted.update(json.loads(process.communicate(timeout=10)[0]))
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Deployment:
    """New queues and tables on a pair of servers; their names end in `suffix`."""

    sqs: Server
    dynamodb: Server
    suffix: str
    scratch: Path
    watch: Watch

    @classmethod
    @contextmanager
    def fresh(cls, sqs: Server, dynamodb: Server, row: Row, before: Messages) -> Iterator[Deployment]:
        """Create queues and tables in which each can has reported once; remove them at the end."""
        scratch = Path(tempfile.mkdtemp(prefix="bench-"))
        deployment = cls(sqs, dynamodb, secrets.token_hex(4), scratch, Watch(scratch / "counts"))
        try:
            deployment.script("bench.prepare", before.bodies(), row.env)
            yield deployment
        finally:
            deployment._remove()
            shutil.rmtree(scratch)

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a process that works here."""
        return {
            **os.environ, **environment(self.sqs, self.dynamodb), "TRASH_LOCAL": "1", "TRASH_SUFFIX": self.suffix,
            "BENCH_COUNTS": str(self.watch.directory), "PYTHONWARNINGS": "ignore", **more,
        }  # fmt: skip

    def script(self, module: str, lines: Iterator[str], env: Mapping[str, str]) -> None:
        """Run a module of the bench to its end, with these lines on its standard input."""
        done = subprocess.run(
            [sys.executable, "-m", module], cwd=ROOT, env=self.environ(**env), input="\n".join(lines), text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BenchError(f"{module} failed: {done.stderr.strip()[-500:]}")

    @contextmanager
    def workers(self, row: Row, count: int, **more: str) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Start processes of a row; stop them, if they still run, at the end."""
        with ExitStack() as stack:
            yield [stack.enter_context(self._worker(row, at, more)) for at in range(count)]

    @contextmanager
    def _worker(self, row: Row, at: int, more: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "bench.counted", *row.command]
        # Celery refuses two workers of one name.
        if row.command[0] == "celery":
            command += ["-n", f"bench-{at}@%h"]
        with (self.scratch / f"worker-{at}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environ(**row.env, **more), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield process
        finally:
            stop(process)

    def await_gate(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Wait until each process is about to receive for the first time. Raises BenchError."""
        deadline = time.monotonic() + STALLED_S
        while self.watch.waiting() < len(processes):
            if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
                raise BenchError(f"a worker did not start: {self.log()[-500:]}")
            time.sleep(0.05)

    def await_receive(self) -> None:
        """Wait until a worker receives. Raises BenchError."""
        deadline = time.monotonic() + STALLED_S
        while not self.watch.total()["ReceiveMessage"]:
            if time.monotonic() > deadline:
                raise BenchError(f"a worker did not start: {self.log()[-500:]}")
            time.sleep(0.05)

    def log(self) -> str:
        """Return all that the workers printed."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.scratch.glob("worker-*.log")))

    # -- messages ----------------------------------------------------------------------------------------

    def publish(self, row: Row, messages: Messages) -> None:
        """Fill the queue."""
        if row.calls:
            self.script("bench.stock", messages.bodies(), row.env)
            return
        url = self.queue_url("trash-level")
        bodies = messages.bodies()
        client = self.client("sqs")

        def send(batch: list[str]) -> None:
            entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(batch)]
            if client.send_message_batch(QueueUrl=url, Entries=entries).get("Failed"):
                raise BenchError("SQS did not take a message")

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(send, iter(lambda: list(islice(bodies, 10)), [])))

    def client(self, service: str) -> Any:
        """Return a client of the bench's own, straight to the server."""
        port = self.sqs.port if service == "sqs" else self.dynamodb.port
        return boto3.client(
            service, endpoint_url=f"http://{LOOPBACK}:{port}", region_name=REGION,  # type: ignore[call-overload]
            aws_access_key_id="local", aws_secret_access_key="local",
        )  # fmt: skip

    def queue_url(self, name: str) -> str:
        return str(self.client("sqs").get_queue_url(QueueName=f"{name}-{self.suffix}")["QueueUrl"])

    def depth(self) -> int:
        """Return how many messages wait, are in flight or are set aside."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        client = self.client("sqs")
        left = 0
        for queue in ("trash-level", "trash-level-dead"):
            answer = client.get_queue_attributes(QueueUrl=self.queue_url(queue), AttributeNames=names)
            left += sum(int(value) for value in answer["Attributes"].values())
        return left

    # -- checking ----------------------------------------------------------------------------------------

    def verify(self, row: Row, messages: Messages) -> None:
        """Raise BenchError unless each report is in the history, each can shows its newest, and no message is left."""
        dynamodb = self.client("dynamodb")
        stored = sum(
            page["Count"]
            for page in dynamodb.get_paginator("scan").paginate(
                TableName=f"trash-level-history-{self.suffix}",
                Select="COUNT",
                # Summaries and emptyings have keys that begin with a letter.
                FilterExpression="order_key < :colon",
                ExpressionAttributeValues={":colon": {"S": ":"}},
            )
        )
        wanted = messages.count + CANS if row.history else 0
        if stored != wanted:
            raise BenchError(f"{stored} rows of history, not {wanted}")
        shown = {
            item["id"]["S"]: item["order_key"]["S"].partition("#")[0].rstrip("Z")
            for page in dynamodb.get_paginator("scan").paginate(TableName=f"trash-levels-{self.suffix}")
            for item in page["Items"]
        }
        newest = messages.before().newest() | messages.newest()
        newest = {can_id: measured_at.replace("+00:00", "") for can_id, measured_at in newest.items()}
        if shown != newest:
            wrong = sum(shown.get(can_id) != measured_at for can_id, measured_at in newest.items())
            raise BenchError(f"{wrong} cans do not show their newest report")
        if left := self.depth():
            raise BenchError(f"{left} messages are left in the queues")

    def _remove(self) -> None:
        sqs, dynamodb = self.client("sqs"), self.client("dynamodb")
        for url in sqs.list_queues(QueueNamePrefix="trash-").get("QueueUrls", ()):
            if url.endswith(self.suffix):
                sqs.delete_queue(QueueUrl=url)
        for name in dynamodb.list_tables()["TableNames"]:
            if name.endswith(self.suffix):
                dynamodb.delete_table(TableName=name)


@contextmanager
def answering(
    command: Sequence[str], port: int, log: Path, environ: Mapping[str, str], cwd: Path = ROOT
) -> Iterator[int]:
    """
    Start a web server, wait until it answers for a can on this port, and yield its process id; stop it at the end.

    log: the file for all that it prints. Raises BenchError where it does not answer within 30 s.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=environ, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not answers(f"http://{LOOPBACK}:{port}/reports/1"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{log.stem} did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        stop(process, within_s=8)


def stop(process: subprocess.Popen[bytes], within_s: float = 1.0) -> None:
    """Stop a process and its children, by SIGKILL where SIGTERM is not enough: its queues are removed anyhow."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
