"""
The writes of version 0.1, frozen: what its workers do to the tables while this version's run beside them.

Copied from reports/store at 419a726, without its batches and its patience, and kept apart from today's code.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3

from reports.formats.native import parse
from reports.report import EPOCH, Report
from reports.store.keys import order_key


def put_reports(suffix: str, reports: Sequence[Report]) -> None:
    """Store reports as version 0.1 did: the history, and blindly the newest."""
    dynamodb = boto3.client("dynamodb")
    for report in reports:
        key = order_key(report)
        dynamodb.put_item(TableName=f"trash-level-history-{suffix}", Item=_history_item(report, key))
        while not any(
            _passes(dynamodb, statement(f"trash-levels-{suffix}", report, key)) for statement in (_update, _insert)
        ):
            found = dynamodb.get_item(
                TableName=f"trash-levels-{suffix}", Key={"id": {"S": report.can_id}}, ConsistentRead=True
            )
            if found.get("Item", {}).get("order_key", {}).get("S", "") >= key:
                break


@dataclass
class OldWorker:
    """A thread that works off the queue as version 0.1's worker does: stores what it received, then deletes it."""

    suffix: str
    stopping: threading.Event = field(default_factory=threading.Event)
    messages: int = 0

    def run(self) -> None:
        """Work until told to stop."""
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName=f"trash-level-{self.suffix}")["QueueUrl"]
        while not self.stopping.is_set():
            received = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["SentTimestamp"]
            ).get("Messages", [])
            for message in received:
                sent_at = EPOCH + timedelta(milliseconds=int(message["Attributes"]["SentTimestamp"]))
                reports = [each for each in parse(message["Body"], sent_at) if isinstance(each, Report)]
                put_reports(self.suffix, reports)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                self.messages += 1


def _passes(dynamodb: Any, statement: dict[str, Any]) -> bool:
    (response,) = dynamodb.batch_execute_statement(Statements=[statement])["Responses"]
    code = response.get("Error", {}).get("Code")
    assert code in {None, "ConditionalCheckFailed", "DuplicateItem"}, response
    return code is None


def _update(table: str, report: Report, key: str) -> dict[str, Any]:
    values = _latest_values(report, key)
    assignments = ", ".join(f'"{name}"=?' for name in values)
    return {
        "Statement": f'UPDATE "{table}" SET {assignments} WHERE id=? AND (order_key < ? OR order_key IS MISSING)',  # noqa: S608
        "Parameters": [*values.values(), {"S": report.can_id}, {"S": key}],
    }


def _insert(table: str, report: Report, key: str) -> dict[str, Any]:
    values = {"id": {"S": report.can_id}, **_latest_values(report, key)}
    members = ", ".join(f"'{name}': ?" for name in values)
    return {"Statement": f'INSERT INTO "{table}" VALUE {{{members}}}', "Parameters": list(values.values())}


def _history_item(report: Report, key: str) -> Any:
    assert report.received_at
    item: dict[str, Any] = {
        "id": {"S": report.can_id},
        "order_key": {"S": key},
        "level": {"S": report.level},
        "received_at": {"S": _iso(report.received_at)},
        "expires_at": {"N": str(int((report.received_at + timedelta(days=400)).timestamp()))},
    }
    if report.attributes != "{}":
        item["attributes"] = {"S": report.attributes}
    return item


def _latest_values(report: Report, key: str) -> dict[str, Any]:
    assert report.received_at
    assert report.measured_at
    place = report.location
    shard = hashlib.blake2b(report.can_id.encode(), digest_size=1).digest()[0] % 8
    slot = int(report.measured_at.timestamp()) // 7200
    return {
        "level": {"S": report.level},
        "received_at": {"S": _iso(report.received_at)},
        "order_key": {"S": key},
        "attributes": {"S": report.attributes},
        "stream": {"S": report.stream or ""},
        "location": {"S": f"{place[0]},{place[1]}" if place else ""},
        "index_part": {"S": str(shard)},
        "level_key": {"S": f"{int(Decimal(report.level)):03d}#{report.can_id}"},
        "heard_key": {"S": f"{key[:13]}#{report.can_id}"},
        f"t{slot % 12:x}": {"N": str(slot * 128 + int(Decimal(report.level)))},
    }


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
