"""The two tables as an operator copies, deletes and restores them: by the AWS SDK alone."""

from __future__ import annotations

import time
from typing import Any

import boto3

NAMES = ("trash-levels-{}", "trash-level-history-{}")

Rows = dict[str, list[dict[str, Any]]]


def read(suffix: str, cans: str) -> Rows:
    """Return all rows, by table, of the cans whose ids begin so."""
    wanted = {
        "FilterExpression": "begins_with(id, :cans)",
        "ExpressionAttributeValues": {":cans": {"S": cans}},
        "ConsistentRead": True,
    }
    scan = boto3.client("dynamodb").get_paginator("scan")
    return {
        name: [item for page in scan.paginate(TableName=name, **wanted) for item in page["Items"]]
        for name in (each.format(suffix) for each in NAMES)
    }


def delete(suffix: str) -> None:
    """Delete both tables."""
    for name in NAMES:
        boto3.client("dynamodb").delete_table(TableName=name.format(suffix))


def write(rows: Rows) -> None:
    """Put rows into tables that are there."""
    dynamodb: Any = boto3.client("dynamodb")
    for name, items in rows.items():
        left = [{"PutRequest": {"Item": item}} for item in items]
        while left:
            answer = dynamodb.batch_write_item(RequestItems={name: left[:25]})
            again = answer.get("UnprocessedItems", {}).get(name, [])
            left = again + left[25:]
            if again:
                time.sleep(0.1)
