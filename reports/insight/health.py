"""Whether the pipeline works, judged by heartbeats and the queues' depth: what is wrong, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

#: A heartbeat comes every 10 s; two may be late. So a silent worker is noticed within half a minute.
SILENT_AFTER = timedelta(seconds=28)
#: A worker that has been silent for longer was replaced, or was not meant to come back.
FORGOTTEN_AFTER = timedelta(minutes=10)
#: More messages than a worker processes in a minute or so.
BACKLOG = 20_000
#: Source: AWS, SQS: at about 120,000 messages in flight a receive returns no message, and no error.
IN_FLIGHT = 100_000
_LIST = "List them, and see why."


class Heartbeat(Protocol):
    """What is judged here of a worker's last heartbeat (reports.store.Heartbeat)."""

    @property
    def name(self) -> str:
        """host:pid."""

    @property
    def seen_at(self) -> datetime:
        """When it was written."""

    @property
    def problem(self) -> str:
        """What the worker could not do although it should have, "" for nothing."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What it counted, and its latest figures (reports.worker.counters)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    One thing that is wrong. text: what; remedy: what to do. Both are sentences.

    letters: of what the dead letters are by whose list it is mended; None where there is no such list.
    """

    weight: Literal["bad", "warning"]
    text: str
    remedy: str
    letters: Literal["reports", "alerts"] | None = None


def worker_troubles(heartbeats: Iterable[Heartbeat], now: datetime) -> list[Trouble]:
    """Return a trouble for each worker that is silent or reports a problem, or one where none has a heartbeat."""
    troubles, working = [], 0
    heartbeats = [each for each in heartbeats if now - each.seen_at <= FORGOTTEN_AFTER]
    others = any(now - each.seen_at <= SILENT_AFTER and not each.problem for each in heartbeats)
    then = "The other workers receive its messages again." if others else "No other worker is working: start one."
    remedy = f"Look at its log. {then}"
    for heartbeat in heartbeats:
        silence = now - heartbeat.seen_at
        if silence > SILENT_AFTER:
            text = f"Worker {heartbeat.name} has been silent for {silence.total_seconds():.0f} s."
        elif heartbeat.problem:
            text = f"Worker {heartbeat.name}: {heartbeat.problem}."
        else:
            working += 1
            continue
        troubles.append(Trouble("bad", text, remedy))
    if not working and not troubles:
        troubles.append(Trouble("bad", "No worker is running.", "Start one with `celery -A trashsite worker`."))
    return troubles


def works(heartbeats: Iterable[Heartbeat], now: datetime) -> bool:
    """
    Say whether reports that are sent are stored: a worker runs, and none that runs is stuck.

    One that died is no matter for that, once others work: they receive its messages.
    """
    running = [each for each in heartbeats if now - each.seen_at <= SILENT_AFTER]
    return bool(running) and not any(each.problem for each in running)


def pipeline_troubles(
    *,
    waiting: int | None,
    in_flight: int,
    dead: int,
    dead_alerts: int | None,
    workers: Iterable[Heartbeat] | None,
    knows_hour: bool = True,
    now: datetime,
) -> list[Trouble]:
    """
    Return what is wrong, the worst first.

    waiting: messages in the queue, None where SQS does not answer; dead_alerts: alerts that were set aside, likewise;
    workers: None where DynamoDB does not. knows_hour: whether it told the minutes of the last hour.
    """
    troubles: list[Trouble] = []
    workers = None if workers is None else list(workers)
    if waiting is None:
        remedy = "Devices cannot send until it does. Look at AWS's status and at this deployment's permissions."
        troubles.append(Trouble("bad", "SQS does not answer.", remedy))
    elif dead_alerts is None:
        text = "SQS does not tell how many alerts were set aside."
        troubles.append(Trouble("warning", text, "Load the page again in a moment."))
    if workers is None:
        remedy = "Reports wait in the queue; nothing is lost for four days."
        troubles.append(Trouble("bad", "DynamoDB does not answer.", remedy))
    else:
        troubles += worker_troubles(workers, now)
        if not knows_hour:
            text = "DynamoDB does not answer for the last hour."
            troubles.append(Trouble("warning", text, "Load the page again in a moment."))
    if in_flight > IN_FLIGHT:
        text = f"{in_flight:,} messages are in flight; at about 120,000 SQS delivers no more."
        troubles.append(Trouble("bad", text, "Workers receive messages and do not finish them: look at their logs."))
    if waiting is not None and waiting > BACKLOG:
        troubles.append(Trouble("warning", f"A backlog: {waiting:,} messages wait.", "Start further workers."))
    wait_until_s = max((each.counters.get("new_cans_wait_until_s", 0) for each in workers or ()), default=0)
    if wait_until_s > now.timestamp():
        minutes = math.ceil((wait_until_s - now.timestamp()) / 60)
        text = f"More new cans came than TRASH_NEW_CANS allows: their reports wait, the last for about {minutes:,} min."
        remedy = "Where the cans are yours, wait or raise it; else find out who sends them, and set TRASH_SENDERS."
        troubles.append(Trouble("warning", text, remedy))
    if dead_alerts:
        alerts, whose = ("1 alert was", "its rule names")
        if dead_alerts > 1:
            alerts, whose = f"{dead_alerts:,} alerts were", "their rules name"
        text = f"{alerts} set aside: those whom {whose} were not told."
        troubles.append(Trouble("warning", text, _LIST, "alerts"))
    if dead:
        letters = f"{dead:,} dead letter{'s' if dead != 1 else ''}"
        troubles.append(Trouble("warning", f"{letters}: reports that could not be stored.", _LIST, "reports"))
    return troubles
