"""
A can's emptyings: one row each in the history table, under a key of its own, from when the rule has decided on it.

The row `e#2026-11-24T09:30:00.000000Z` is named by the first report after the emptying. It says how sure it is, and
holds the can's state at the report that decided: from there the state is made again where a report came late, so that
a late report costs no second look at the whole history. What is not decided yet is in the can's own row alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from reports.insight.cycles import RULE_VERSION, Emptied, Stage
from reports.insight.state import CanState, Rules
from reports.store.batches import WRITES, Statement, error_code, execute_once, is_throttled, sent_again
from reports.store.dynamodb import HISTORY, Item, epoch_seconds
from reports.store.errors import DEFECTS, StoreUnavailable, as_store_errors
from reports.store.keys import emptying_key
from reports.store.reading import query_history
from reports.store.row_items import state_of, state_text
from trashsite.aws import AwsError
from trashsite.names import full_name

#: Sort before and after each emptying's key.
_FIRST, _LAST = "e#", "e$"
#: Emptyings that one answer of a Query looks at: the one before a late report is nearly always among the newest.
_LOOKED_AT = 8
TRIES = 4


class Decided(NamedTuple):
    """An emptying that is confirmed or taken back, and the can's state then; None where no state is to be kept."""

    event: Emptied
    state: CanState | None


@dataclass(frozen=True, slots=True)
class Decisions:
    """
    What one write of a can's row decided.

    version: of that row, by which the later of two writers wins. expires_at: as that of the row's newest report.
    """

    decided: Sequence[Decided]
    rules: Rules
    version: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Emptyings:
    """Some emptyings of a can, the newest first, and the position after the last, None at the end."""

    items: Sequence[Emptied]
    next: str | None = None


def emptyings(
    can_id: str, *, since: datetime | None = None, after: str | None = None, size: int, now: datetime
) -> Emptyings:
    """
    Return up to `size` emptyings decided on, whose first report was measured from `since` on, from after a position.

    What has expired at `now` is skipped. Costs one Query as a rule. Raises StoreUnavailable.
    """
    least, most = emptying_key(math.ceil(since.timestamp())) if since else _FIRST, _LAST
    found = list[tuple[str, Emptied]]()
    with as_store_errors():
        # One more than is wanted tells whether there is one. The filter may leave an answer short, even empty.
        answers = query_history(
            can_id, least, most, now=now, newest_first=True, after=after, limit=size + 1, names=_NAMES
        )
        for answer in answers:
            found += [(item["order_key"]["S"], _event(item)) for item in answer["Items"]]
            if len(found) > size:
                return Emptyings([event for _, event in found[:size]], found[size - 1][0])
    return Emptyings([event for _, event in found])


def kept_emptyings(can_id: str, rules: Rules) -> Iterator[Decided]:
    """Yield all emptyings of a can that were decided on, the newest first, each with the state that is kept with it."""
    with as_store_errors():
        for answer in query_history(can_id, _FIRST, _LAST, newest_first=True, consistent=True):
            for item in answer["Items"]:
                yield Decided(_event(item), state_of(item, rules))


@dataclass(frozen=True, slots=True)
class Kept:
    """
    What became of emptyings. failed: of the cans of which not all is kept, why: "" where DynamoDB throttles. confirmed:
    by can, how many confirmed ones are kept that were not there before.
    """

    failed: dict[str, str] = field(default_factory=dict)
    confirmed: Counter[str] = field(default_factory=Counter)


def put_emptyings(cans: Mapping[str, Decisions]) -> Kept:
    """
    Keep what was decided, 25 a request; where a later write of the can's row has said otherwise, that stands.

    Safe to call again: what is there already is no more counted as confirmed.
    """
    waiting = [
        (can_id, _item(can_id, each, decisions))
        for can_id, decisions in cans.items()
        # DynamoDB refuses a request that names an item twice.
        for each in {each.event.at: each for each in decisions.decided}.values()
    ]
    kept = Kept()
    for statement in (_insert, _update):
        there = list[tuple[str, Item]]()
        for at in range(0, len(waiting), WRITES):
            there += _sent(waiting[at : at + WRITES], statement, kept)
        waiting = there
    return kept


