"""A write of one row under a condition: whether the row was still as the writer took it to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.store.dynamodb import dynamodb
from trashsite.aws import PATIENCE_S, AwsError


def passes(operation: str, request: Mapping[str, Any], *, within_s: float = PATIENCE_S) -> bool:
    """Send a write, and say whether its condition was met. Raises what else AWS said."""
    try:
        dynamodb().patiently(operation, request, within_s=within_s)
    except AwsError as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return False
    return True
