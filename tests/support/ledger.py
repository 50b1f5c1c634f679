"""
What was sent, and what must have become of it: the judge over the store, with which it shares no code.

    ledger = Ledger()
    ledger.sent('{"can_id":"432","level":"70.69","measured_at":"2026-11-24T09:30:00Z"}')
    ...                                      # the pipeline works, and breaks, and recovers
    assert not ledger.judge(stored(suffix))  # after the queue has run empty

A report is known by what it says, not by the message that brought it: can, instant, digits and attributes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import boto3

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Said(NamedTuple):
    """What a report says. micros: of its measurement, since 1970. rest: its further attributes, in one order."""

    can: str
    micros: int
    level: str
    rest: str = "{}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What the tables and the dead-letter queue hold. dead: the texts that were set aside."""

    latest: dict[str, tuple[int, str]]
    history: Sequence[Said]
    dead: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong; false where nothing is."""

    lost: Sequence[Said | str]
    twice: Sequence[Said | str]
    outdated: Sequence[str]
    phantom: Sequence[Said | str]

    def __bool__(self) -> bool:
        return bool(self.lost or self.twice or self.outdated or self.phantom)


@dataclass(slots=True)
class Ledger:
    """Keeps each report that was sent, however often, and each text that can never be a report."""

    reports: Counter[Said] = field(default_factory=Counter)
    poison: Counter[str] = field(default_factory=Counter)

    def sent(self, body: str) -> None:
        """Note a message of good reports, each with its measured_at: one, or an array."""
        said = _read(body)
        for report in said if isinstance(said, list) else [said]:
            self.reports[_said(report)] += 1

    def sent_poison(self, *texts: str) -> None:
        """Note texts that must be set aside, each exactly as it is."""
        self.poison.update(texts)

    def newest(self) -> dict[str, set[tuple[int, str]]]:
        """Return what each can may show: its last measurement, or any of those of the last instant."""
        newest: dict[str, set[tuple[int, str]]] = {}
        for said in self.reports:
            standing = newest.setdefault(said.can, {(said.micros, said.level)})
            instant = next(iter(standing))[0]
            if said.micros > instant:
                newest[said.can] = {(said.micros, said.level)}
            elif said.micros == instant:
                standing.add((said.micros, said.level))
        return newest

    def judge(self, found: Stored, *, history: bool = True) -> Verdict:
        """
        Compare what was sent with what is stored.

        history: whether it is kept; else only what each can shows is judged. A text set aside more often than
        it was sent counts as twice: tell copies of one letter apart before.
        """
        rows, dead = Counter(found.history), Counter(found.dead)
        newest = self.newest()
        lost: list[Said | str] = [said for said in self.reports if history and said not in rows]
        lost += [can for can in newest if can not in found.latest]
        lost += list((self.poison - dead).elements())
        return Verdict(
            lost=lost,
            twice=[said for said, times in rows.items() if times > 1]
            + [text for text, times in dead.items() if text in self.poison and times > self.poison[text]],
            outdated=[can for can in newest if can in found.latest and found.latest[can] not in newest[can]],
            phantom=[said for said in rows if said not in self.reports]
            + [can for can in found.latest if can not in newest]
            + [text for text in dead if text not in self.poison],
        )


def stored(suffix: str, *, cans: str = "", dead: Iterable[str] = ()) -> Stored:
    """
    Read both tables of a pipeline, every row, with the AWS SDK alone; `dead` is passed on.

    cans: how the ids of the cans begin that are wanted.
    """
    latest: dict[str, tuple[int, str]] = {}
    for item in _scan(f"trash-levels-{suffix}", cans):
        latest[item["id"]["S"]] = (_micros(item["order_key"]["S"].split("#")[0]), item["level"]["S"])
    history = [
        Said(
            item["id"]["S"],
            _micros(item["order_key"]["S"].split("#")[0]),
            item["level"]["S"],
            _in_one_order(_read(item.get("attributes", {}).get("S", "{}"))),
        )
        for item in _scan(f"trash-level-history-{suffix}", cans)
        if item["order_key"]["S"][0].isdigit()
    ]
    return Stored(latest, history, tuple(dead))


def _scan(table: str, cans: str) -> Iterator[dict[str, Any]]:
    wanted: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    if cans:
        wanted |= {
            "FilterExpression": "begins_with(id, :cans)",
            "ExpressionAttributeValues": {":cans": {"S": cans}},
        }
    for page in boto3.client("dynamodb").get_paginator("scan").paginate(**wanted):
        yield from page["Items"]


def _said(report: dict[str, Any]) -> Said:
    rest = {name: value for name, value in report.items() if name not in ("can_id", "level", "measured_at")}
    can, level = (_digits(report[name]) for name in ("can_id", "level"))
    return Said(can.strip(), _micros(report["measured_at"]), level, _in_one_order(rest))


def _read(text: str) -> Any:
    """Read JSON; a number keeps all its digits, and stays apart from a text of the same: to the store they differ."""
    return json.loads(text, parse_int=_number, parse_float=_number)


def _number(digits: str) -> dict[str, str]:
    return {"number": digits}


def _digits(value: Any) -> str:
    return str(value["number"] if isinstance(value, dict) else value)


def _micros(instant: str) -> int:
    return (datetime.fromisoformat(instant) - EPOCH) // timedelta(microseconds=1)


def _in_one_order(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes, sort_keys=True)
