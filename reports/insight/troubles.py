"""What is wrong with the pipeline, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

#: A heartbeat comes every 10 s: after three of them missed, something is wrong.
SILENT_AFTER = timedelta(seconds=30)
#: More messages than this are more than a worker takes in a minute or so.
BACKLOG = 20_000
#: Source: AWS, SQS: at about 120,000 messages in flight a receive answers nothing, and no error.
IN_FLIGHT = 100_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong. text: what; remedy: what to do."""

    weight: Literal["bad", "warning"]
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Sign:
    """A worker's last sign of life, and what it says it cannot do."""

    name: str
    seen_at: datetime
    problem: str


def is_silent(seen_at: datetime, now: datetime) -> bool:
    """Say whether a worker that was heard of last then has stopped, or hangs."""
    return now - seen_at > SILENT_AFTER


def troubles(
    *, waiting: int | None, in_flight: int, dead: int, workers: Sequence[Sign] | None, now: datetime
) -> list[Trouble]:
    """
    Return what is wrong, the worst first.

    waiting: messages in the queue, None where SQS does not answer; workers: None where DynamoDB does not.
    """
    found: list[Trouble] = []
    if waiting is None:
        found.append(
            Trouble("bad", "SQS does not answer.", "Reports wait on the devices. Look at AWS's status and our rights.")
        )
    if workers is None:
        found.append(
            Trouble("bad", "DynamoDB does not answer.", "Reports wait in the queue; nothing is lost for four days.")
        )
        workers = ()
        awake: Sequence[Sign] = ()
    else:
        awake = [worker for worker in workers if not is_silent(worker.seen_at, now)]
        if not awake:
            wait = f" while {waiting:,} messages wait" if waiting else ""
            found.append(Trouble("bad", f"No worker is at work{wait}.", "Start one: celery -A trashsite worker."))
    for worker in workers:
        if worker.problem:
            found.append(Trouble("bad", f"{worker.name}: {worker.problem}", "Look at its log; restart it if it stays."))
    for worker in workers if awake else ():
        if is_silent(worker.seen_at, now):
            gone = "has not been heard of for over 30 seconds, and did not say goodbye."
            found.append(
                Trouble("warning", f"{worker.name} {gone}", "It died or hangs. Its messages come back by themselves.")
            )
    if in_flight > IN_FLIGHT:
        text = f"{in_flight:,} messages are in flight; at about 120,000 SQS hands out no more."
        found.append(Trouble("bad", text, "Workers take messages and do not finish them: look at their logs."))
    if waiting is not None and waiting > BACKLOG:
        found.append(Trouble("warning", f"A backlog: {waiting:,} messages wait.", "Start further workers."))
    if dead:
        letters = f"{dead:,} dead letter{'s' if dead != 1 else ''}"
        found.append(Trouble("warning", f"{letters}: reports that could not be stored.", "List them, and see why."))
    return found
