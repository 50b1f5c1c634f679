"""
Loaded into a worker by `-I tests.faults.preload`: while a file is there, something hangs, or the clock is wrong.

The files are in the directory PRELOAD_DIR: "receive", "task" and "loop" (the consumer's) make those hang as a library
that never returns would; "clock" holds the seconds by which this process's clock is ahead, as time.time() and
datetime.now() tell it to our code, Celery and the log. Signatures are made by libcurl's own clock, and the stand-ins do
not look at them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from reports import tasks
from reports.worker import heartbeat, storing
from trashsite.sqs.channel import Channel
from trashsite.sqs.receiver import Receiver

DIRECTORY = Path(os.environ["PRELOAD_DIR"])
_LOOK_EVERY_S = 0.2


def _hanging(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def hangs_while_told_to(*args: Any) -> Any:
        while (DIRECTORY / what).exists():
            time.sleep(_LOOK_EVERY_S)
        return function(*args)

    return hangs_while_told_to


class _Clock:
    """The real time and what the file says; it is read five times a second at most."""

    def __init__(self) -> None:
        self._real = time.time
        self._ahead_s = 0.0
        self._look_at = 0.0

    def __call__(self) -> float:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_EVERY_S
            file = DIRECTORY / "clock"
            self._ahead_s = float(file.read_text() or 0) if file.exists() else 0.0
        return self._real() + self._ahead_s


class _Datetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(time.time(), tz)


Receiver._receive = _hanging("receive", Receiver._receive)  # type: ignore[method-assign]
Channel.pump = _hanging("loop", Channel.pump)  # type: ignore[method-assign]
tasks.store_batch = _hanging("task", tasks.store_batch)
time.time = _Clock()
storing.datetime = heartbeat.datetime = _Datetime  # type: ignore[misc]
