"""What is measured: rows, and the conditions under which each runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.messages import CANS, Apart, Messages, Uplinks
from stack.servers import Kind


@dataclass(frozen=True, slots=True)
class Row:
    """A program that empties the queue: its command after `python -m`, and what its environment has beyond ours."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Its messages must be calls of its task.
    calls: bool = False
    history: bool = True
    messages: type[Messages] = Messages


_STOCK = ("celery", "-A", "bench.stock", "worker", "--without-gossip", "--without-mingle", "--concurrency", "4")
_CURL = {"BENCH_CURL": "1"}
_WORKER = ("celery", "-A", "trashsite", "worker")

ROWS: dict[str, Row] = {
    "worker": Row(_WORKER),
    "loop": Row(("bench.loop",)),
    "stock_threads": Row((*_STOCK, "-P", "threads"), _CURL, calls=True),
    "stock_prefork": Row((*_STOCK, "-P", "prefork"), _CURL, calls=True),
    "no_history": Row(_WORKER, {"TRASH_HISTORY_DAYS": "0"}, history=False),
    "own": Row(_WORKER, messages=Apart),
    "uplinks": Row(_WORKER, messages=Uplinks),
    "worker_prefork": Row((*_WORKER, "-P", "prefork")),
    "worker_solo": Row((*_WORKER, "-P", "solo")),
}


@dataclass(frozen=True, slots=True)
class Case:
    """
    One row under one set of conditions; measured several times, each time with fresh queues and tables.

    delay_ms: delay of each answer of the servers. capacity: only to measure the write units.
    """

    row: str
    messages: int
    kind: Kind = "embedded"
    workers: int = 1
    delay_ms: int = 0
    capacity: bool = False

    @property
    def key(self) -> str:
        """Return a unique name, usable as a file name."""
        extra = f"-{self.workers}-workers" * (self.workers > 1) + f"-{self.delay_ms}-ms" * (self.delay_ms > 0)
        return f"{self.kind}-{self.row}-{self.messages}{extra}{'-capacity' * self.capacity}"


#: Messages for a run of some seconds.
BACKLOG = {"worker": 5_000, "loop": 5_000, "no_history": 5_000, "stock_threads": 400, "stock_prefork": 200}
#: Reports a second, and the rows that can store so many; the stock worker stores about 30.
STEADY: dict[int, tuple[str, ...]] = {
    1: ("worker", "loop"),
    10: ("worker", "loop", "stock_threads"),
    50: ("worker", "loop"),
    120: ("worker", "loop"),
    200: ("worker", "loop"),
}


def core() -> list[Case]:
    """Return the four rows, on the embedded servers; stock in both its pools, of which the better one is shown."""
    return [Case(row, count) for row, count in BACKLOG.items()]


def capacity() -> list[Case]:
    """Return the rows again, for their write units: one report of each can, long after its last."""
    return [Case(row, CANS, capacity=True) for row in BACKLOG if row != "stock_prefork"]


def java(*, every: bool) -> list[Case]:
    """Return the rows on the servers that need Java: all, or two in a short bench."""
    rows = BACKLOG if every else ("worker", "loop")
    return [Case(row, BACKLOG[row], kind="java") for row in rows]


def backlogs() -> list[Case]:
    """Return worker and loop with longer and longer backlogs."""
    return [Case(row, count) for count in (1_000, 10_000, 100_000) for row in ("worker", "loop")]


def several() -> list[Case]:
    """Return one, two and four workers on one queue."""
    return [Case("worker", 10_000, workers=workers) for workers in (1, 2, 4)]


def late() -> list[Case]:
    """Return the rows with servers that answer 8 ms late, as over a network."""
    return [Case(row, BACKLOG[row], delay_ms=8) for row in ("worker", "loop", "stock_threads")]


def uplinks() -> list[Case]:
    """Return the worker with our own JSON, and with uplinks of bought sensors that measured at the same times."""
    return [Case(row, 5_000) for row in ("own", "uplinks")]


def pools() -> list[Case]:
    """Return the worker in its other pools."""
    return [Case(row, 5_000) for row in ("worker", "worker_prefork", "worker_solo")]
