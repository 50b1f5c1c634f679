"""Faults of requests that carry many items: AWS takes some of them, and says of the others why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.support.fault_proxy import Call, Fault, Reply

#: Whether the item at this place of a request is to be refused.
Which = Callable[[int], bool]


def every(number: int) -> Which:
    """Refuse every `number`th item, the first one too."""
    return lambda at: at % number == 0


def all_of_them(at: int) -> bool:
    """Refuse every item."""
    return True


def unprocessed(which: Which) -> Fault:
    """Return a fault of BatchWriteItem: DynamoDB, throttled, hands these items back unprocessed."""

    def fault(call: Call) -> Reply:
        request = call.request
        taken: dict[str, list[Any]] = {}
        left: dict[str, list[Any]] = {}
        for table, items in request["RequestItems"].items():
            for at, item in enumerate(items):
                (left if which(at) else taken).setdefault(table, []).append(item)
        if not taken:
            return Reply(200, json.dumps({"UnprocessedItems": left}).encode())
        reply = call.forward({**request, "RequestItems": taken})
        return _with(reply, UnprocessedItems=left)

    return fault


def can_of(statement: dict[str, Any]) -> str:
    """Return the can that a statement is about: an INSERT names it first, an UPDATE behind what it sets."""
    before, where, _ = statement["Statement"].partition(" WHERE ")
    return str(statement["Parameters"][before.count("?") if where else 0]["S"])


def hot(can_id: str) -> Fault:
    """Return a fault of both writes: DynamoDB throttles all that is of one can, and takes the rest."""

    def fault(call: Call) -> Reply:
        if "Statements" in call.request:
            ids = [can_of(each) for each in call.request["Statements"]]
            return statement_errors(lambda at: ids[at] == can_id)(call)
        (puts,) = call.request["RequestItems"].values()
        return unprocessed(lambda at: puts[at]["PutRequest"]["Item"]["id"]["S"] == can_id)(call)

    return fault


def unread(which: Which) -> Fault:
    """Return a fault of BatchGetItem: DynamoDB, throttled, hands these keys back unread."""

    def fault(call: Call) -> Reply:
        request = call.request
        ((table, wanted),) = request["RequestItems"].items()
        left = [key for at, key in enumerate(wanted["Keys"]) if which(at)]
        taken = [key for at, key in enumerate(wanted["Keys"]) if not which(at)]
        unread_keys = {table: {**wanted, "Keys": left}} if left else {}
        if not taken:
            return Reply(200, json.dumps({"Responses": {}, "UnprocessedKeys": unread_keys}).encode())
        reply = call.forward({**request, "RequestItems": {table: {**wanted, "Keys": taken}}})
        return _with(reply, UnprocessedKeys=unread_keys)

    return fault


def statement_errors(which: Which, code: str = "ThrottlingError") -> Fault:
    """Return a fault of BatchExecuteStatement: status 200, and an error for each of these statements."""

    def fault(call: Call) -> Reply:
        statements = call.request["Statements"]
        taken = [each for at, each in enumerate(statements) if not which(at)]
        answered: list[Any] = []
        reply = Reply(200, b"{}")
        if taken:
            reply = call.forward({**call.request, "Statements": taken})
            if reply.status != 200:
                return reply
            answered = reply.json["Responses"]
        waiting = iter(answered)
        refusal = {"Error": {"Code": code, "Message": "by the fault proxy"}}
        responses = [refusal if which(at) else next(waiting) for at in range(len(statements))]
        return _with(reply, Responses=responses)

    return fault


def failed_entries(which: Which, code: str = "InternalError", *, sender_fault: bool = False) -> Fault:
    """Return a fault of SQS's batch requests: status 200, and these entries in its list `Failed`."""

    def fault(call: Call) -> Reply:
        entries = call.request["Entries"]
        taken = [each for at, each in enumerate(entries) if not which(at)]
        refused = [
            {"Id": each["Id"], "Code": code, "Message": "by the fault proxy", "SenderFault": sender_fault}
            for at, each in enumerate(entries)
            if which(at)
        ]
        reply = Reply(200, b"{}")
        if taken:
            reply = call.forward({**call.request, "Entries": taken})
            if reply.status != 200:
                return reply
        return _with(reply, Failed=[*reply.json.get("Failed", ()), *refused])

    return fault


def _with(reply: Reply, **members: Any) -> Reply:
    answer: Mapping[str, Any] = {**reply.json, **members}
    return replace(reply, body=json.dumps(answer).encode())