def before_late(can_id: str, key: str, rules: Rules) -> tuple[CanState | None, list[Emptied]]:
    """
    Return from which state on to make a can's state again, and the confirmed emptyings after it, the newest first.

    key: the least sort key of the reports that came late. The state is that of the last confirmed emptying that they
    cannot have changed, None where there is none or it was kept by other rules. Raises StoreUnavailable.
    """
    later = list[Emptied]()
    with as_store_errors():
        for answer in query_history(can_id, _FIRST, _LAST, newest_first=True, limit=_LOOKED_AT, consistent=True):
            for item in answer["Items"]:
                event = _event(item)
                if event.stage is not Stage.CONFIRMED:
                    continue
                state = state_of(item, rules)
                if state is not None and emptying_key(state.at + 1)[2:] <= key:
                    return state, later
                later.append(event)
    return None, later


def reconciled(decided: Sequence[tuple[Emptied, CanState]], stood: Sequence[Emptied], known_at: int) -> list[Decided]:
    """
    Return what to keep once a state was made again: all that it decided, and what stood and is no more, as taken back.

    stood: the confirmed emptyings that were kept for the same time. known_at: the can's newest report.
    """
    still = {event.at for event, _ in decided}
    gone = [replace(event, stage=Stage.TAKEN_BACK, known_at=known_at) for event in stood if event.at not in still]
    return [*(Decided(*each) for each in decided), *(Decided(event, None) for event in gone)]


_NAMES = ("order_key", "stage", "before", "after", "known_at", "operator")


def _item(can_id: str, decided: Decided, decisions: Decisions) -> Item:
    event, state = decided
    item: Item = {
        "id": {"S": can_id},
        "order_key": {"S": emptying_key(event.at)},
        "stage": {"S": event.stage},
        "before": {"N": f"{event.before:g}"},
        "after": {"N": f"{event.after:g}"},
        "known_at": {"N": str(event.known_at)},
        "operator": {"BOOL": event.by_operator},
        "rule": {"N": str(RULE_VERSION)},
        "version": {"N": str(decisions.version)},
        "expires_at": epoch_seconds(decisions.expires_at),
        "state": {"B": state_text(None, decisions.rules)},
    }
    if state is not None and event.stage is Stage.CONFIRMED:
        item["state"] = {"B": state_text(state, decisions.rules)}
    return item


_Entry = tuple[str, Item]


def _sent(entries: Sequence[_Entry], statement: Callable[[Item], Statement], kept: Kept) -> list[_Entry]:
    """Run one statement for each of up to 25 emptyings; return those that are there already, and note the others."""
    there = list[_Entry]()

    def send(entries: Sequence[_Entry]) -> Sequence[_Entry]:
        throttled = list[_Entry]()
        for entry, result in zip(entries, execute_once([statement(item) for _, item in entries]), strict=True):
            code = error_code(result)
            if code == "DuplicateItem":
                there.append(entry)
            elif is_throttled(result):
                throttled.append(entry)
            elif code in DEFECTS:
                raise AwsError("ValidationException", f"{result['Error'].get('Message')} (can {entry[0]!r})")
            elif code not in ("", "ConditionalCheckFailed"):
                kept.failed[entry[0]] = f"{code} {result['Error'].get('Message')}"
            elif not code and statement is _insert and entry[1]["stage"]["S"] == Stage.CONFIRMED:
                kept.confirmed[entry[0]] += 1
        return throttled

    try:
        with as_store_errors():
            left = sent_again(entries, send, tries=TRIES)
    except StoreUnavailable as error:
        kept.failed.update(dict.fromkeys((can_id for can_id, _ in entries), str(error) or "the store is away"))
        return []
    for can_id, _ in left:
        kept.failed.setdefault(can_id, "")
    return there


def _event(item: Item) -> Emptied:
    at = int(datetime.fromisoformat(item["order_key"]["S"][2:]).timestamp())
    before, after, known_at = (item[name]["N"] for name in ("before", "after", "known_at"))
    by_operator = item.get("operator", {}).get("BOOL", False)
    return Emptied(at, float(before), float(after), Stage(item["stage"]["S"]), int(known_at), by_operator)


def _insert(item: Item) -> Statement:
    members = ", ".join(f"'{name}': ?" for name in item)
    return {"Statement": f'INSERT INTO "{full_name(HISTORY)}" VALUE {{{members}}}', "Parameters": list(item.values())}


def _update(item: Item) -> Statement:
    """Return the statement that writes over an emptying, unless a later write of the can's row decided on it."""
    values = {name: value for name, value in item.items() if name not in ("id", "order_key")}
    assignments = ", ".join(f'"{name}"=?' for name in values)
    where = "id=? AND order_key=? AND version <= ?"
    return {
        "Statement": f'UPDATE "{full_name(HISTORY)}" SET {assignments} WHERE {where}',  # noqa: S608
        "Parameters": [*values.values(), item["id"], item["order_key"], item["version"]],
    }
