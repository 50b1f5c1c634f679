"""What is wrong with the pipeline, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reports.insight.health import Sign, worker_problems

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


def troubles(
    *, waiting: int | None, in_flight: int, dead: int, workers: Iterable[Sign] | None, now: datetime
) -> list[Trouble]:
    """
    Return what is wrong, the worst first.

    waiting: messages in the queue, None where SQS does not answer; workers: None where DynamoDB does not.
    """
    found: list[Trouble] = []
    if waiting is None:
        text = "Reports wait on the devices. Look at AWS's status and at our rights."
        found.append(Trouble("bad", "SQS does not answer.", text))
    if workers is None:
        text = "Reports wait in the queue; nothing is lost for four days."
        found.append(Trouble("bad", "DynamoDB does not answer.", text))
    for problem in worker_problems(workers, now) if workers is not None else ():
        what, _, remedy = problem.partition(": start one")
        remedy = (
            f"Start one{remedy}." if remedy else "Look at its log. What it held comes back to the others by itself."
        )
        found.append(Trouble("bad", f"{what[0].upper()}{what[1:]}.", remedy))
    if in_flight > IN_FLIGHT:
        text = f"{in_flight:,} messages are in flight; at about 120,000 SQS hands out no more."
        found.append(Trouble("bad", text, "Workers take messages and do not finish them: look at their logs."))
    if waiting is not None and waiting > BACKLOG:
        found.append(Trouble("warning", f"A backlog: {waiting:,} messages wait.", "Start further workers."))
    if dead:
        letters = f"{dead:,} dead letter{'s' if dead != 1 else ''}"
        found.append(Trouble("warning", f"{letters}: reports that could not be stored.", "List them, and see why."))
    return found
