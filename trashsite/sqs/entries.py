"""Requests to SQS about several messages: each entry is sent again until SQS has decided it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from trashsite import aws
from trashsite.outage import Outage

#: Source: AWS, SQS quotas: 10 messages a request of any kind, and 1 MiB, attributes counted.
MESSAGES_PER_REQUEST = 10
MAX_BYTES = 1024 * 1024

Each = TypeVar("Each")
_outage = Outage("changing the visibility of messages")


@dataclass(frozen=True, slots=True)
class EntryResults:
    """
    What SQS did with each entry of a request, by its place in it.

    done: SQS's answer. refused: SQS's reason, where the sender is at fault, as for a receipt handle that has expired;
    sending it again is useless. undecided: the last reason. error: why SQS gave no usable answer, None if it gave one.
    """

    done: Mapping[int, Mapping[str, Any]]
    refused: Mapping[int, aws.AwsError]
    undecided: Mapping[int, str]
    error: aws.AwsUnavailable | aws.AwsError | None = None

    def raise_unless_done(self) -> None:
        """Raise AwsError where SQS refused an entry or the request, AwsUnavailable where an entry is undecided."""
        for refusal in self.refused.values():
            raise refusal
        if self.error:
            raise self.error
        for reason in self.undecided.values():
            total = len(self.done) + len(self.undecided)
            raise aws.AwsUnavailable(f"SQS did not accept {len(self.undecided)} of {total} messages: {reason}")


def request_entries(
    operation: str, queue_url: str, entries: Sequence[Mapping[str, Any]], *, within_s: float = aws.PATIENCE_S
) -> EntryResults:
    """
    Send up to ten entries in one request, and those again that SQS could not process, for at most `within_s` seconds.

    operation: AWS's name, as "DeleteMessageBatch". entries: AWS's, without their Id. What SQS does not answer, or
    answers with an error, is in the results: see EntryResults.raise_unless_done.
    """
    deadline = time.monotonic() + within_s
    done: dict[int, Mapping[str, Any]] = {}
    refused: dict[int, aws.AwsError] = {}
    undecided = dict.fromkeys(range(len(entries)), "SQS did not mention them in its answer")
    for attempt in count(1):
        request = {"QueueUrl": queue_url, "Entries": [{"Id": str(at), **entries[at]} for at in undecided]}
        try:
            answer = aws.client("sqs").patiently(operation, request, within_s=deadline - time.monotonic())
        except (aws.AwsUnavailable, aws.AwsError) as error:
            return EntryResults(done, refused, dict.fromkeys(undecided, str(error)), error)
        for each in answer.get("Successful") or ():
            done[int(each["Id"])] = each
            del undecided[int(each["Id"])]
        for each in answer.get("Failed") or ():
            at, reason = int(each["Id"]), aws.AwsError(each.get("Code", ""), each.get("Message", ""))
            undecided[at] = str(reason)
            if each.get("SenderFault"):
                refused[at] = reason
                del undecided[at]
        pause = aws.pause_s(attempt, first_s=0.1, most_s=1.0)
        if not undecided or time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
    return EntryResults(done, refused, undecided)


def in_requests(messages: Sequence[Each]) -> Iterator[Sequence[Each]]:
    """Split into groups of as many messages as one request may name."""
    for at in range(0, len(messages), MESSAGES_PER_REQUEST):
        yield messages[at : at + MESSAGES_PER_REQUEST]


def set_visibility(queue_url: str, seconds: Mapping[str, int], *, within_s: float = aws.PATIENCE_S) -> bool:
    """
    Set for how many seconds from now each message stays invisible; return whether SQS confirmed all in time.

    seconds: by receipt handle, any number. Without a confirmation a message is visible when its earlier time is over.
    """
    deadline = time.monotonic() + within_s
    jobs = [(queue_url, group, deadline) for group in in_requests(list(seconds.items()))]
    return all(aws.side_by_side(lambda job: _set_visibility(*job), jobs, service="sqs"))


def back_in_s(receive_count: int) -> int:
    """Return after how many seconds a message that could not be processed is delivered again: 2, 4, 8 ... 900."""
    return min(900, 1 << min(receive_count, 10))


def _set_visibility(queue_url: str, seconds: Sequence[tuple[str, int]], deadline: float) -> bool:
    began = time.monotonic()
    entries = [{"ReceiptHandle": handle, "VisibilityTimeout": timeout_s} for handle, timeout_s in seconds]
    try:
        results = request_entries("ChangeMessageVisibilityBatch", queue_url, entries, within_s=deadline - began)
        late = results.undecided
    except Exception as error:  # whatever it is, the messages become visible when their time is over
        late = dict.fromkeys(range(len(entries)), str(error))
    if late:
        _outage.failed(f"{len(late)} messages come back late: {next(iter(late.values()))}")
    else:
        _outage.ended(began)
    return not late
