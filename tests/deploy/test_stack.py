"""The stack of the template, made in a local CloudFormation, and the project's own processes at work on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.management import call_command
from django.test import override_settings

from reports import queue, store
from stack.servers import LOOPBACK, free_port
from tests.deploy.local_cloudformation import HOST_NAME, PROGRAM, SUFFIX, create_stack, local_cloudformation
from tests.deploy.template import containers, template
from tests.support.postgresql import postgresql
from tests.support.servers import ROOT, answer_to, eventually
from trashsite import aws

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(), reason="no local CloudFormation: make stack/.cloudformation/.done"
)

ADMIN_PASSWORD = "mX2-vq81-Lw9t"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The stack, with this process led to it; what it says at its end."""
    with (
        local_cloudformation(tmp_path_factory.mktemp("cloudformation")) as environ,
        pytest.MonkeyPatch.context() as patch,
        override_settings(TRASH_SUFFIX=SUFFIX),
    ):
        for name, value in environ.items():
            patch.setenv(name, value)
        aws.forget()
        yield create_stack()
    aws.forget()


@pytest.fixture
def emptied(outputs: Mapping[str, str]) -> None:
    """Both queues without what another test has left there."""
    for name in ("QueueUrl", "DeadQueueUrl"):
        boto3.client("sqs").purge_queue(QueueUrl=outputs[name])


# -- no drift, either way ----------------------------------------------------------------------------------------


def test_provision_changes_nothing_of_the_stack_but_what_the_local_one_ignores(outputs: Mapping[str, str]) -> None:
    names = ("trash-level-dead", "trash-level", "trash-alerts-dead", "trash-alerts")
    assert list(queue.provision()) == [f"found queue {name}-{SUFFIX}" for name in names]
    assert list(store.provision()) == [
        f"found table trash-levels-{SUFFIX}",
        f"found table trash-level-history-{SUFFIX}",
        # MiniStack ignores TimeToLiveSpecification; a test of the template looks at it.
        f"set table trash-level-history-{SUFFIX} to forget what has expired",
        f"found table trash-pipeline-{SUFFIX}",
        f"set table trash-pipeline-{SUFFIX} to forget what has expired",
    ]


def test_what_provision_makes_is_what_the_stack_has(outputs: Mapping[str, str]) -> None:
    with override_settings(TRASH_SUFFIX="provisioned"):
        list(queue.provision())
        list(store.provision())

    assert described("provisioned") == described(SUFFIX)


def described(suffix: str) -> dict[str, Any]:
    """All that makes queues and tables what they are, under their names without the suffix."""
    sqs: Any = boto3.client("sqs")
    dynamodb: Any = boto3.client("dynamodb")
    found: dict[str, Any] = {}
    for name in (queue.REPORTS, queue.DEAD):
        url = sqs.get_queue_url(QueueName=f"{name}-{suffix}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        found[name] = {
            key: value.replace(suffix, "")
            for key, value in attributes.items()
            if not key.endswith("Timestamp") and not key.startswith("Approximate")
        }
        # What AWS itself does for each new queue, and MiniStack where it is told to.
        found[name].pop("SqsManagedSseEnabled", None)
    for name in ("trash-levels", "trash-level-history", "trash-pipeline"):
        table = dynamodb.describe_table(TableName=f"{name}-{suffix}")["Table"]
        found[name] = {
            "keys": table["KeySchema"],
            "attributes": sorted(table["AttributeDefinitions"], key=lambda each: each["AttributeName"]),
            "indexes": sorted(
                (index["IndexName"], index["KeySchema"], index["Projection"])
                for index in table.get("GlobalSecondaryIndexes", ())
            ),
            "billing": table["BillingModeSummary"]["BillingMode"],
        }
    return found


