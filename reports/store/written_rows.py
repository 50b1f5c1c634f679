"""
The rows that this process wrote last, each with the item that it became.

Where its threads meet at a can, the later one need not read what the other wrote; and where nobody else has written a
row since, it need not be parsed anew.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from reports.insight.fold import Row
from reports.store.dynamodb import Item
from reports.store.keys import row_place
from reports.store.row_items import row_of, version_of

#: Rows that are remembered, at most: some 7 KB each. In hand at a time are those of five batches.
REMEMBERED = 1_024


class Written(NamedTuple):
    """A row, the item that was written of it, and when: monotonic seconds."""

    item: Item
    row: Row
    at_s: float


#: By table and can. One that is no more true fails its condition, and is forgotten.
_written: dict[tuple[str, str], Written] = {}


def remember(item: Item, row: Row) -> None:
    """Remember a row that was written as this item."""
    if len(_written) >= REMEMBERED:
        _written.clear()
    _written[row_place(item["id"]["S"])] = Written(item, row, time.monotonic())


def row_in(item: Item | None) -> Row | None:
    """Return the row that an item of the levels table holds, None where it holds no level."""
    if item is None:
        return None
    written = _written.get(row_place(item["id"]["S"]))
    return written.row if written and written.item == item else row_of(item)


def refresh(items: dict[str, Item | None], since_s: float) -> None:
    """
    Put the rows that this process has written since a monotonic time in the place of those that were read then.

    What was written before is in what was read, unless somebody has deleted it.
    """
    for can_id, item in items.items():
        written = _written.get(row_place(can_id))
        if written and written.at_s > since_s and version_of(written.item) > version_of(item):
            items[can_id] = written.item


def standing_item(can_id: str, tried: Item | None, sent: Item | None) -> Item | None:
    """
    Return the item that stood in the way of a write, None where it has to be read.

    tried: the one that was taken to stand there. sent: AWS sends the one along that does; other servers do not.
    """
    written = _written.get(row_place(can_id))
    if sent is None and written and version_of(written.item) > version_of(tried):
        return written.item
    _written.pop(row_place(can_id), None)
    return sent
