"""One thing asked of SQS for several messages: each is asked for until SQS has judged it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from trashsite import aws

#: Source: AWS, DeleteMessageBatch and ChangeMessageVisibilityBatch: at most 10 messages a request.
BATCH = 10


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