def test_rows_expire_in_the_template_where_provision_makes_them_expire() -> None:
    resources = template()["Resources"]
    expiring = {
        name
        for name, each in resources.items()
        if each["Properties"].get("TimeToLiveSpecification") == {"AttributeName": "expires_at", "Enabled": True}
    }
    assert expiring == {"History", "Pipeline"}


def test_the_network_of_a_command_is_what_the_aws_cli_takes(outputs: Mapping[str, str]) -> None:
    lists = r"subnets=\[subnet-\w+,subnet-\w+\],securityGroups=\[sg-\w+\]"
    assert re.fullmatch(rf"awsvpcConfiguration={{{lists},assignPublicIp=ENABLED}}", outputs["CommandNetwork"])


# -- at work on it ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("emptied")
def test_a_message_that_is_received_in_vain_dies_and_is_redriven(outputs: Mapping[str, str]) -> None:
    sqs: Any = boto3.client("sqs")
    sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody='{"can_id":"poison","level":1}')

    def receive() -> list[Any]:
        answer = sqs.receive_message(QueueUrl=outputs["QueueUrl"], VisibilityTimeout=0, WaitTimeSeconds=0)
        return list(answer.get("Messages", ()))

    for _ in range(queue.MAX_RECEIVES):
        assert receive()
    eventually(lambda: not receive() and queue.depth().dead == 1)
    listed = command("dead-letters", "--json")
    assert '"can_id\\":\\"poison\\"' in listed
    command("redrive", "--all")

    eventually(lambda: queue.depth().dead == 0)
    assert json.loads(eventually(receive)[0]["Body"])["can_id"] == "poison"


