"""An orchestrator sees each way in which a worker can hang, and no hang in an outage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from reports import queue
from tests.support.fault_proxy import FaultProxy, reset
from tests.support.servers import Worker, eventually

HASTY = ("-I", "tests.faults.preload,tests.reports.worker.hasty")


def test_the_file_is_touched_only_while_the_worker_receives_and_stores(
    worker: Callable[..., Worker], tmp_path: Path
) -> None:
    alive, hangs = tmp_path / "alive", tmp_path / "hangs"
    hangs.mkdir()
    running = worker(*HASTY, TRASH_ALIVE_FILE=str(alive), PRELOAD_DIR=str(hangs), TRASH_LOG="json").ready()

    def is_fresh() -> bool:
        return time.time() - touched_at(alive) < 1.0

    for what in ("receive", "task", "loop"):
        assert eventually(is_fresh)
        (hangs / what).touch()
        queue.publish(['{"can_id":"1","level":"2"}'])
        assert eventually(lambda: not is_fresh(), 10), what
        (hangs / what).unlink()
    assert eventually(is_fresh)

    lines = [json.loads(line) for line in running.log.splitlines()]
    # A busy machine may stall it as well, which it tells too.
    assert any("in hangs_while_told_to" in line.get("stacks", "") for line in lines)
    assert running.stop() == 0
    assert not alive.exists()


def test_an_outage_is_no_hang(worker: Callable[..., Worker], aws_environment: dict[str, str], tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    with FaultProxy(aws_environment["AWS_ENDPOINT_URL_SQS"]) as sqs:
        running = worker(
            "-I", "tests.reports.worker.hasty", TRASH_ALIVE_FILE=str(alive), AWS_ENDPOINT_URL_SQS=sqs.url
        ).ready()
        sqs.inject(reset)
        assert eventually(lambda: "receiving from" in running.log)
        began = time.time()
        assert eventually(lambda: touched_at(alive) > began + 3.0)


def touched_at(file: Path) -> float:
    """Return the time of its last touch, 0 where it is not there."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
