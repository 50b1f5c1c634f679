"""The production web server, here and in a container: `python deploy/web.py --host 0.0.0.0 --workers 4`."""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import signal
import sys
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

#: At once, idle ones too; each is an open file.
MOST_CONNECTIONS = 4096
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes; each uses one core")
    # Made when they are needed: most of a request is waiting for DynamoDB, or for a slow client.
    parser.add_argument("--threads", type=int, default=64, help="requests that one process works on at once")
    parser.add_argument(
        "--pin", action="store_true", help="keep each process on a core of its own: for machines that do nothing else"
    )
    given = parser.parse_args()
    if given.pin and not hasattr(os, "sched_setaffinity"):
        parser.error("--pin needs Linux")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * MOST_CONNECTIONS)), hard))
    server = Granian(
        "trashsite.wsgi:application",
        interface=Interfaces.WSGI,
        address=given.host,
        port=given.port,
        workers=given.workers,
        blocking_threads=given.threads,
        backpressure=MOST_CONNECTIONS,
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
    )
    server.serve(spawn_target=_serve_pinned if given.pin else _serve)


def _serve(worker_id: int, *arguments: Any) -> None:
    """
    Serve, in a process that Linux ends when its parent has died; worker_id: 1 and on.

    granian that is killed by SIGKILL leaves its worker processes, which would keep the port.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    Granian._spawn_wsgi_worker(worker_id, *arguments)


def _serve_pinned(worker_id: int, *arguments: Any) -> None:
    """
    Serve from one core, in a worker process whose threads have not started yet; worker_id: 1 and on.

    One Python thread of a process runs at a time. Where the next one wakes on another core, each request costs a fifth
    more (measured 2026-11-25). Beside other programs the kernel knows better where there is room.
    """
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[worker_id % len(cores)]})
    _serve(worker_id, *arguments)


if __name__ == "__main__":
    main()