@pytest.fixture
def tables(outputs: Mapping[str, str], stand_ins: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """
    The template's tables in another local DynamoDB, from here on the one that this process and its children use.

    MiniStack's own (1.5.33) does not find the key in an UPDATE whose WHERE goes on with a bracket: no level gets in.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", stand_ins["AWS_ENDPOINT_URL_DYNAMODB"])
    dynamodb: Any = boto3.client("dynamodb")
    asked = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
    for name in ("Levels", "History", "Pipeline"):
        properties = template()["Resources"][name]["Properties"]
        _, with_suffix, _ = properties["TableName"]["Fn::If"]
        dynamodb.create_table(
            TableName=with_suffix["Fn::Sub"].replace("${Suffix}", SUFFIX),
            **{key: properties[key] for key in asked if key in properties},
        )
    aws.forget()
    yield
    aws.forget()


@pytest.mark.usefixtures("emptied", "tables")
def test_the_tasks_start_in_their_own_environment_and_a_report_arrives(
    outputs: Mapping[str, str], tmp_path: Path
) -> None:
    with postgresql() as database:
        values = {**resolved(database.url), "data": str(tmp_path)}
        by_hand = {**process("command", values), "args": [sys.executable, "manage.py", "provision"]}
        for each in (process("prepare", values), process("check", values), process("command", values), by_hand):
            done = subprocess.run(**each, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        port = free_port()
        with (
            running(process("worker", values), tmp_path / "worker.log") as worker,
            running(process("web", values, "--port", str(port)), tmp_path / "web.log") as web,
        ):
            # As the load balancer asks: by the task's address, and by HTTP.
            eventually(lambda: ask(port, "/health/live", "10.0.1.23:8000")[0] == 200 or web.poll() is not None, 60)
            queue.publish(['{"can_id":"432","level":"70.69"}', "poison"])
            eventually(lambda: store.latest("432") or worker.poll() is not None, 60)
            assert str(store.latest("432").level) == "70.69"  # type: ignore[union-attr]
            eventually(lambda: queue.depth().dead == 1)

            assert ask(port, "/health/ready", HOST_NAME)[0] == 200
            # Whom the load balancer says to have come by HTTPS, and who has not signed in.
            assert ask(port, "/reports/432", HOST_NAME, "https")[0] == 401
            assert ask(port, "/reports/432", "elsewhere.example", "https")[0] == 400

            # By the key that both hold, what is sent back keeps its first time; it is as invalid as before.
            redrive = {**process("web", values), "args": [sys.executable, "manage.py", "redrive", "--all"]}
            done = subprocess.run(**redrive, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            worker_log = tmp_path / "worker.log"
            eventually(lambda: worker_log.read_text().count("set aside message") == 2, 30)
            assert "TRASH_REDRIVE_KEY" not in worker_log.read_text()
            eventually(lambda: queue.depth().dead == 1)
    assert "poison" in command("dead-letters", "--json")


def command(*words: str) -> str:
    """Run one of the project's commands on the stack, to which this process is led, and return what it says."""
    said = StringIO()
    call_command(*words, stdout=said, stderr=StringIO())
    return said.getvalue()


def resolved(database_url: str) -> dict[str, str]:
    """What the stack would put into the environment of its containers, by the parameter or secret that it names."""
    port = database_url.rpartition(":")[2].partition("/")[0]
    return {
        "HostName": HOST_NAME, "Suffix": SUFFIX, "HistoryDays": "400", "Reads": "authenticated",
        "TimeZone": "Europe/Prague", "AlertsTopic": "arn:aws:sns:us-east-1:000000000000:trash-alerts",
        "Concurrency": "4", "NewCans": "1000", "SetAside": "1000",
        "Database.Endpoint.Address": LOOPBACK, "Database.Endpoint.Port": port,
        "${SecretKey}:key::": "0123456789abcdef" * 4, "${SecretKey}:fallbacks::": ",", "AdminPassword": ADMIN_PASSWORD,
        "RedriveKey": "fedcba9876543210" * 4,
        "SmtpSecretArn": "smtps://alerts:secret@mail.example.org", "MailFrom": "alerts@example.org",
        "${DatabaseSecret}:username::": "trash", "${DatabaseSecret}:password::": "trust",
    }  # fmt: skip


def process(name: str, values: Mapping[str, str], *more: str) -> dict[str, Any]:
    """How a container of the template is started here: its command in its environment, and the way to the local AWS."""
    (container,) = (each for each in containers() if each["Name"] == name)
    # What the image brings, and the local stack instead of AWS's containers.
    environ = {key: os.environ[key] for key in ("PATH", "AWS_CALLS", "PYTHONPATH") if key in os.environ}
    environ |= {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    del environ["AWS_DEFAULT_REGION"]
    for each in container["Environment"]:
        environ[each["Name"]] = value_of(each["Value"], values)
    for each in container.get("Secrets", ()):
        environ[each["Name"]] = value_of(each["ValueFrom"], values)
    # Fargate's volume is here a folder; and there is neither a certificate nor a database that RDS has named.
    environ |= {"TMPDIR": values["data"], "PGSSLMODE": "disable", "PGDATABASE": "postgres"}
    if "DATABASE_URL" in environ:
        environ["DATABASE_URL"] = "postgres:///postgres"
    words = [sys.executable if word == "python" else word for word in container["Command"]]
    if words[0] == "celery":
        words = [sys.executable, "-m", *words]
    return {"args": [*words, *more], "cwd": ROOT, "env": environ}


def value_of(value: Any, values: Mapping[str, str]) -> str:
    match value:
        case {"Ref": str(name)} | {"Fn::Sub": str(name)}:
            return values[name]
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return values[f"{name}.{attribute}"]
        # The only one is on what is not given here.
        case {"Fn::If": ["HasSenders", _, without]}:
            return value_of(without, values)
    return str(value)


@contextmanager
def running(started: Mapping[str, Any], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(**started, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int, path: str, host: str, scheme: str = "http") -> tuple[int, str]:
    """Ask as the load balancer does; status and body, or 0 where nobody listens."""
    forwarded = {"Host": host, "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": scheme}
    return answer_to(f"http://{LOOPBACK}:{port}{path}", **forwarded)
