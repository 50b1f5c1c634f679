"""What an older release made, provision puts right: seldom done, and so the rights for it are seldom needed."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from reports import queue, store
from tests.conftest import Settings
from tests.support.fault_proxy import Call, FaultProxy, Reply, lose_answer
from tests.support.kind import KIND
from trashsite import aws


@pytest.mark.skipif(KIND == "java", reason="ElasticMQ has no retention, which so is set each time")
@pytest.mark.parametrize("name", ["trash-level", "trash-level-dead", "trash-alerts", "trash-alerts-dead"])
def test_a_queue_that_keeps_its_messages_too_short_is_put_right(name: str, suffix: str) -> None:
    sqs: Any = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{name}-{suffix}")["QueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})

    assert f"found queue {name}-{suffix}, set its attributes" in list(queue.provision())

    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])["Attributes"]
    assert found == before != {"MessageRetentionPeriod": "60"}


@pytest.mark.parametrize(
    "capacity",
    [
        {"BillingMode": "PAY_PER_REQUEST"},
        # As the lab's own instructions make it. AWS wants a capacity of each new index then, and refuses one otherwise.
        {"ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}},
    ],
    ids=lambda capacity: next(iter(capacity)),
)
def test_a_table_from_before_the_indexes_gets_them(
    capacity: dict[str, Any], suffix: str, aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb: Any = boto3.client("dynamodb")
    name = f"trash-levels-{suffix}"
    dynamodb.delete_table(TableName=name)
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        **capacity,
    )

    asked: list[dict[str, Any]] = []

    def noted(call: Call) -> Reply:
        asked.append(call.request)
        # The answer to the first is lost, so it is sent again, and refused: the index is there.
        return lose_answer(call) if len(asked) == 1 else call.forward()

    with FaultProxy(aws_environment["AWS_ENDPOINT_URL_DYNAMODB"]) as proxy:
        proxy.inject(noted, "UpdateTable")
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        aws.forget()
        said = list(store.provision())

    # AWS wants the key elements of the new index defined, and may refuse definitions that nothing uses yet.
    for request in asked:
        (update,) = request["GlobalSecondaryIndexUpdates"]
        used = {key["AttributeName"] for key in update["Create"]["KeySchema"]}
        assert {each["AttributeName"] for each in request["AttributeDefinitions"]} == used
        assert update["Create"].get("ProvisionedThroughput") == capacity.get("ProvisionedThroughput")
    assert len(asked) > 3
    assert [line for line in said if "index" in line] == [
        line
        for index in ("by-level", "by-heard", "by-id")
        for line in (
            f"adding index {index} to table {name}, which DynamoDB fills from all its rows",
            f"added index {index} to table {name}",
        )
    ]
    indexes = dynamodb.describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"]
    assert {each["IndexName"] for each in indexes} == {"by-level", "by-heard", "by-id"}


def test_two_at_once_make_each_table_once(aws_environment: dict[str, str], settings: Settings) -> None:
    suffix = settings.TRASH_SUFFIX = secrets.token_hex(4)
    with ThreadPoolExecutor(2) as pool:
        said = [line for lines in pool.map(lambda _: list(store.provision()), range(2)) for line in lines]

    made = [line for line in said if line.startswith("made")]
    assert sorted(made) == [
        f"made table {name}-{suffix}" for name in ("trash-level-history", "trash-levels", "trash-pipeline")
    ]
