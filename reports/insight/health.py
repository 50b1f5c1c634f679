"""Whether the workers do their work, told from their heartbeats."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

#: A heartbeat comes every 10 s; two may be late. Whoever asks every second or two so knows within half a minute.
SILENT_AFTER = timedelta(seconds=28)
#: A worker that fell silent and did not come back was replaced, or was never meant to come back.
FORGOTTEN_AFTER = timedelta(minutes=10)


class Sign(Protocol):
    """What a worker last said of itself (reports.store.Heartbeat)."""

    @property
    def name(self) -> str:
        """host:pid."""

    @property
    def seen_at(self) -> datetime:
        """When it said so."""

    @property
    def problem(self) -> str:
        """What it could not do although it should have, "" where all was well."""


def worker_problems(signs: Iterable[Sign], now: datetime) -> list[str]:
    """Return in words what is wrong with the workers: nothing where at least one works and none is stuck or missed."""
    found, working = [], 0
    for sign in signs:
        silent = now - sign.seen_at
        if silent > FORGOTTEN_AFTER:
            continue
        if silent > SILENT_AFTER:
            found.append(f"worker {sign.name} has been silent for {silent.total_seconds():.0f} s")
        elif sign.problem:
            found.append(f"worker {sign.name}: {sign.problem}")
        else:
            working += 1
    if not working and not found:
        found.append("no worker is running: start one with `celery -A trashsite worker`")
    return found
