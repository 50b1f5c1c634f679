"""The rows that this process wrote last: where its threads meet at a can, the later one need not read them."""

from __future__ import annotations

import time

from reports.store.items import LEVELS, Item, version_of
from trashsite.names import full_name

#: Rows that are remembered, at most; in hand at a time are those of five batches.
REMEMBERED = 512
#: By table and can, each with when it was written, in monotonic seconds. One that is no more true fails its condition,
#: and is forgotten.
_written: dict[tuple[str, str], tuple[Item, float]] = {}


def remember(item: Item | None) -> None:
    """Remember a row that was written as this item."""
    assert item is not None
    if len(_written) >= REMEMBERED:
        _written.clear()
    _written[_place(item["id"]["S"])] = item, time.monotonic()


def refresh(items: dict[str, Item | None], since_s: float) -> None:
    """
    Put the rows that this process has written since a monotonic time in the place of those that were read then.

    What was written before is in what was read, unless somebody has deleted it.
    """
    for can_id, item in items.items():
        written, at_s = _written.get(_place(can_id), (None, 0.0))
        if at_s > since_s and version_of(written) > version_of(item):
            items[can_id] = written


def standing_item(can_id: str, tried: Item | None, sent: Item | None) -> Item | None:
    """
    Return the item that stood in the way of a write, None where it has to be read.

    tried: the one that was taken to stand there. sent: AWS sends the one along that does; other servers do not.
    """
    written, _ = _written.get(_place(can_id), (None, 0.0))
    if sent is None and version_of(written) > version_of(tried):
        return written
    _written.pop(_place(can_id), None)
    return sent


def _place(can_id: str) -> tuple[str, str]:
    return full_name(LEVELS), can_id
