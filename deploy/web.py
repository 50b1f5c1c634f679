"""The production web server, here and in a container: `python deploy/web.py --host 0.0.0.0 --workers 4`."""

from __future__ import annotations

import argparse
import ctypes
import http.client
import logging.config
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

# granian's allocator, jemalloc, reads it when it is loaded (trashsite.server.memory). With one arena each thread that
# uses or leaves it gives back what any thread has freed a second ago.
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,dirty_decay_ms:1000")  # noqa: TID251

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from trashsite import exposition, logs
from trashsite.server import scheduler
from trashsite.settings import LOGGING, TRASH_LOG, TRASH_METRICS_PORT

#: At once in each process, idle ones too; each is an open file, and a file that is sent is another one.
MOST_CONNECTIONS = 8192
#: A process that ends sooner than this is followed by the next one after a pause of PAUSE_S.
SOON_S = 5.0
PAUSE_S = 1.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Server(Granian):
    """granian, whose worker processes are replaced however often they are killed or fail, unless they never ran."""

    _ran = False

    def __init__(self, *arguments: Any, linger_s: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._linger_s = linger_s

    def signal_handler_interrupt(self, signum: int = signal.SIGINT, *arguments: Any) -> None:
        """Begin to stop; after SIGTERM only when a load balancer has had time to send requests elsewhere."""
        if signum == signal.SIGTERM and self._linger_s:
            pause = threading.Timer(self._linger_s, super().signal_handler_interrupt)
            pause.daemon = True
            pause.start()
        else:
            super().signal_handler_interrupt()

    def _start_ipc(self) -> None:
        # The threads that receive what processes count would begin before the fork, which may then copy a lock that
        # one of them holds: the new process waits for it without end. So they begin after it.
        is_counting, self.metrics_enabled = self.metrics_enabled, False
        super()._start_ipc()
        self.metrics_enabled = is_counting

    def _spawn_workers(self, *arguments: Any) -> None:
        super()._spawn_workers(*arguments)
        if self.metrics_enabled:
            for receiver, *_ in self._ipc.values():
                receiver.run(self._ipc_sig, self._metrics)

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        ended = [self.wrks[index] for index in workers]
        soon = [worker for worker in ended if time.monotonic() - worker.birth < SOON_S]
        # What ends soon by itself, from the first start on, is set up wrongly; a killed one (below 0) is not.
        self._ran = self._ran or len(soon) < len(ended) or any((worker.inner.exitcode or 0) < 0 for worker in ended)
        if soon:
            time.sleep(PAUSE_S)
        super()._respawn_workers(workers, *arguments, **options)
        if self._ran:
            # Here granian looks for a second end within 5.5 s, after which it would give up.
            self.respawned_wrks.clear()


class GranianMetrics:
    """What granian counts of its processes and connections, and serves on a port of this machine alone."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    def collect(self) -> Iterator[Metric]:
        """Yield them as they are now; nothing where granian does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()
        yield from text_string_to_metric_families(text)


def _arguments() -> argparse.Namespace:
    """Return what the command line says; exits where it cannot be so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    # Platforms that choose the port tell it so.
    port = os.environ.get("PORT") or 8000  # noqa: TID251
    parser.add_argument("--port", type=int, default=port, help="default: the variable PORT, else 8000")
    parser.add_argument("--workers", type=int, default=1, help="processes; each uses one core")
    # Made when they are needed: most of a request is waiting for DynamoDB.
    parser.add_argument("--threads", type=int, default=64, help="requests that one process works on at once")
    parser.add_argument(
        "--pin", action="store_true", help="keep each process on a core of its own: for machines that do nothing else"
    )
    parser.add_argument(
        "--linger", type=float, default=0, metavar="SECONDS", help="go on for so long after SIGTERM, then stop"
    )
    given = parser.parse_args()
    if given.threads < 16:
        parser.error("--threads must be 16 at least")
    if given.pin and not hasattr(os, "sched_setaffinity"):
        parser.error("--pin needs Linux")
    return given


def main() -> None:
    logging.config.dictConfig(LOGGING)
    given = _arguments()
    most_connections = _most_connections()
    if TRASH_LOG == "json":
        logs.take_over()
    granian_metrics = GranianMetrics()
    exposition.serve(granian_metrics)
    server = Server(
        "trashsite.wsgi:application",
        # The number of threads is what WSGI means here; the processes speak ASGI with granian.
        interface=Interfaces.WSGI,
        address=given.host,
        port=given.port,
        workers=given.workers,
        blocking_threads=given.threads,
        backpressure=most_connections,
        # A proxy in front may speak HTTP/2; to us it speaks HTTP/1.1.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            # Milliseconds that a client may take for a request's head, or be silent between two: longer than a load
            # balancer keeps an idle connection (AWS: 60 s), so that it never sends on one just closed.
            header_read_timeout=65_000,
            max_buffer_size=32 * 1024,
        ),
        # Seconds until a stop no longer waits for those whom it cannot finish answering.
        workers_kill_timeout=5,
        respawn_failed_workers=True,
        # Below it speaks of each start and stop, and warns of more threads than cores.
        log_level=LogLevels.error,
        linger_s=given.linger,
        # Its lines in the form of all others.
        log_dictconfig={
            "formatters": LOGGING["formatters"],
            "handlers": {"granian": {"class": "logging.StreamHandler", "formatter": "line"}},
            "loggers": {"_granian": {"handlers": ["granian"], "propagate": False}},
        },
        metrics_enabled=bool(TRASH_METRICS_PORT),
        metrics_port=granian_metrics.port,
    )
    server.serve(spawn_target=partial(_serve, given.pin, given.port, most_connections, given.threads))


def _most_connections() -> int:
    """Raise the limit of open files as far as it may be, and return how many connections it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(soft, min(hard, 2 * MOST_CONNECTIONS + 512))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return min(MOST_CONNECTIONS, files // 2)


def _serve(pin: bool, port: int, most_connections: int, threads: int, worker_id: int, *arguments: Any) -> None:
    """
    Serve in a worker process whose threads have not started yet, where wanted from one core; worker_id: 1 and on.

    One Python thread of a process runs at a time. Where the next one wakes on another core, each request costs a fifth
    more (measured 2026-11-25). Beside other programs the kernel knows better where there is room.
    """
    if sys.platform == "linux":
        # Killed by SIGKILL, granian leaves its worker processes, which would keep the port.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if pin:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[worker_id % len(cores)]})
    scheduler.serve(port, most_connections, threads, worker_id, *arguments)


if __name__ == "__main__":
    main()
