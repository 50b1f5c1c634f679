"""Requests to SQS about several messages: each entry is asked for again until SQS has decided it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from trashsite import aws
from trashsite.outage import Outage

#: Source: AWS, DeleteMessageBatch and ChangeMessageVisibilityBatch: at most 10 messages a request.
BATCH = 10

_outage = Outage("telling SQS how long messages stay invisible")


def ask_for_each(
    operation: str,
    queue_url: str,
    entries: Sequence[Mapping[str, Any]],
    *,
    deadline: float,
    on_stale: Callable[[str], None] = lambda problem: None,
) -> tuple[int, str]:
    """
    Ask once for up to ten messages, and again for those that SQS could not do, until the monotonic time `deadline`.

    entries: AWS's, without their Id. on_stale: told what SQS says of a handle that is good no more, for which
    nothing is left to ask. Returns for how many it is not done, and why.
    """
    left = {str(at): entry for at, entry in enumerate(entries)}
    problem = "SQS says nothing of them"
    for attempt in count(1):
        request = {"QueueUrl": queue_url, "Entries": [{"Id": at, **entry} for at, entry in left.items()]}
        try:
            answer = aws.client("sqs").patiently(operation, request, within_s=deadline - time.monotonic())
        except (aws.AwsUnavailable, aws.AwsError) as error:
            problem = str(error)
            break
        for each in answer.get("Successful", ()):
            del left[each["Id"]]
        for each in answer.get("Failed", ()):
            problem = f"{each.get('Code')} {each.get('Message', '')}"
            if each.get("SenderFault"):
                del left[each["Id"]]
                on_stale(problem)
        pause = aws.pause_s(attempt, first_s=0.1, most_s=1.0)
        if not left or time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
    return len(left), problem


def set_visibility(queue_url: str, seconds: Mapping[str, int], *, within_s: float = aws.PATIENCE_S) -> bool:
    """
    Say for how many seconds from now each message stays invisible; False where SQS has not heard of all in time.

    seconds: by receipt handle, any number. What SQS did not hear of comes back when its time is over.
    """
    deadline = time.monotonic() + within_s
    wanted = list(seconds.items())
    jobs = [(queue_url, wanted[at : at + BATCH], deadline) for at in range(0, len(wanted), BATCH)]
    return all(aws.side_by_side(lambda job: _set(*job), jobs, service="sqs"))


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
