"""
The levels table's rows: read, folded, and written on the condition that they are still the ones that were read.

`version` counts the writes of a row. Version 0.1 of this program, and the lab's own service, write rows without it,
or leave it as it is: so the condition holds `order_key` as well, which each of their writes changes or removes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from django.conf import settings

from reports import formats
from reports.insight.fold import Row, fold_again, fold_all, trend_begins
from reports.report import Report
from reports.store.batches import Statement, error_code, execute_once, get_items, is_throttled, pause
from reports.store.errors import DEFECTS, StoreUnavailable
from reports.store.items import LEVELS, Item, Keyed, instant_key, report_of, row_of, row_values
from reports.store.reading import query_history
from trashsite.aws import AwsError
from trashsite.names import full_name

#: Of writes on which other workers' come in between.
ROUNDS = 8
#: What a write's condition names.
_CONDITION = ("version", "order_key")
_CHANGED = {"ConditionalCheckFailed", "DuplicateItem"}


def read_rows(
    can_ids: Sequence[str], items: dict[str, Item | None], *, tries: int, consistent: bool = False
) -> Sequence[str]:
    """Put the items of up to a hundred cans into `items`, None where there is none; return the throttled cans."""
    keys = [{"id": {"S": can_id}} for can_id in can_ids]
    found, unread = get_items(full_name(LEVELS), keys, tries=tries, consistent=consistent)
    throttled = [key["id"]["S"] for key in unread]
    items.update(dict.fromkeys(can_id for can_id in can_ids if can_id not in set(throttled)))
    items.update((item["id"]["S"], item) for item in found)
    return throttled


def put_rows(
    cans: Mapping[str, Sequence[Keyed]],
    items: dict[str, Item | None],
    judged: list[tuple[str, Sequence[Keyed]]],
    *,
    tries: int,
) -> None:
    """
    Fold each can's reports into its row. In the steady state this is one request.

    cans: up to 25, each with its reports in the order of measurement; they are in the history already. items: their
    rows as they were read, replaced where they turn out to have changed. judged: gets a pair for each can that is
    done, as soon as it is: the sort key that its row held before, "" where there was none, and the reports. So our own
    write whose answer was lost is found to stand there. Cans not in it are throttled.
    Raises what AWS said, and StoreUnavailable.
    """
    waiting = dict(cans)
    for attempt in range(1, ROUNDS + 1):
        statements: dict[str, Statement] = {}
        for can_id, mine in cans.items():
            if can_id not in waiting:
                continue
            item = items[can_id]
            row = row_of(item) if item else None
            whole = row if row is None or row.is_whole else _made_whole(row)
            folded = fold_all(whole, mine)
            if folded and folded != row:
                statements[can_id] = _statement(can_id, item, row_values(folded))
            else:
                judged.append((row.key if row else "", waiting.pop(can_id)))
        throttled, changed = set[str](), list[str]()
        results = execute_once(list(statements.values())) if statements else []
        for can_id, result in zip(statements, results, strict=True):
            error = result.get("Error") or {}
            code = error_code(result)
            if not code:
                judged.append((_order_key(items[can_id]), waiting.pop(can_id)))
            elif code in _CHANGED:
                items[can_id] = error.get("Item")
                if items[can_id] is None:
                    changed.append(can_id)
            elif is_throttled(result):
                throttled.add(can_id)
            elif code in DEFECTS:
                raise AwsError("ValidationException", f"{error.get('Message')} (can {can_id!r})")
            else:
                raise StoreUnavailable(f"{code} {error.get('Message')}")
        if changed:
            # AWS sends the row along that stood in the way; other servers do not.
            throttled.update(read_rows(changed, items, tries=tries, consistent=True))
        if not waiting or (attempt >= tries and throttled == waiting.keys()):
            return
        if throttled:
            pause(attempt)
    raise StoreUnavailable(f"{len(waiting)} rows are still changed by others after {ROUNDS} rounds")


def _order_key(item: Item | None) -> str:
    key: str = (item or {}).get("order_key", {}).get("S", "")
    return key


def _made_whole(row: Row) -> Row:
    """Return a row that version 0.1 wrote, folded again from the history of its day."""
    if not settings.TRASH_HISTORY_DAYS:
        return fold_again(row, None)
    least, most = instant_key(trend_begins(row)), row.key
    answers = query_history(row.report.can_id, least, most, consistent=True)
    return fold_again(row, [keyed for answer in answers for item in answer["Items"] for keyed in _sent(item)])


def _sent(item: Item) -> list[Keyed]:
    """Return the report of a row of the history as it was sent: with its stream and location."""
    report = report_of(item)
    if report is None or report.received_at is None:
        return []
    reports = formats.parse(formats.dump(report), report.received_at)
    return [Keyed(each, item["order_key"]["S"]) for each in reports if isinstance(each, Report)]


def _statement(can_id: str, item: Item | None, values: Item) -> Statement:
    """Return the statement that gives a row these values, unless it is no more the one that was read."""
    if item is None:
        first = {"id": {"S": can_id}, **values, "version": {"N": "1"}}
        return {"Statement": _insert(full_name(LEVELS), tuple(first)), "Parameters": list(first.values())}
    new = {name: value for name, value in values.items() if item.get(name) != value}
    new["version"] = {"N": str(int(item.get("version", {}).get("N", "0")) + 1)}
    there = tuple(name for name in _CONDITION if name in item)
    return {
        "Statement": _update(full_name(LEVELS), tuple(new), there),
        "Parameters": [*new.values(), {"S": can_id}, *(item[name] for name in there)],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


@cache
def _insert(name: str, attributes: tuple[str, ...]) -> str:
    members = ", ".join(f"'{attribute}': ?" for attribute in attributes)
    return f'INSERT INTO "{name}" VALUE {{{members}}}'


@cache
def _update(name: str, attributes: tuple[str, ...], there: tuple[str, ...]) -> str:
    assignments = ", ".join(f'"{attribute}"=?' for attribute in attributes)
    is_as_read = [f"{each}=?" for each in there] + [f"{each} IS MISSING" for each in _CONDITION if each not in there]
    return f'UPDATE "{name}" SET {assignments} WHERE id=? AND {" AND ".join(is_as_read)}'  # noqa: S608
