"""The heartbeat of a worker process: that it is alive, what it counted, and what it should do but cannot."""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from celery import signals

from reports import store
from reports.store import Heartbeat, StoreUnavailable
from reports.worker import counters
from trashsite.outage import Outage
from trashsite.sqs.channel import Problem
from trashsite.sqs.transport import problems

logger = logging.getLogger(__name__)

BEAT_S = 10.0
MISSED = 3


@signals.worker_ready.connect
def give_signs_of_life(**_: Any) -> None:
    """Write a heartbeat every 10 s for the main process, and forget processes of this host that died unheard."""
    pulse = Pulse(is_main=True)
    threading.Thread(target=pulse.beat_on, args=(problems,), name="heartbeat", daemon=True).start()
    signals.worker_shutdown.connect(lambda **_: pulse.end(), weak=False)


@signals.worker_process_init.connect
def give_signs_of_life_in_a_child(**_: Any) -> None:
    """Write a heartbeat every 10 s for a child of a prefork pool, whose counters are its own."""
    pulse = Pulse(is_main=False)
    threading.Thread(target=pulse.beat_on, args=(list,), name="heartbeat", daemon=True).start()
    signals.worker_process_shutdown.connect(lambda **_: pulse.end(), weak=False)


class Pulse:
    """The sign of life of one process: its name, its counters, and what it should do but cannot."""

    def __init__(self, *, is_main: bool) -> None:
        self.is_main = is_main
        self.host = socket.gethostname()
        self.name = f"{self.host}:{os.getpid()}"
        self._ended = threading.Event()

    def beat_on(self, find_problems: Callable[[], list[Problem]]) -> None:
        """Beat until the end. A hang is told once, with the stacks of all threads: they say where it hangs."""
        outage = Outage("writing the heartbeat")
        self._forget_the_dead()
        told, missed = False, 0
        while not self._ended.is_set():
            found = find_problems()
            hang = "; ".join(problem.text for problem in found if problem.hangs)
            if hang and not told:
                logger.error("this worker should work and does not: %s", hang)
                faulthandler.dump_traceback(sys.stderr, all_threads=True)
            told = bool(hang)
            said = "; ".join(problem.text for problem in found)
            try:
                store.beat(Heartbeat(self.name, datetime.now(UTC), counters.counters(), said))
                missed = 0
                outage.ended()
            except StoreUnavailable as error:
                missed += 1
                # One that is late is no news. From here on the web misses this worker; a pool's children say nothing.
                if missed >= MISSED and self.is_main:
                    outage.failed(error)
            self._ended.wait(BEAT_S)

    def end(self) -> None:
        """Take the heartbeat away: who stops as told is not missed."""
        self._ended.set()
        with suppress(StoreUnavailable):
            store.leave(self.name)

    def _forget_the_dead(self) -> None:
        with suppress(StoreUnavailable):
            for worker in store.workers(datetime.now(UTC)):
                host, _, pid = worker.name.rpartition(":")
                if host == self.host and not _runs(int(pid)):
                    store.leave(worker.name)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
