"""
/metrics for Prometheus: the counts of all processes of a program, on a port of their own.

Each process that counts has a slot: files in a folder that no other live process has. A process that ends leaves its
slot to the next one, which counts on from what it finds there. So no count falls or is lost when a process is killed,
and there are no more files than processes at a time. (The library's own way, files by process id, leaves some behind
with each death.) The folder is that of one port and one version: where either changes, counts begin at zero.
"""

from __future__ import annotations

# Listening imports this one. A fork in that moment would leave its lock held for ever in the new process, where the
# first request that needs it waits without end, and all others with it (seen 2026-11-26).
import encodings.idna  # noqa: F401
import fcntl
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from django.conf import settings
from prometheus_client import CollectorRegistry, Metric, start_http_server, values
from prometheus_client.multiprocess import MultiProcessCollector

from trashsite import __version__, aws, telemetry
from trashsite.kept_numbers import numbers_in
from trashsite.outage import Outage

#: How long to wait before the port is asked for again.
AGAIN_S = 2.0


@dataclass(slots=True)
class _Process:
    """What this process has: the file by which it holds its slot, locked while it lives; and the port it serves on."""

    held: int | None = None
    listening: list[socket.socket] = field(default_factory=list)


_process = _Process()


class Collector(Protocol):
    """What tells further metrics whenever it is asked."""

    def collect(self) -> Iterable[Metric]: ...


def folder() -> Path:
    """Return where the counts of this machine's program on TRASH_METRICS_PORT are."""
    return Path(settings.TRASH_DATA) / "metrics" / f"{settings.TRASH_METRICS_PORT}-{__version__}"


def share() -> None:
    """
    Keep the counts of this process, and of those forked from it, in files: call it before anything is counted.

    Does nothing where TRASH_METRICS_PORT is not set. Raises OSError where the folder cannot be written.
    """
    if settings.TRASH_METRICS_PORT and _process.held is None:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        _take_slot()
        aws.asks_for_units = True


def serve(*collectors: Collector) -> None:
    """
    Serve the counts of all processes, and what the collectors tell, from a thread; return at once.

    Does nothing where TRASH_METRICS_PORT is not set. A port that is taken is asked for until it is free.
    """
    port = settings.TRASH_METRICS_PORT
    if not port:
        return
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in folder().parent.glob(f"{port}-*"):
        if other != folder():
            shutil.rmtree(other, ignore_errors=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder()))  # type: ignore[no-untyped-call]
    for collector in collectors:
        registry.register(collector)
    # In a container the network decides who reaches a port; a laptop has none around it.
    address = "127.0.0.1" if settings.TRASH_LOCAL else "0.0.0.0"  # noqa: S104
    outage = Outage(f"serving metrics on port {port}")
    # The first time before this returns, so that no process is forked meanwhile.
    if not _listens(port, address, registry, outage):
        arguments = (port, address, registry, outage)
        threading.Thread(target=_try_again, args=arguments, name="metrics", daemon=True).start()


def _try_again(port: int, address: str, registry: CollectorRegistry, outage: Outage) -> None:
    time.sleep(AGAIN_S)
    while not _listens(port, address, registry, outage):
        time.sleep(AGAIN_S)


def _listens(port: int, address: str, registry: CollectorRegistry, outage: Outage) -> bool:
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as error:
        outage.failed(error)
        return False
    outage.ended()
    _process.listening.append(server.socket)
    return True


def _take_slot() -> None:
    """Take the first slot that no live process holds, and count in its files from now on."""
    slot, _process.held = next(filter(None, map(_locked, count())))
    values.ValueClass = numbers_in(folder(), slot)
    telemetry.forget()


def _locked(slot: int) -> tuple[int, int] | None:
    """Return a slot and the file by which it is held now; None where another process holds it."""
    file = os.open(folder() / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return slot, file


def _after_fork() -> None:
    """Give a forked process a slot of its own, and leave its parent's slot and port to the parent."""
    for listening in _process.listening:
        listening.close()
    _process.listening.clear()
    if _process.held is not None:
        # The lock belongs to the open file, which the parent keeps.
        os.close(_process.held)
        _take_slot()


os.register_at_fork(after_in_child=_after_fork)
