"""The tables: made where they are missing, found again, and told where they are not as they should be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from reports import store
from reports.store import StoreUnavailable
from tests.support.cans import a_report

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def raw(suffix: str) -> DynamoDBClient:
    """DynamoDB by the AWS SDK alone."""
    return boto3.client("dynamodb")


def described(raw: DynamoDBClient, name: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    table = raw.describe_table(TableName=name)["Table"]
    types = {each["AttributeName"]: str(each["AttributeType"]) for each in table["AttributeDefinitions"]}
    keys = [(each["AttributeName"], str(each["KeyType"])) for each in table["KeySchema"]]
    return keys, {name: types[name] for name, _ in keys}


def test_the_tables_have_the_keys_that_the_lab_and_the_specification_name(suffix: str, raw: DynamoDBClient) -> None:
    assert described(raw, f"trash-levels-{suffix}") == ([("id", "HASH")], {"id": "S"})
    assert described(raw, f"trash-level-history-{suffix}") == (
        [("id", "HASH"), ("order_key", "RANGE")],
        {"id": "S", "order_key": "S"},
    )
    assert described(raw, f"trash-pipeline-{suffix}") == (
        [("kind", "HASH"), ("id", "RANGE")],
        {"kind": "S", "id": "S"},
    )
    for name in ("trash-level-history", "trash-pipeline"):
        swept = raw.describe_time_to_live(TableName=f"{name}-{suffix}")["TimeToLiveDescription"]
        assert swept["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}
        assert swept["AttributeName"] == "expires_at"


def test_provisioning_again_finds_everything_and_keeps_what_is_there(suffix: str) -> None:
    report = a_report("432", "50.0", NOW)
    store.put_reports([report], now=NOW)
    assert list(store.provision()) == [
        f"found table {name}-{suffix}" for name in ("trash-levels", "trash-level-history", "trash-pipeline")
    ]
    assert store.latest("432") == report
    assert store.missing() == []
    assert store.flaws() == []


def test_provision_takes_a_suffix_and_the_labs_throughput(
    suffix: str, raw: DynamoDBClient, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    own = f"wra-{suffix}"
    call_command("provision", suffix=own, throughput=(3, 3))
    names = ("trash-levels", "trash-level-history", "trash-pipeline")
    out = capsys.readouterr().out
    assert all(f"made table {name}-{own}" in out for name in names)
    for name in names:
        capacity = raw.describe_table(TableName=f"{name}-{own}")["Table"]["ProvisionedThroughput"]
        assert (capacity["ReadCapacityUnits"], capacity["WriteCapacityUnits"]) == (3, 3)
    settings.TRASH_SUFFIX = suffix
    billing = raw.describe_table(TableName=f"trash-levels-{suffix}")["Table"]["BillingModeSummary"]
    assert billing["BillingMode"] == "PAY_PER_REQUEST"


@pytest.mark.parametrize("sent", ["3", "3/", "/3", "0/3", "3/0", "a/b", "3/3/3", "-1/3"])
def test_a_throughput_that_is_none_is_told(sent: str, suffix: str) -> None:
    with pytest.raises(CommandError, match="is not READ/WRITE, as 3/3"):
        call_command("provision", f"--throughput={sent}")


@pytest.mark.parametrize(
    ("keys", "types"),
    [
        ([("can_id", "HASH")], {"can_id": "S"}),
        ([("id", "HASH"), ("at", "RANGE")], {"id": "S", "at": "S"}),
        ([("id", "HASH")], {"id": "N"}),
    ],
)
def test_a_table_with_other_keys_is_told_and_left_alone(
    keys: list[tuple[str, str]], types: dict[str, str], aws_environment: dict[str, str], settings: Settings
) -> None:
    settings.TRASH_SUFFIX = f"odd-{'-'.join(types)}-{'-'.join(types.values())}"
    name = f"trash-levels-{settings.TRASH_SUFFIX}"
    raw: Any = boto3.client("dynamodb")
    raw.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": each} for key, each in types.items()],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(StoreUnavailable, match=f"table {name} has the keys"):
        list(store.provision())
    assert described(raw, name) == (keys, types)
    assert f"table {name} has the keys" in store.flaws()[0]
    assert "set another TRASH_SUFFIX" in store.flaws()[0]
