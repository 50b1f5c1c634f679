"""
Alerts in the pipeline table: what was to be told, what became of it by each rule, and who has acknowledged it.

An alert is a row `alert` under the instant of its change and its id, so the same alert is the same row however often it
is delivered. Beside them stand, by rule, what was told of which can and status last (`told`), and how many alerts were
sent in an hour of the clock (`told-hour`); and until when the fleet was looked through for what time alone changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from reports.insight.change import Change, from_text
from reports.insight.status import Status
from reports.report import iso
from reports.store.conditions import passes
from reports.store.dynamodb import PIPELINE, READ_WITHIN_S, Item, dynamodb, epoch_seconds
from reports.store.errors import as_store_errors
from reports.store.keys import instant_key
from reports.store.pipeline_table import row_key
from reports.store.queries import answers
from trashsite.names import full_name

#: How long an alert is kept.
KEPT = timedelta(days=30)
#: Rows that one request reads: a filter may leave none of them.
READ = 200
#: Requests that one page of a list makes at most.
REQUESTS = 5


@dataclass(frozen=True, slots=True)
class Result:
    """
    What became of an alert by one rule.

    state: "delivered", "skipped" (not to be told, with the reason), "waiting" (to be tried again), "failed" (tried for
    hours, or it never can be: set aside). tries: how often it was sent. at: when this was noted.
    """

    rule: str
    channel: str
    state: str
    at: datetime
    reason: str = ""
    tries: int = 0

    @property
    def is_settled(self) -> bool:
        return self.state != "waiting"

    def told(self) -> dict[str, str | int | None]:
        """Return what is told of it outside."""
        return {
            "rule": self.rule,
            "channel": self.channel,
            "state": self.state,
            "at": iso(self.at),
            "reason": self.reason or None,
            "tries": self.tries,
        }


@dataclass(frozen=True, slots=True)
class Alert:
    """
    One alert. key: its place in the table, by time. results: by the rule's id. acknowledged_by: a user, "" for nobody.
    """

    key: str
    change: Change
    results: Mapping[str, Result] = field(default_factory=dict)
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None

    def told(self) -> dict[str, Any]:
        """Return what is told of it outside: the members of the list of alerts."""
        return {
            **self.change.told(),
            "key": self.key,
            "acknowledged_at": iso(self.acknowledged_at) if self.acknowledged_at else None,
            "acknowledged_by": self.acknowledged_by or None,
            "results": [result.told() for _, result in sorted(self.results.items())],
        }


@dataclass(frozen=True, slots=True)
class Swept:
    """
    How far the fleet was looked through for what time alone changes; instants in seconds since 1970.

    until: up to when all of it was, None where it never was. began, position: when the look began that has not come to
    the end yet, and after which can it goes on; both None where there is none.
    """

    until: float | None = None
    began: float | None = None
    position: str | None = None


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Some alerts, the newest first, and the position from which the list goes on, None at its end."""

    items: Sequence[Alert]
    next: str | None = None


def alert_key(change: Change) -> str:
    """Return the sort key of a change's alert."""
    return f"{instant_key(change.since)}#{change.id}"


def open_alert(change: Change, now: datetime) -> Alert:
    """Return the alert of a change, which is kept from now on if it was not before. Raises StoreUnavailable."""
    key = alert_key(change)
    request = {
        "TableName": full_name(PIPELINE),
        "Item": {
            **row_key("alert", key),
            "can": {"S": change.can_id},
            "status": {"S": change.status},
            "change": {"S": change.text()},
            "expires_at": epoch_seconds(max(now, change.since) + KEPT),
        },
        "ConditionExpression": "attribute_not_exists(id)",
    }
    with as_store_errors():
        if passes("PutItem", request):
            return Alert(key, change)
        read = {"TableName": full_name(PIPELINE), "Key": row_key("alert", key), "ConsistentRead": True}
        item = dynamodb().patiently("GetItem", read).get("Item")
    # Swept in between: it is a month old.
    return _alert(item) if item else Alert(key, change)


def note_result(key: str, rule_id: str, result: Result) -> None:
    """Keep what became of an alert by a rule. Raises StoreUnavailable."""
    said = [result.rule, result.channel, result.state, iso(result.at), result.reason, result.tries]
    request = {
        "TableName": full_name(PIPELINE),
        "Key": row_key("alert", key),
        "UpdateExpression": "SET #result = :result",
        "ConditionExpression": "attribute_exists(id)",
        "ExpressionAttributeNames": {"#result": f"r{rule_id}"},
        "ExpressionAttributeValues": {":result": {"S": json.dumps(said, ensure_ascii=False)}},
    }
    with as_store_errors():
        passes("UpdateItem", request)


def acknowledge(key: str, by: str, now: datetime) -> bool:
    """Note who has acknowledged an alert, unless somebody had; False where there is no such alert. StoreUnavailable."""
    request = {
        "TableName": full_name(PIPELINE),
        "Key": row_key("alert", key),
        "UpdateExpression": "SET acknowledged_by = if_not_exists(acknowledged_by, :by), "
        "acknowledged_at = if_not_exists(acknowledged_at, :at)",
        "ConditionExpression": "attribute_exists(id)",
        "ExpressionAttributeValues": {":by": {"S": by}, ":at": {"S": iso(now)}},
    }
    with as_store_errors():
        return passes("UpdateItem", request)


