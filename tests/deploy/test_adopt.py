"""A table of the lab's own service is taken over while that service writes."""

from __future__ import annotations

import io
import secrets
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from django.core.management import CommandError, call_command

from reports import store
from tests.conftest import Settings
from tests.support.cans import a_report

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def lab(aws_environment: dict[str, str], settings: Settings) -> Any:
    """The lab's table as its own instructions make it, with what its report service has put there."""
    # The command sets it.
    settings.TRASH_SUFFIX = ""
    name = f"trash-levels-{secrets.token_hex(4)}"
    table = boto3.resource("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 3},
    )
    for at in range(40):
        table.put_item(Item={"id": str(at), "level": f"{at}.5"})
    return table


def adopt(name: str) -> str:
    out = io.StringIO()
    call_command("adopt", table=name, stdout=out)
    return out.getvalue()


def fullest() -> dict[str, str]:
    return {report.can_id: report.level for report in store.ranked("fullest", size=100).items}


def test_both_services_run_while_the_table_is_taken_over(lab: Any) -> None:
    said = adopt(lab.name)
    assert "40 cans, of these 40 brought into the lists" in said
    assert f"Start workers and web servers with TRASH_SUFFIX={lab.name.removeprefix('trash-levels-')}" in said
    assert fullest() == {str(at): f"{at}.5" for at in range(40)}

    # Ours stores a report; the lab's service puts a level over another can, and one over a can of ours.
    store.put_reports([a_report("7", "70", NOW), a_report("8", "80", NOW)], now=NOW)
    lab.put_item(Item={"id": "8", "level": "81.25"})
    lab.put_item(Item={"id": "9", "level": "91.25"})
    assert (latest := store.latest("8")) and latest.level == "81.25"
    assert "40 cans, of these 2 brought into the lists" in adopt(lab.name)
    assert {fullest()[can] for can in "789"} == {"70", "81.25", "91.25"}

    store.put_reports([a_report("9", "12", NOW)], now=NOW)
    assert fullest()["9"] == "12"
    assert "40 cans, of these 0 brought into the lists" in adopt(lab.name)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("levels", "'levels' is not trash-levels or trash-levels-SUFFIX"),
        ("trash-levels-", "is not trash-levels or trash-levels-SUFFIX"),
        ("trash-levels-nobodys", "There is no table trash-levels-nobodys in this region"),
    ],
)
def test_a_table_that_is_not_there_is_told_and_not_made(
    aws_environment: dict[str, str], settings: Settings, table: str, reason: str
) -> None:
    settings.TRASH_SUFFIX = ""
    with pytest.raises(CommandError, match=reason):
        adopt(table)
    assert table not in boto3.client("dynamodb").list_tables()["TableNames"]
