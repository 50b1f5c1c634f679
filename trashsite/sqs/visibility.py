"""Tells SQS for how long messages stay invisible: longer while they are in hand, not much longer where they go back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from trashsite import aws
from trashsite.outage import Outage
from trashsite.sqs.entries import BATCH, ask_for_each

_outage = Outage("telling SQS how long messages stay invisible")


def set_visibility(queue_url: str, seconds: Mapping[str, int], *, within_s: float = aws.PATIENCE_S) -> bool:
    """
    Say for how many seconds from now each message stays invisible; False where SQS has not heard of all in time.

    seconds: by receipt handle, any number. What SQS did not hear of comes back when its time is over.
    """
    deadline = time.monotonic() + within_s
    wanted = list(seconds.items())
    jobs = [(queue_url, wanted[at : at + BATCH], deadline) for at in range(0, len(wanted), BATCH)]
    return all(aws.side_by_side(lambda job: _set(*job), jobs))


def back_in_s(receive_count: int) -> int:
    """Return after how many seconds a message that could not be worked on is delivered again: 2, 4, 8 ... 900."""
    return min(900, 1 << min(receive_count, 10))


def _set(queue_url: str, wanted: Sequence[tuple[str, int]], deadline: float) -> bool:
    began = time.monotonic()
    entries = [{"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle, seconds in wanted]
    try:
        left, problem = ask_for_each("ChangeMessageVisibilityBatch", queue_url, entries, deadline=deadline)
    except Exception as error:  # whatever it is, the messages come back by themselves
        left, problem = len(wanted), str(error)
    if left:
        _outage.failed(f"{left} messages come back late: {problem}")
    else:
        _outage.ended(began)
    return not left
