"""Tells SQS for how long messages stay invisible: longer while they are in hand, not much longer where they go back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import count

from trashsite import aws
from trashsite.sqs.outage import Outage

#: Source: AWS, ChangeMessageVisibilityBatch: at most 10 messages a request.
BATCH = 10
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
    for attempt in count(1):
        entries = [
            {"Id": str(at), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for at, (handle, seconds) in enumerate(wanted)
        ]
        try:
            answer = aws.client("sqs").patiently(
                "ChangeMessageVisibilityBatch",
                {"QueueUrl": queue_url, "Entries": entries},
                within_s=max(0.1, deadline - time.monotonic()),
            )
            # The sender's fault is a handle of a message that is not in flight any more: nothing is left to say.
            failed = [each for each in answer.get("Failed", ()) if not each.get("SenderFault")]
            wanted = [wanted[int(each["Id"])] for each in failed]
            problem = f"{failed[0].get('Code')} {failed[0].get('Message', '')}" if failed else ""
        except Exception as error:  # whatever it is, the messages come back by themselves
            problem = str(error)
            break
        pause = aws.pause_s(attempt, first_s=0.1, most_s=1.0)
        if not wanted or time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
    if problem:
        _outage.failed(f"{len(wanted)} messages come back late: {problem}")
    else:
        _outage.ended(began)
    return not problem
