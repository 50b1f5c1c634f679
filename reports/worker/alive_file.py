"""
A file by which an orchestrator sees that a worker works: touched while messages are received and batches end.

A worker that hangs still runs, so whoever looks at processes alone leaves it as it is. An outage of AWS is no hang: a
new worker could not do more. docs/operation.md has the command that looks at the file.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from celery import signals
from django.conf import settings

from trashsite.outage import Outage
from trashsite.sqs.transport import stalls

EVERY_S = 5.0


def start() -> None:
    """Touch TRASH_ALIVE_FILE from now on, where it is set, until this worker stops."""
    if not settings.TRASH_ALIVE_FILE:
        return
    path, ended = Path(settings.TRASH_ALIVE_FILE), threading.Event()
    threading.Thread(target=_keep_touching, args=(path, ended), name="alive-file", daemon=True).start()

    def end(**_: object) -> None:
        ended.set()
        with suppress(OSError):
            path.unlink(missing_ok=True)

    signals.worker_shutdown.connect(end, weak=False)


def _keep_touching(path: Path, ended: threading.Event) -> None:
    outage = Outage(f"touching {path}")
    while not ended.is_set():
        if not any(stall.hangs for stall in stalls()):
            try:
                path.touch()
                outage.ended()
            except OSError as error:
                outage.failed(error)
        ended.wait(EVERY_S)
