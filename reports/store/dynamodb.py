"""DynamoDB as this project uses it: the client, the names of the tables, and how long a page waits for it."""

from __future__ import annotations

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
