"""The processes that the tests run against: real stand-ins for AWS, and the project's own worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from stack.servers import LOOPBACK, REGION, Kind, Server, answers, free_port, start_both

ROOT = Path(__file__).resolve().parents[2]
Found = TypeVar("Found")


def eventually(check: Callable[[], Found], deadline_s: float = 15.0, *, pause_s: float = 0.05) -> Found:
    """Return the first true answer of `check`, asked again and again: the only way in which a test waits."""
    end = time.monotonic() + deadline_s
    while True:
        found = check()
        if found or time.monotonic() > end:
            assert found, f"still not so after {deadline_s} s"
            return found
        time.sleep(pause_s)


def answer_to(url: str, **headers: str) -> tuple[int, str]:
    """Return status and body that a GET of an address is answered as JSON; 0 where nothing answers."""
    request = urllib.request.Request(url, headers={"Accept": "application/json", **headers})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except OSError:
        return 0, ""


@contextmanager
def aws_stand_ins(data: Path, kind: Kind) -> Iterator[dict[str, str]]:
    """Start SQS and DynamoDB on free ports; yield the environment with which AWS's tools find them."""
    sqs, dynamodb = start_both(data, kind=kind)
    try:
        yield environment(sqs, dynamodb)
    finally:
        sqs.stop()
        dynamodb.stop()


def environment(sqs: Server, dynamodb: Server) -> dict[str, str]:
    """Return the variables that lead boto3 to these servers."""
    return {
        "AWS_ENDPOINT_URL_SQS": sqs.url,
        # The embedded SQS is a stand-in for SNS, too.
        "AWS_ENDPOINT_URL_SNS": sqs.url,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


class Worker:
    """`celery -A trashsite worker` as a process of its own, and what it logs."""

    def __init__(self, log: Path, *arguments: str, **environ: str) -> None:
        self.log_path = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "trashsite", "worker", *arguments],
                cwd=ROOT, env={**os.environ, "TRASH_LOCAL": "1", **environ}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def log(self) -> str:
        """Everything it printed so far."""
        return self.log_path.read_text(errors="replace")

    def ready(self, deadline_s: float = 90.0) -> Worker:
        """Wait until it takes messages."""
        eventually(lambda: "ready." in self.log or self.process.poll() is not None, deadline_s)
        assert self.process.poll() is None, self.log
        return self

    def stop(self, timeout_s: float = 15.0) -> int:
        """Send SIGTERM and return the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """kill -9, children and all."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Site:
    """The web server as it runs in production, as a process of its own, and what it logs."""

    def __init__(self, log: Path, *arguments: str, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.log_path = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "deploy/web.py", "--host", LOOPBACK, "--port", str(self.port), *arguments],
                cwd=ROOT, env={**os.environ, "TRASH_LOCAL": "1", **environ}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            eventually(lambda: answers(f"{self.url}/health/live") or self.process.poll() is not None, 60)
        except AssertionError:
            self.close()
            raise

    @property
    def log(self) -> str:
        """Everything it printed so far."""
        return self.log_path.read_text(errors="replace")

    def stop(self, timeout_s: float = 15.0) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """kill -9, children and all."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
