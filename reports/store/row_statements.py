"""
How rows of the levels table are written: each on the condition that it is still the one that was read.

The list of suspect cans is an index of these rows, and so it is written here: a can is on it before its row says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from reports.store.batches import WRITES, Result, Statement, error_code, execute_once
from reports.store.dynamodb import LEVELS, Item
from reports.store.errors import DEFECTS, StoreUnavailable, as_store_errors
from reports.store.suspects import has_to_be_listed, has_to_be_taken_off, list_suspects, take_off_suspects
from trashsite.aws import AwsError, side_by_side
from trashsite.names import full_name

#: The item of a can that was read, None where none stood, and the one that is to stand in its place.
Replacement = tuple[Item | None, Item]
#: What a write's condition names.
_CONDITION = ("version", "order_key")


def write_rows(replacements: Sequence[Replacement]) -> Iterator[tuple[str, Result]]:
    """
    Write one row a can, each if what was read still stands there; yield what became of each, with the can's id.

    25 a request and all at once. Where the store is away, that is why for each. Raises AwsError for a defect.
    """
    unlisted = _list_suspects(replacements)
    yield from unlisted.items()
    statements = [
        (can_id, statement_of(item, new)) for item, new in replacements if (can_id := new["id"]["S"]) not in unlisted
    ]
    batches = [statements[at : at + WRITES] for at in range(0, len(statements), WRITES)]
    executed = {
        can_id: result
        for batch, results in zip(batches, side_by_side(_execute_batch, batches), strict=True)
        for (can_id, _), result in zip(batch, results, strict=True)
    }
    take_off_suspects(
        [
            new
            for item, new in replacements
            if has_to_be_taken_off(item, new) and not error_code(executed[new["id"]["S"]])
        ]
    )
    for can_id, result in executed.items():
        if error_code(result) in DEFECTS:
            raise AwsError("ValidationException", f"{result['Error'].get('Message')} (can {can_id!r})")
        yield can_id, result


def _list_suspects(replacements: Sequence[Replacement]) -> dict[str, Result]:
    """List the cans that are to be; return those for which that is not possible, with the reason."""
    to_list = [new for item, new in replacements if has_to_be_listed(item, new)]
    try:
        list_suspects(to_list)
    except StoreUnavailable as error:
        return {new["id"]["S"]: _unavailable(error) for new in to_list}
    return {}


def _unavailable(error: StoreUnavailable) -> Result:
    return {"Error": {"Code": "Unavailable", "Message": str(error)}}


def _execute_batch(batch: Sequence[tuple[str, Statement]]) -> Sequence[Result]:
    """Return what became of each statement; where the store is away, that is why for each."""
    try:
        with as_store_errors():
            return execute_once([statement for _, statement in batch])
    except StoreUnavailable as error:
        return [_unavailable(error)] * len(batch)


def statement_of(item: Item | None, new: Item) -> Statement:
    """Return the statement that puts an item in the place of the one that was read, if that still stands there."""
    if item is None:
        return {"Statement": _insert(full_name(LEVELS), tuple(new)), "Parameters": list(new.values())}
    # Sorted, since DynamoDB gives the attributes of each item in an order of its own: few texts of statements are made.
    changed = tuple(sorted([name for name, value in new.items() if item.get(name) != value]))
    there = tuple(name for name in _CONDITION if name in item)
    return {
        "Statement": _update(full_name(LEVELS), changed, there),
        "Parameters": [*(new[name] for name in changed), new["id"], *(item[name] for name in there)],
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
