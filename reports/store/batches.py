"""DynamoDB's batch requests: what it leaves unprocessed, or throttles, is sent again after growing pauses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from reports.store.dynamodb import Item, dynamodb
from reports.store.errors import THROTTLING, StoreUnavailable, as_store_errors
from trashsite import aws, telemetry
from trashsite.aws import Answer, AwsThrottled, AwsUnavailable, pause_s

#: Source: AWS, BatchWriteItem and BatchExecuteStatement: 25 a request, no item twice.
WRITES = 25
#: Source: AWS, BatchGetItem: 100 items a request.
READS = 100
#: So long a worker that stops goes on with its batches. One of 500 reports takes a second or two, where the store is
#: quick; the last request may take another 2.5, and giving messages back 3: within 10 all has ended.
FINISH_WITHIN_S = 3.0

#: Of what `put_all` writes and is throttled.
PUT_TRIES = 4
#: The first pause between two tries, and the longest, in seconds.
Pauses = tuple[float, float]
PAUSES: Pauses = (0.1, 2.0)
#: Those between tries of a row that others write meanwhile.
CONTENDED: Pauses = (0.02, 0.4)
#: What `error_code` returns of a statement whose row others have written meanwhile.
CHANGED = frozenset({"ConditionalCheckFailed", "DuplicateItem"})

Key = dict[str, dict[str, Any]]
Statement = Mapping[str, Any]
#: What BatchExecuteStatement says of one statement: Error with Code, Message and perhaps Item, or none of these.
Result = Mapping[str, Any]
Entry = TypeVar("Entry")


def sent_again(
    entries: Sequence[Entry],
    send: Callable[[Sequence[Entry]], Sequence[Entry]],
    *,
    tries: int,
    pauses: Pauses = PAUSES,
) -> Sequence[Entry]:
    """Send entries, and again those that `send` returns, up to `tries` times; return what is left then."""
    for attempt in range(1, tries + 1):
        if not entries:
            break
        entries = send(entries)
        if entries and attempt < tries:
            pause(attempt, pauses)
    return entries


def pause(attempt: int, pauses: Pauses = PAUSES) -> None:
    """Wait before the next try."""
    time.sleep(pause_s(attempt, first_s=pauses[0], most_s=pauses[1]))


def refuse_while_ending() -> None:
    """
    Raise AwsUnavailable, instead of one more request, where this process has been stopping for FINISH_WITHIN_S.

    Then its messages go back to the queue, for another worker: each write can be repeated.
    """
    if aws.stopping.lasts_s() > FINISH_WITHIN_S:
        raise AwsUnavailable("this worker stops, and leaves the rest to others")


def ask(operation: str, request: Mapping[str, Any], **patience: float) -> Answer | None:
    """
    Return DynamoDB's answer, None where it throttles the request as a whole.

    Raises what AWS said, and AwsUnavailable as `refuse_while_ending`.
    """
    refuse_while_ending()
    try:
        return dynamodb().patiently(operation, request, at_once=AwsThrottled, **patience)
    except AwsThrottled:
        return None


def put_once(name: str, items: Sequence[Item]) -> list[Item]:
    """Write up to 25 items over what stands there; return those that DynamoDB left unprocessed."""
    wanted = [{"PutRequest": {"Item": item}} for item in items]
    answer = ask("BatchWriteItem", {"RequestItems": {name: wanted}})
    if answer is None:
        return list(items)
    left = [each["PutRequest"]["Item"] for each in answer.get("UnprocessedItems", {}).get(name, ())]
    _count_throttled("BatchWriteItem", len(left))
    return left


def put_all(name: str, items: Sequence[Item]) -> None:
    """Write any number of items over what stands there. Raises StoreUnavailable, also where they stay throttled."""
    with as_store_errors():
        for at in range(0, len(items), WRITES):
            if sent_again(items[at : at + WRITES], partial(put_once, name), tries=PUT_TRIES):
                raise StoreUnavailable(f"DynamoDB throttles writes to {name}")


def execute_once(statements: Sequence[Statement]) -> list[Result]:
    """Run up to 25 statements, each by itself, and return what became of each, in order."""
    answer = ask("BatchExecuteStatement", {"Statements": statements})
    if answer is None:
        return [{"Error": {"Code": "ThrottlingError"}}] * len(statements)
    results: list[Result] = answer["Responses"]
    _count_throttled("BatchExecuteStatement", sum(map(is_throttled, results)))
    return results


def error_code(result: Result) -> str:
    """Return why a statement failed, without the ending that some answers have; "" where it passed."""
    error = result.get("Error")
    return str(error.get("Code", "")).removesuffix("Exception") if error else ""


def is_throttled(result: Result) -> bool:
    """Say whether a statement may pass when it is tried again."""
    return error_code(result) in THROTTLING


def get_items(
    name: str, keys: Sequence[Key], *, tries: int, consistent: bool = False, pauses: Pauses = PAUSES, **patience: float
) -> tuple[list[Item], Sequence[Key]]:
    """Return the items that there are of up to 100, and the keys that are still unread after so many tries."""
    items: list[Item] = []

    def read(keys: Sequence[Key]) -> Sequence[Key]:
        answer = ask("BatchGetItem", {"RequestItems": {name: {"Keys": keys, "ConsistentRead": consistent}}}, **patience)
        if answer is None:
            return keys
        items.extend(answer["Responses"].get(name, ()))
        unread: Sequence[Key] = answer.get("UnprocessedKeys", {}).get(name, {}).get("Keys", [])
        _count_throttled("BatchGetItem", len(unread))
        return unread

    left = sent_again(keys, read, tries=tries, pauses=pauses)
    return items, left


def _count_throttled(operation: str, items: int) -> None:
    """Count items that an answer leaves for later; a request that is refused whole is counted where it is sent."""
    if items:
        telemetry.AWS_THROTTLED.add(items, "dynamodb", operation)
