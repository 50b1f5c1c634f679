"""
Batches of one process that share cans take turns, in the order in which they came.

Else two threads fold into the same row at once: one of their writes fails, and a report that was overtaken by the next
one of its can is late, so that the can's state is made again from its history. Nothing but cost depends on a turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import takewhile

#: For so long a batch waits for those before it: one whose requests hang must not hold up the others.
WITHIN_S = 1.0

_changed = threading.Condition()
#: The cans of each batch that is at work or waits, by its ticket, in the order in which they came.
_tickets: dict[object, frozenset[str]] = {}


@contextmanager
def turn(can_ids: Iterable[str]) -> Iterator[None]:
    """Wait until no earlier batch has one of these cans, or for WITHIN_S; the cans are this batch's until the end."""
    ticket, mine = object(), frozenset(can_ids)

    def is_next() -> bool:
        earlier = takewhile(lambda each: each[0] is not ticket, _tickets.items())
        return all(mine.isdisjoint(cans) for _, cans in earlier)

    with _changed:
        _tickets[ticket] = mine
        _changed.wait_for(is_next, WITHIN_S)
    try:
        yield
    finally:
        with _changed:
            del _tickets[ticket]
            _changed.notify_all()
