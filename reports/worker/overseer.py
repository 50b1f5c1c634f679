"""What one worker at a time finds out for all of them: how many messages there are, and which workers work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import Metric

from reports import queue, store
from reports.insight.health import FORGOTTEN_AFTER, SILENT_AFTER
from reports.queue import Depth, QueueUnavailable
from reports.store import Heartbeat, StoreUnavailable
from trashsite import telemetry

#: Three requests to SQS and one to DynamoDB each time: 19 cents a month.
EVERY_S = 30.0
STATES = ("working", "problem", "silent")


@dataclass(frozen=True, slots=True)
class Found:
    """
    What was found at a moment of the monotonic clock.

    depth, dead_alerts: None where SQS does not answer; workers: None where DynamoDB does not, which keeps the
    heartbeats.
    """

    at_s: float
    depth: Depth | None
    dead_alerts: int | None
    workers: Counter[str] | None


class Overseer:
    """
    Finds it out where this process is the first, by name, of the main processes whose heartbeat is fresh.

    So another one takes over when the first falls silent; for half a minute both may tell. name: of this process's
    heartbeat.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._look_at = 0.0
        self._found: Found | None = None

    def look(self) -> None:
        """Find it out, unless that was done a moment ago. Raises nothing that an outage brings."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + EVERY_S
        now = datetime.now(UTC)
        workers = None
        # Without heartbeats nobody knows who is the first, and each tells how many messages wait: that is when they do.
        with suppress(StoreUnavailable):
            heartbeats = store.workers(now)
            if not is_first(self.name, heartbeats, now):
                self._found = None
                return
            workers = states(heartbeats, now)
        depth = dead_alerts = None
        with suppress(QueueUnavailable):
            depth = queue.depth()
            dead_alerts = queue.count_dead_letters(queue.LetterKind.ALERTS)
        self._found = Found(time.monotonic(), depth, dead_alerts, workers)

    @property
    def found(self) -> Found | None:
        """What was found last, None where another process has to find it out."""
        found = self._found
        return found if found and time.monotonic() - found.at_s < 3 * EVERY_S else None

    def levels(self) -> dict[str, int]:
        """Return the depth of the queues by the names that the pipeline page has; nothing where that is not known."""
        found = self.found
        return {"backlog": found.depth.waiting, "dead": found.depth.dead} if found and found.depth else {}

    def collect(self) -> Iterator[Metric]:
        """Yield it as metrics."""
        if found := self.found:
            if found.workers is not None:
                yield telemetry.WORKERS.family({(state,): found.workers[state] for state in STATES})
            if depth := found.depth:
                messages = {"waiting": depth.waiting, "in_flight": depth.in_flight, "dead": depth.dead}
                yield telemetry.QUEUE_MESSAGES.family({(state,): count for state, count in messages.items()})
            if found.dead_alerts is not None:
                yield telemetry.DEAD_ALERTS.family({(): found.dead_alerts})


def is_first(name: str, heartbeats: Iterable[Heartbeat], now: datetime) -> bool:
    """Say whether the worker of this name is the one that has to find it out."""
    others = (each.name for each in heartbeats if each.is_main and now - each.seen_at <= SILENT_AFTER)
    return min(others, default=name) >= name


def states(heartbeats: Sequence[Heartbeat], now: datetime) -> Counter[str]:
    """Count worker processes by their state; those silent for long are forgotten."""
    counts: Counter[str] = Counter()
    for each in heartbeats:
        silence = now - each.seen_at
        if silence > SILENT_AFTER:
            counts["silent"] += silence <= FORGOTTEN_AFTER
        else:
            counts["problem" if each.problem else "working"] += 1
    return counts
