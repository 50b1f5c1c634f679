"""The three tables: made where they are missing, told where they are not as they should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

from reports.store.dynamodb import HISTORY, LEVELS, PIPELINE, dynamodb
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.keys import INDEXES
from trashsite.aws import AwsError, AwsUnavailable, pause_s
from trashsite.names import full_name

#: Hash and range key of each table, all of type S; the levels table is the lab's to the letter.
KEYS = {LEVELS: ("id",), HISTORY: ("id", "order_key"), PIPELINE: ("kind", "id")}
SWEPT = (HISTORY, PIPELINE)
#: For a table to be made, and for an index to be filled from the rows of its table: of millions that takes an hour.
MADE_WITHIN_S, FILLED_WITHIN_S = 300.0, 2 * 3600.0


def provision(*, throughput: tuple[int, int] | None = None) -> Iterator[str]:
    """
    Make each table that is missing, and yield a line on each: what was found, what was made.

    throughput: read and write units a second of what is made, None for on-demand capacity. Safe to run again, also
    after it was stopped, and beside another one. Raises StoreUnavailable; a table with other keys than ours is one, for
    nothing of ours would fit it.
    """
    with as_store_errors():
        for name, keys in KEYS.items():
            indexes = INDEXES if name == LEVELS else {}
            is_made = _describe(full_name(name)) is None and _create(full_name(name), keys, indexes, throughput)
            description = _wait_until_active(full_name(name))
            if other := _other_keys(description, keys):
                raise StoreUnavailable(other)
            yield f"{'made' if is_made else 'found'} table {full_name(name)}"
            yield from _add_indexes(description, indexes, throughput)
            if name in SWEPT and _sweep(full_name(name)):
                yield f"set table {full_name(name)} to forget what has expired"


def missing() -> list[str]:
    """Return the names of tables that do not exist. Raises StoreUnavailable where DynamoDB does not answer."""
    with as_store_errors():
        return [full_name(name) for name in KEYS if _describe(full_name(name)) is None]


def flaws() -> list[str]:
    """
    Return why no program can work with the tables, each with the next step; an empty list where all can.

    An index that DynamoDB still fills is none. Raises StoreUnavailable where DynamoDB does not answer.
    """
    with as_store_errors():
        return [flaw for name in KEYS for flaw in _flaws_of(name)]


def _flaws_of(name: str) -> list[str]:
    full = full_name(name)
    description = _describe(full)
    if description is None:
        return [f"table {full} does not exist: run `manage.py provision`"]
    if other := _other_keys(description, KEYS[name]):
        return [f"{other}: set another TRASH_SUFFIX"]
    lacks = set(INDEXES if name == LEVELS else ()) - set(_indexes_of(description))
    return [f"table {full} has no index {index}: run `manage.py provision`" for index in sorted(lacks)]


def _describe(name: str) -> dict[str, Any] | None:
    try:
        return dict(dynamodb().patiently("DescribeTable", {"TableName": name})["Table"])
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            return None
        raise


def _other_keys(description: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Return which keys a table has instead of these; "" where it has these."""
    types = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
    found = ", ".join(f"{key['AttributeName']} ({types[key['AttributeName']]})" for key in description["KeySchema"])
    needed = ", ".join(f"{key} (S)" for key in keys)
    return "" if found == needed else f"table {description['TableName']} has the keys {found}, not {needed}"


def _create(
    name: str, keys: tuple[str, ...], indexes: dict[str, tuple[str, ...]], throughput: tuple[int, int] | None
) -> bool:
    """Make a table; return False where another program has begun to make it."""
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
    try:
        dynamodb().patiently("CreateTable", request)
    except AwsError as error:
        if error.code != "ResourceInUseException":
            raise
        return False
    return True


def _add_indexes(
    description: dict[str, Any], indexes: dict[str, tuple[str, ...]], throughput: tuple[int, int] | None
) -> Iterator[str]:
    """
    Add what an older table lacks, one index at a time as DynamoDB wants it; it fills each by itself.

    Source: AWS, UpdateTable: AttributeDefinitions must include the key elements of the new index. Others are refused
    by CreateTable, so none are sent here either: not those of indexes that come later.
    """
    name = description["TableName"]
    for index, keys in indexes.items():
        if index in _indexes_of(description):
            continue
        yield f"adding index {index} to table {name}, which DynamoDB fills from all its rows"
        request = {
            "TableName": name,
            "AttributeDefinitions": _definitions(keys),
            "GlobalSecondaryIndexUpdates": [{"Create": _index(index, keys, _throughput_of(description, throughput))}],
        }
        try:
            dynamodb().patiently("UpdateTable", request)
        except (AwsError, AwsUnavailable):
            # Another program may have begun it, or this one by a request whose answer was lost.
            if index not in _indexes_of(_describe(name) or {}):
                raise
        description = _wait_until_active(name)
        yield f"added index {index} to table {name}"


def _indexes_of(description: dict[str, Any]) -> list[str]:
    indexes = description.get("GlobalSecondaryIndexes", ())
    return [each["IndexName"] for each in indexes if each.get("IndexStatus") != "DELETING"]


def _throughput_of(description: dict[str, Any], wanted: tuple[int, int] | None) -> tuple[int, int] | None:
    """
    Return which capacity a new index of a table has to have: what is wanted, else the table's own; None on demand.

    The lab's table has capacity of its own. Source: AWS, ProvisionedThroughput: it must be given, or not, by the mode
    of the table, and is 0 on demand. AWS refuses an index without it there, DynamoDB Local answers 500.
    """
    units = description.get("ProvisionedThroughput", {})
    read, write = (int(units.get(f"{kind}CapacityUnits", 0)) for kind in ("Read", "Write"))
    return (wanted or (read, write)) if read and write else None


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


def _wait_until_active(name: str) -> dict[str, Any]:
    """Return a table's description once the table and each of its indexes can be used. Raises StoreUnavailable."""
    began = time.monotonic()
    for attempt in count(1):
        description = _describe(name) or {"TableStatus": "CREATING"}
        indexes = description.get("GlobalSecondaryIndexes", ())
        filled = [each["IndexName"] for each in indexes if each.get("IndexStatus", "ACTIVE") != "ACTIVE"]
        if description["TableStatus"] == "ACTIVE" and not filled:
            return description
        if time.monotonic() - began > (FILLED_WITHIN_S if filled else MADE_WITHIN_S):
            of = f"index {filled[0]} of table {name}" if filled else f"table {name}"
            raise StoreUnavailable(f"{of} is still not active: run this again later, it goes on from here")
        time.sleep(pause_s(attempt, first_s=0.1, most_s=5.0))
    raise AssertionError("unreachable")


def _sweep(name: str) -> bool:
    """Let DynamoDB delete rows past their expires_at; return whether that was not so before."""
    if _is_swept(name):
        return False
    expiry = {"Enabled": True, "AttributeName": "expires_at"}
    try:
        dynamodb().patiently("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": expiry})
    except (AwsError, AwsUnavailable):
        # As with an index.
        if not _is_swept(name):
            raise
    return True


def _is_swept(name: str) -> bool:
    answer = dynamodb().patiently("DescribeTimeToLive", {"TableName": name})
    return answer["TimeToLiveDescription"].get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
