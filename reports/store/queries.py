"""Queries of DynamoDB, which answers a megabyte at a time: asked until there is no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.store.batches import refuse_while_ending
from reports.store.dynamodb import dynamodb
from trashsite.aws import PATIENCE_S, Answer


def answers(request: Mapping[str, Any], *, within_s: float = PATIENCE_S) -> Iterator[Answer]:
    """
    Yield the answers to a Query, up to a megabyte each, while there are more rows.

    within_s: how long to ask for each. Raises what AWS said, and AwsUnavailable as `refuse_while_ending`.
    """
    start = None
    while True:
        refuse_while_ending()
        asked = {**request, "ExclusiveStartKey": start} if start else request
        answer = dynamodb().patiently("Query", asked, within_s=within_s)
        yield answer
        if not (start := answer.get("LastEvaluatedKey")):
            return
