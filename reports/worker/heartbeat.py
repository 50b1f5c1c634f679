"""The heartbeat of a worker process: that it runs, what it counted, what it should do but cannot; and its metrics."""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from celery import signals

from reports import store
from reports.store import Heartbeat, StoreUnavailable
from reports.worker import alive_file, counters
from reports.worker.alerts import channels
from reports.worker.batch_log import batch_log
from reports.worker.minutes import MinuteBook
from reports.worker.overseer import Overseer
from trashsite import exposition
from trashsite.outage import Outage
from trashsite.sqs.channel import Stall
from trashsite.sqs.transport import stalls

logger = logging.getLogger(__name__)

BEAT_S = 10.0
#: Heartbeats in a row that may fail before it is logged: by then the web reports this process as silent.
MISSED = 3


@signals.worker_ready.connect
def start_heartbeat(**_: Any) -> None:
    """Write a heartbeat every 10 s for the main process, and delete those of this host's processes that crashed."""
    writer = HeartbeatWriter(is_main=True)
    exposition.serve(writer.overseer)
    threading.Thread(target=writer.run, args=(stalls,), name="heartbeat", daemon=True).start()
    alive_file.start()
    signals.worker_shutdown.connect(lambda **_: writer.end(), weak=False)


@signals.worker_process_init.connect
def start_heartbeat_of_pool_process(**_: Any) -> None:
    """Write a heartbeat every 10 s for a process of a prefork pool, whose counters are its own."""
    writer = HeartbeatWriter(is_main=False)
    threading.Thread(target=writer.run, args=(list,), name="heartbeat", daemon=True).start()
    signals.worker_process_shutdown.connect(lambda **_: writer.end(), weak=False)


class HeartbeatWriter:
    """Writes the heartbeat of this process: its name, its counters, and what it should do but cannot."""

    def __init__(self, *, is_main: bool) -> None:
        self.is_main = is_main
        self.host = socket.gethostname()
        self.name = f"{self.host}:{os.getpid()}"
        self.overseer = Overseer(self.name)
        self.minutes = MinuteBook(self.name, datetime.now(UTC))
        self._ended = threading.Event()

    def run(self, find_stalls: Callable[[], list[Stall]]) -> None:
        """Write until the end. A hang is logged once, with the stacks of all threads, which show where it hangs."""
        outage = Outage("writing the heartbeat")
        self._delete_crashed()
        hang_logged, missed = False, 0
        while not self._ended.is_set():
            stalls = find_stalls()
            hang = "; ".join(stall.text for stall in stalls if stall.hangs)
            if hang and not hang_logged:
                logger.error("this worker should work and does not: %s", hang, extra={"stacks": _stacks()})
            hang_logged = bool(hang)
            problem = "; ".join(stall.text for stall in stalls)
            try:
                batch_log.flush()
                self._beat(problem)
                missed = 0
                outage.ended()
            except StoreUnavailable as error:
                missed += 1
                # The processes of a pool log nothing: the main process does.
                if missed >= MISSED and self.is_main:
                    outage.failed(error)
            if self.is_main:
                self.overseer.look()
            self._ended.wait(BEAT_S)

    def _beat(self, problem: str) -> None:
        now, counts = datetime.now(UTC), counters.counters()
        minute = self.minutes.note(counts, self.overseer.levels(), now)
        # Before the heartbeat that tells of the next minute alone; where both tell of one, it counts once.
        self.minutes.write()
        beat = Heartbeat(self.name, now, counts, problem, self.is_main, minute, unusable=channels.unusable())
        store.beat(beat)

    def end(self) -> None:
        """Delete the heartbeat: a process that stops in order must not count as silent."""
        self._ended.set()
        batch_log.flush()
        self.minutes.end(counters.counters())
        with suppress(StoreUnavailable):
            store.leave(self.name)

    def _delete_crashed(self) -> None:
        with suppress(StoreUnavailable):
            for worker in store.workers(datetime.now(UTC)):
                host, _, pid = worker.name.rpartition(":")
                if host == self.host and not _runs(int(pid)):
                    store.leave(worker.name)


def _stacks() -> str:
    """Return where each thread is; asked of faulthandler, which takes no lock."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