def alerts(
    now: datetime, *, status: Status | None = None, can_id: str = "", is_open: bool = False,
    after: str | None = None, size: int,
) -> AlertPage:  # fmt: skip
    """
    Return up to `size` alerts, the newest first, from after a position.

    is_open: only those that nobody has acknowledged. A page may be short, even empty, and yet not the last: a request
    reads 200, and a page makes five. Raises StoreUnavailable.
    """
    conditions, values = ["expires_at > :now"], {":now": epoch_seconds(now)}
    names: dict[str, str] = {}
    if status:
        conditions.append("#status = :status")
        names["#status"], values[":status"] = "status", {"S": status}
    if can_id:
        conditions.append("can = :can")
        values[":can"] = {"S": can_id}
    if is_open:
        conditions.append("attribute_not_exists(acknowledged_by)")
    request: dict[str, Any] = {
        "TableName": full_name(PIPELINE),
        "KeyConditionExpression": "kind = :kind",
        "FilterExpression": " AND ".join(conditions),
        "ExpressionAttributeValues": {":kind": {"S": "alert"}, **values},
        "ScanIndexForward": False,
        "Limit": READ,
    }
    if names:
        request["ExpressionAttributeNames"] = names
    if after:
        request["ExclusiveStartKey"] = row_key("alert", after)
    found, last = list[Alert](), None
    with as_store_errors():
        for answer in islice(answers(request, within_s=READ_WITHIN_S), REQUESTS):
            found += map(_alert, answer["Items"])
            if len(found) > size:
                return AlertPage(found[:size], found[size - 1].key)
            last = answer.get("LastEvaluatedKey")
    return AlertPage(found, last["id"]["S"] if last else None)


def claim_telling(rule_id: str, change: Change, pause_s: int, now: datetime) -> datetime | None:
    """
    Note that a rule tells of a can and a status now; None, or when it told of them less than `pause_s` ago.

    The same alert, when it comes again, may be told. Raises StoreUnavailable.
    """
    key = row_key("told", f"{rule_id}#{change.status}#{change.can_id}")
    request = {
        "TableName": full_name(PIPELINE),
        "Item": {
            **key,
            "at": {"N": repr(now.timestamp())},
            "alert": {"S": change.id},
            "expires_at": epoch_seconds(now + timedelta(days=1, seconds=pause_s)),
        },
        "ConditionExpression": "attribute_not_exists(#at) OR #at <= :earliest OR alert = :alert",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {
            ":earliest": {"N": repr(now.timestamp() - pause_s)},
            ":alert": {"S": change.id},
        },
    }
    with as_store_errors():
        if passes("PutItem", request):
            return None
        read = {"TableName": full_name(PIPELINE), "Key": key, "ConsistentRead": True}
        item = dynamodb().patiently("GetItem", read).get("Item", {})
    return datetime.fromtimestamp(float(item.get("at", {}).get("N", now.timestamp())), UTC)


def count_in_hour(rule_id: str, now: datetime) -> int:
    """Count one more alert that a rule sends in this hour of the clock, and return how many it is. StoreUnavailable."""
    request = {
        "TableName": full_name(PIPELINE),
        "Key": row_key("told-hour", f"{rule_id}#{instant_key(now)[:13]}"),
        "UpdateExpression": "ADD #count :one SET expires_at = :expires_at",
        "ExpressionAttributeNames": {"#count": "count"},
        "ExpressionAttributeValues": {
            ":one": {"N": "1"},
            ":expires_at": epoch_seconds(now + timedelta(days=1)),
        },
        "ReturnValues": "UPDATED_NEW",
    }
    with as_store_errors():
        return int(dynamodb().patiently("UpdateItem", request)["Attributes"]["count"]["N"])


def swept() -> Swept:
    """Return how far the fleet was looked through for changes by time alone. Raises StoreUnavailable."""
    request = {"TableName": full_name(PIPELINE), "Key": row_key("swept", "fleet"), "ConsistentRead": True}
    with as_store_errors():
        item = dynamodb().patiently("GetItem", request).get("Item", {})
    until, began = (float(item[name]["N"]) if name in item else None for name in ("until", "began"))
    return Swept(until, began, item["position"]["S"] if "position" in item else None)


def note_swept(swept: Swept) -> None:
    """Note how far it was. Raises StoreUnavailable."""
    item = row_key("swept", "fleet")
    item |= {name: {"N": repr(at)} for name, at in (("until", swept.until), ("began", swept.began)) if at is not None}
    if swept.position is not None:
        item["position"] = {"S": swept.position}
    with as_store_errors():
        dynamodb().patiently("PutItem", {"TableName": full_name(PIPELINE), "Item": item})


def _alert(item: Item) -> Alert:
    acknowledged_at = item.get("acknowledged_at", {}).get("S")
    return Alert(
        item["id"]["S"],
        from_text(item["change"]["S"]),
        dict(_results(item)),
        item.get("acknowledged_by", {}).get("S", ""),
        datetime.fromisoformat(acknowledged_at) if acknowledged_at else None,
    )


def _results(item: Item) -> Iterator[tuple[str, Result]]:
    for name, value in item.items():
        if name.startswith("r") and name[1:].isdigit():
            rule, channel, state, at, reason, tries = json.loads(value["S"])
            yield name[1:], Result(rule, channel, state, datetime.fromisoformat(at), reason, tries)
