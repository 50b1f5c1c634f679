"""Least privilege: what each role of the template may do is what was recorded as needed, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import botocore.session
import pytest

from tests.deploy.template import granted
from tests.support import aws_calls
from tests.support.aws_calls import needs
from tests.support.servers import ROOT

SOURCES = sorted(
    path for app in ("trashsite", "reports", "accounts", "simulator") for path in (ROOT / app).rglob("*.py")
)


def test_each_role_is_granted_what_it_needs_and_nothing_else() -> None:
    assert sorted(granted()) == sorted(aws_calls.read().rights)


def test_no_right_is_granted_twice_or_by_a_pattern() -> None:
    found = list(granted())

    assert len(found) == len(set(found))
    assert [right for right in found if "*" in right.action + right.resource] == []


def test_every_operation_that_stands_in_the_code_was_recorded() -> None:
    operations = {
        f"{service}:{name}"
        for service in ("sqs", "dynamodb")
        for name in botocore.session.get_session().get_service_model(service).operation_names
    }
    literals = {word for path in SOURCES for word in re.findall(r'"([A-Z][A-Za-z]+)"', path.read_text())}
    written = {operation for operation in operations if operation.partition(":")[2] in literals}

    assert len(written) > 20
    assert written - aws_calls.read().operations == set()


@pytest.mark.parametrize(
    ("service", "operation", "request_", "needed"),
    [
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": "http://h/1/trash-level"},
            [("sqs:SendMessage", "queue/trash-level"), ("sqs:GetQueueUrl", "queue/trash-level")],
        ),
        ("sqs", "GetQueueUrl", {"QueueName": "trash-level"}, [("sqs:GetQueueUrl", "queue/trash-level")]),
        ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, [("dynamodb:Query", "table/t/index/i")]),
        ("dynamodb", "BatchGetItem", {"RequestItems": {"t": {}}}, [("dynamodb:BatchGetItem", "table/t")]),
        (
            "dynamodb",
            "BatchExecuteStatement",
            {"Statements": [{"Statement": 'UPDATE "t" SET a=1'}, {"Statement": 'INSERT INTO "u" VALUE {}'}]},
            [("dynamodb:PartiQLUpdate", "table/t"), ("dynamodb:PartiQLInsert", "table/u")],
        ),
    ],
)
def test_a_request_needs_the_rights_that_aws_documents(
    service: str, operation: str, request_: dict, needed: list[tuple[str, str]]
) -> None:
    assert list(needs(service, operation, request_)) == needed


def test_the_page_of_rights_tells_what_is_written_down() -> None:
    page = (ROOT / "docs/operations/rights.md").read_text()

    assert table() in page, "put this table into docs/operations/rights.md:\n" + table()


def table() -> str:
    """The rights as a table of the page: a line for each role and resource."""
    lines = ["| role | resource | actions |", "|---|---|---|"]
    for role, resources in json.loads(Path(aws_calls.FILE).read_text())["rights"].items():
        for resource, actions in resources.items():
            service = {"queue": "sqs", "topic": "sns", "table": "dynamodb"}[resource.partition("/")[0]]
            short = ", ".join(action.partition(":")[2] for action in actions)
            lines.append(f"| {role} | {service} `{resource}` | {short} |")
    return "\n".join(lines)
