"""What an older release made, provision puts right: seldom done, and so the rights for it are seldom needed."""

from __future__ import annotations

from typing import Any

import boto3

from reports import queue, store


def test_a_dead_letter_queue_that_keeps_its_messages_too_short_is_put_right(suffix: str) -> None:
    sqs: Any = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"trash-level-dead-{suffix}")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})

    assert f"found queue trash-level-dead-{suffix}, set its attributes" in list(queue.provision())

    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])["Attributes"]
    assert found == {"MessageRetentionPeriod": str(14 * 24 * 3600)}


def test_a_table_from_before_the_indexes_gets_them(suffix: str) -> None:
    dynamodb: Any = boto3.client("dynamodb")
    name = f"trash-levels-{suffix}"
    dynamodb.delete_table(TableName=name)
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    said = list(store.provision())

    assert [line for line in said if "index" in line] == [
        f"added index {index} to table {name}" for index in ("by-level", "by-heard", "by-id")
    ]
    indexes = dynamodb.describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"]
    assert {each["IndexName"] for each in indexes} == {"by-level", "by-heard", "by-id"}
