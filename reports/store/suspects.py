"""
The list of the cans whose level is not to be trusted (reports.store.can_lists), an index of the cans' own rows.

It holds each can whose row says that this is so, or will be while no report comes. Written to it is a can when it
becomes so, and again with its first report of each day, so that a list that was lost is whole again a day later.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from reports.insight.status import may_be_suspect
from reports.store.can_lists import BETWEEN, CanList
from reports.store.conditions import passes
from reports.store.dynamodb import PIPELINE, READ_WITHIN_S, Item
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.pipeline_table import row_key
from trashsite.aws import side_by_side
from trashsite.names import full_name


def has_to_be_listed(old: Item | None, new: Item) -> bool:
    """Say whether a can has to be listed before an item is written in the place of another one, or of none."""
    return _is_suspect(new) and not (_is_suspect(old) and _day(old) == _day(new))


def has_to_be_taken_off(old: Item | None, new: Item) -> bool:
    """Say whether a can has to be taken off the list after such a write."""
    return _is_suspect(old) and not _is_suspect(new)


def list_suspects(items: Sequence[Item]) -> None:
    """List cans whose items are about to be written. Safe to call again. Raises StoreUnavailable."""
    with as_store_errors():
        side_by_side(_put, items)


def take_off_suspects(items: Sequence[Item]) -> None:
    """
    Take cans off the list whose items were written; one that was listed since for a later item stays.

    Never raises StoreUnavailable: what stays listed costs whoever reads the list one row.
    """
    with suppress(StoreUnavailable), as_store_errors():
        side_by_side(_delete, items)


def _put(item: Item) -> None:
    request = {"Item": {**_key(item), "version": item["version"]}}
    _write("PutItem", "attribute_not_exists(version) OR version < :version", item, request)


def _delete(item: Item) -> None:
    _write("DeleteItem", "version < :version", item, {"Key": _key(item)})


def _write(operation: str, condition: str, item: Item, request: Item) -> None:
    """Write, unless the can stands there by a later item than this one."""
    told = {
        "TableName": full_name(PIPELINE),
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {":version": item["version"]},
    }
    passes(operation, {**told, **request}, within_s=READ_WITHIN_S)


def _key(item: Item) -> Item:
    return row_key(CanList.SUSPECT, item["id"]["S"] + BETWEEN)


def _is_suspect(item: Item | None) -> bool:
    return may_be_suspect((item or {}).get("status", {}).get("S", ""))


def _day(item: Item | None) -> str:
    key: str = (item or {}).get("order_key", {}).get("S", "")
    return key[:10]
