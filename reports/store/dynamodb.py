"""DynamoDB as this project uses it: the client, the names of the tables, and how long a page waits for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trashsite import aws

#: A row as DynamoDB's JSON writes it: by attribute, its type and its value.
Item = dict[str, dict[str, Any]]

LEVELS = "trash-levels"
HISTORY = "trash-level-history"
PIPELINE = "trash-pipeline"

#: Who asks for a page waits for it: better a 503 than a long silence.
READ_WITHIN_S = 2.5


def dynamodb() -> aws.Client:
    """Return this process's client for DynamoDB."""
    return aws.client("dynamodb")


def epoch_seconds(instant: datetime) -> dict[str, str]:
    """
    Return an instant as DynamoDB's time to live takes it: a number of whole seconds since 1970.

    Source: AWS, "Using time to live (TTL) in DynamoDB".
    """
    return {"N": str(int(instant.timestamp()))}
