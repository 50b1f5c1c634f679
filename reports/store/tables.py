"""The three tables: made where they are missing, told where they are not as they should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.items import HISTORY, INDEXES, LEVELS, PIPELINE, dynamodb
from trashsite.aws import AwsError
from trashsite.names import full_name

#: Hash and range key of each table, all of type S; the levels table is the lab's to the letter.
KEYS = {LEVELS: ("id",), HISTORY: ("id", "order_key"), PIPELINE: ("kind", "id")}
SWEPT = (HISTORY, PIPELINE)


def provision(*, throughput: tuple[int, int] | None = None) -> Iterator[str]:
    """
    Make each table that is missing, and yield a line on each: what was found, what was made.

    throughput: read and write units a second, None for on-demand capacity. Safe to run again.
    Raises StoreUnavailable; a table with other keys than ours is one, for nothing of ours would fit it.
    """
    with as_store_errors():
        for name, keys in KEYS.items():
            description = _describe(full_name(name))
            if description is None:
                _create(full_name(name), keys, INDEXES if name == LEVELS else {}, throughput)
                yield f"made table {full_name(name)}"
            else:
                _check_keys(description, keys)
                yield f"found table {full_name(name)}"
                yield from _add_indexes(description, INDEXES if name == LEVELS else {}, throughput)
            if name in SWEPT and _sweep(full_name(name)):
                yield f"set table {full_name(name)} to forget what has expired"


def missing() -> list[str]:
    """Return the names of tables that do not exist. Raises StoreUnavailable where DynamoDB does not answer."""
    with as_store_errors():
        return [full_name(name) for name in KEYS if _describe(full_name(name)) is None]


def _describe(name: str) -> dict[str, Any] | None:
    try:
        return dict(dynamodb().patiently("DescribeTable", {"TableName": name})["Table"])
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            return None
        raise


def _check_keys(description: dict[str, Any], keys: tuple[str, ...]) -> None:
    types = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
    found = ", ".join(f"{key['AttributeName']} ({types[key['AttributeName']]})" for key in description["KeySchema"])
    needed = ", ".join(f"{key} (S)" for key in keys)
    if found != needed:
        raise StoreUnavailable(f"table {description['TableName']} has the keys {found}, not {needed}")


def _create(
    name: str, keys: tuple[str, ...], indexes: dict[str, tuple[str, ...]], throughput: tuple[int, int] | None
) -> None:
    request: dict[str, Any] = {
        "TableName": name,
        "AttributeDefinitions": _definitions(keys, *indexes.values()),
        "KeySchema": _key_schema(keys),
        **_capacity(throughput),
    }
    if not throughput:
        request["BillingMode"] = "PAY_PER_REQUEST"
    if indexes:
        request["GlobalSecondaryIndexes"] = [_index(index, indexes[index], throughput) for index in indexes]
    dynamodb().patiently("CreateTable", request)
    _wait_until_active(name)


def _add_indexes(
    description: dict[str, Any], indexes: dict[str, tuple[str, ...]], throughput: tuple[int, int] | None
) -> Iterator[str]:
    """
    Add what an older table lacks, one index at a time as DynamoDB wants it; it fills each by itself.

    Source: AWS, UpdateTable: AttributeDefinitions must include the key elements of the new index. Others are refused
    by CreateTable, so none are sent here either: not those of indexes that come later.
    """
    name = description["TableName"]
    there = {index["IndexName"] for index in description.get("GlobalSecondaryIndexes", ())}
    for index, keys in indexes.items():
        if index not in there:
            dynamodb().patiently(
                "UpdateTable",
                {
                    "TableName": name,
                    "AttributeDefinitions": _definitions(keys),
                    "GlobalSecondaryIndexUpdates": [{"Create": _index(index, keys, throughput)}],
                },
            )
            _wait_until_active(name)
            yield f"added index {index} to table {name}"


def _definitions(*schemas: tuple[str, ...]) -> list[dict[str, str]]:
    names = sorted({key for schema in schemas for key in schema})
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _key_schema(keys: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)]


def _capacity(throughput: tuple[int, int] | None) -> dict[str, Any]:
    if not throughput:
        return {}
    read, write = throughput
    return {"ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}}


def _index(name: str, keys: tuple[str, ...], throughput: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": _key_schema(keys),
        "Projection": {"ProjectionType": "KEYS_ONLY"},
        **_capacity(throughput),
    }


def _wait_until_active(name: str) -> None:
    for _ in range(600):
        description = _describe(name) or {"TableStatus": "CREATING"}
        indexes = description.get("GlobalSecondaryIndexes", ())
        if all(each == "ACTIVE" for each in (description["TableStatus"], *(index["IndexStatus"] for index in indexes))):
            return
        time.sleep(0.5)
    raise StoreUnavailable(f"table {name} was still not active after five minutes")


def _sweep(name: str) -> bool:
    """Let DynamoDB delete rows past their expires_at; return whether that was not so before."""
    answer = dynamodb().patiently("DescribeTimeToLive", {"TableName": name})
    if answer["TimeToLiveDescription"].get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}:
        return False
    dynamodb().patiently(
        "UpdateTimeToLive",
        {
            "TableName": name,
            "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires_at"},
        },
    )
    return True
