"""What the project relies on in its stand-ins, where their own authors promise less."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from stack.servers import REGION, Server, StackError, start_both, start_dynamodb, start_sqs
from tests.support.kind import KIND
from tests.support.servers import eventually

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    sqs, dynamodb = start_both(tmp_path_factory.mktemp("servers"), kind=KIND)
    yield sqs, dynamodb
    sqs.stop()
    dynamodb.stop()


def sqs_client(server: Server) -> SQSClient:
    return boto3.client(
        "sqs",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )


def dynamodb_client(server: Server) -> DynamoDBClient:
    return boto3.client(
        "dynamodb",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def make_table(dynamodb: DynamoDBClient, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_they_listen_on_127_0_0_1_alone(servers: tuple[Server, Server]) -> None:
    for server in servers:
        # Every address of 127/8 is this machine: a server on all addresses would answer here too.
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", server.port))


def test_messages_and_items_survive_kill_9(tmp_path: Path) -> None:
    sqs, dynamodb = start_both(tmp_path, kind=KIND)
    messages, items = sqs_client(sqs), dynamodb_client(dynamodb)
    queue = messages.create_queue(QueueName="survivors")["QueueUrl"]
    make_table(items, "survivors")
    for number in range(20):
        messages.send_message(QueueUrl=queue, MessageBody=str(number))
        items.put_item(TableName="survivors", Item={"id": {"S": str(number)}})
    sqs.kill()
    dynamodb.kill()

    again = (
        start_sqs(sqs.port, sqs.data, kind=KIND),
        start_dynamodb(dynamodb.port, dynamodb.data, kind=KIND),
    )
    try:
        received = [
            message["Body"]
            for _ in range(2)
            for message in messages.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        ]
        assert sorted(received, key=int) == [str(number) for number in range(20)]
        assert items.scan(TableName="survivors")["Count"] == 20
    finally:
        for server in again:
            server.stop()


def test_the_queue_takes_every_character_that_aws_takes(servers: tuple[Server, Server]) -> None:
    sqs = sqs_client(servers[0])
    queue = sqs.create_queue(QueueName="characters")["QueueUrl"]
    body = '{"can_id": "432", "note": "voll \N{WASTEBASKET} \U0010ffff \ufffd\t"}'
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == body
    with pytest.raises(ClientError, match="InvalidMessageContents"):
        sqs.send_message(QueueUrl=queue, MessageBody="\x01")


def test_a_released_message_comes_again_at_once_with_its_count(servers: tuple[Server, Server]) -> None:
    sqs = sqs_client(servers[0])
    queue = sqs.create_queue(QueueName="released")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="held")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    (message,) = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=["ApproximateReceiveCount"])[
        "Messages"
    ]
    assert message["Body"] == "held"
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_message_whose_time_is_over_counts_as_waiting_before_anybody_asks_for_it(
    servers: tuple[Server, Server],
) -> None:
    sqs = sqs_client(servers[0])
    queue = sqs.create_queue(QueueName="lapsed")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="held")
    sqs.receive_message(QueueUrl=queue, VisibilityTimeout=3)

    def counts() -> list[str]:
        answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        return [answer["ApproximateNumberOfMessages"], answer["ApproximateNumberOfMessagesNotVisible"]]

    assert counts() == ["0", "1"]
    assert eventually(lambda: counts() == ["1", "0"], 10)


def test_queue_urls_name_an_address_that_needs_no_resolver(servers: tuple[Server, Server]) -> None:
    url = sqs_client(servers[0]).create_queue(QueueName="plain")["QueueUrl"]
    assert url == f"{servers[0].url}/000000000000/plain"


def test_a_taken_port_is_named(servers: tuple[Server, Server], tmp_path: Path) -> None:
    with pytest.raises(StackError, match=f"Port {servers[0].port} of 127.0.0.1 is taken"):
        start_dynamodb(servers[0].port, tmp_path / "other")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_they_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, signal; from stack.servers import start_both;"
        "print(*(server.process.pid for server in start_both(pathlib.Path(sys.argv[1]))), flush=True);"
        "signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    children = [int(pid) for pid in parent.stdout.readline().split()]
    parent.stdout.close()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while alive := [pid for pid in children if _runs(pid)]:
        assert time.monotonic() < deadline, f"{alive} still run"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
