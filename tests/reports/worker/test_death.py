"""Death in the middle of work: nothing is lost, and what was in hand is soon there for others."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reports import queue
from tests.support.fault_proxy import FaultProxy, slow
from tests.support.ledger import Ledger, stored
from tests.support.servers import Worker, eventually
from trashsite.sqs.receiver import WAIT_S

START = datetime(2026, 11, 1, tzinfo=UTC)
SENT = 240
#: Of tests.reports.worker.brisk, which changes the receiver of whoever imports it.
BRISK_VISIBILITY_S = 6
#: For the servers of either kind to act on it: both count what is invisible exactly.
LATE_S = 8.0


@pytest.fixture
def ledger(suffix: str) -> Ledger:
    """Reports of 40 cans on the queue, and the ledger that knows them."""
    ledger = Ledger()
    bodies = [
        f'{{"can_id":"{at % 40}","level":{at % 101},"measured_at":"{(START + timedelta(minutes=at)).isoformat()}"}}'
        for at in range(SENT)
    ]
    for body in bodies:
        ledger.sent(body)
    queue.publish(bodies)
    return ledger


@pytest.fixture
def dynamodb(suffix: str, aws_environment: dict[str, str]) -> Iterator[FaultProxy]:
    """A DynamoDB that takes its time, so that there is a middle of work to die in."""
    with FaultProxy(aws_environment["AWS_ENDPOINT_URL_DYNAMODB"]) as proxy:
        proxy.inject(slow(0.7), "BatchExecuteStatement")
        yield proxy


@pytest.fixture
def busy(worker: Callable[..., Worker], ledger: Ledger, dynamodb: FaultProxy) -> Callable[..., Worker]:
    """Start a worker and return it when it is in the middle of its work."""

    def start(*arguments: str) -> Worker:
        started = worker("-I", "tests.reports.worker.brisk", *arguments, AWS_ENDPOINT_URL_DYNAMODB=dynamodb.url).ready()
        # Some are stored and deleted, some stored and not deleted, some in hand, some still on the queue.
        assert eventually(lambda: dynamodb.seen["BatchExecuteStatement"] >= 3)
        return started

    return start


def drained(within_s: float = 30) -> bool:
    return eventually(lambda: queue.depth() == queue.Depth(0, 0, 0), within_s)


def children(worker: Worker) -> list[int]:
    pid = worker.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_worker_that_is_killed_loses_nothing(
    busy: Callable[..., Worker], worker: Callable[..., Worker], ledger: Ledger, suffix: str
) -> None:
    busy().kill()
    assert queue.depth() != queue.Depth(0, 0, 0)
    # What it held, others can have when its visibility ends, with the timeout of brisk.py: in earnest 30 s. The server
    # may still give some to the poll that was in flight, until that ends.
    eventually(lambda: not queue.depth().in_flight, WAIT_S + BRISK_VISIBILITY_S + LATE_S)
    heir = worker("-I", "tests.reports.worker.brisk").ready()
    assert drained()
    verdict = ledger.judge(stored(suffix))
    assert not verdict, verdict
    assert heir.stop() == 0
    assert "ERROR" not in heir.log


def test_a_pool_process_that_is_killed_loses_nothing_and_the_worker_goes_on(
    busy: Callable[..., Worker], dynamodb: FaultProxy, ledger: Ledger, suffix: str
) -> None:
    started = busy("-P", "prefork", "-c", "2")
    before = children(started)
    # The pool that was asked for runs, and no other.
    assert len(before) == 2
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    dynamodb.heal()
    assert drained()
    verdict = ledger.judge(stored(suffix))
    assert not verdict, verdict
    assert len(children(started)) == 2
    assert not set(children(started)) & set(before)
    assert started.stop() == 0


def test_a_pool_process_that_got_half_of_a_batch_gets_the_rest_before_the_end(
    worker: Callable[..., Worker], suffix: str
) -> None:
    started = worker("-P", "prefork", "-c", "1").ready()
    queue.publish(['{"can_id":"1","level":"1"}'])
    assert drained()
    (child,) = children(started)
    # The message is deleted within its task: stopped before the task's end, the child would be given no other one.
    assert eventually(lambda: waits_for_a_task(child))
    os.kill(child, signal.SIGSTOP)
    # Several times what a pipe holds, in each message: the first batch may be of one.
    reports = [f'{{"can_id":"{at}","level":"1","pad":"{"x" * 8_000}"}}' for at in range(20)]
    queue.publish([f"[{','.join(reports)}]"] * 4)
    assert eventually(lambda: waiting_bytes(child) > 60_000)
    started.process.terminate()
    threading.Timer(0.5, os.kill, (child, signal.SIGCONT)).start()
    assert started.stop() == 0
    assert eventually(lambda: queue.depth().in_flight == 0)


def waits_for_a_task(pid: int) -> bool:
    """Say whether a process reads a pipe in which there is nothing."""
    # "0" where it runs: right after the deletion it may be still in its task.
    return Path(f"/proc/{pid}/wchan").read_text().endswith("pipe_read")


def waiting_bytes(pid: int) -> int:
    """The most that waits in any pipe that a process reads."""
    most = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if each.readlink().name.startswith("pipe:"):
                opened = os.open(each, os.O_RDONLY | os.O_NONBLOCK)
                most = max(most, *struct.unpack("i", fcntl.ioctl(opened, termios.FIONREAD, bytes(4))))
                os.close(opened)
    return most


def test_a_worker_that_stops_ends_soon_and_gives_its_messages_back(
    busy: Callable[..., Worker], worker: Callable[..., Worker], ledger: Ledger, suffix: str
) -> None:
    started = busy()
    assert started.stop(20) == 0
    assert "ERROR" not in started.log
    assert "Traceback" not in started.log
    # Nothing is left invisible: whoever asks first gets it all.
    assert queue.depth().in_flight == 0
    heir = worker().ready()
    assert drained()
    verdict = ledger.judge(stored(suffix))
    assert not verdict, verdict
    assert heir.stop() == 0
