"""
Batches of one process that share cans take turns, in the order in which they came.

Else two threads fold into the same row at once: one of their writes fails, and a report that was overtaken by the next
one of its can is late, so that the can's state is made again from its history. Nothing but cost depends on a turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import takewhile
from types import TracebackType

#: For so long a batch waits for those that came before it, and then for one that writes the rows of its cans: a batch
#: that is large, or hangs, must not hold up the others. A write takes up to 2.5 s before it counts as lost.
IN_ORDER_S = 1.0
ALONE_S = 3.0

_changed = threading.Condition()
#: The batches that are at work or wait, in the order in which they came.
_turns: dict[Turn, None] = {}


class Turn:
    """
    A batch's place among those that share its cans, from the beginning of the block to its end.

    Only what follows `wait` is for one after another: reads and writes of the history go side by side.
    """

    def __init__(self, can_ids: Iterable[str]) -> None:
        self._cans = frozenset(can_ids)
        self._has_come = False

    def __enter__(self) -> Turn:
        with _changed:
            _turns[self] = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with _changed:
            del _turns[self]
            _changed.notify_all()

    def wait(self) -> None:
        """Wait until none of the earlier ones shares a can, for IN_ORDER_S; then until none whose turn it is does."""
        with _changed:
            _changed.wait_for(self._is_next, IN_ORDER_S)
            _changed.wait_for(self._is_alone, ALONE_S)
            self._has_come = True

    def _is_next(self) -> bool:
        earlier = takewhile(lambda each: each is not self, _turns)
        return all(self._cans.isdisjoint(each._cans) for each in earlier)

    def _is_alone(self) -> bool:
        return all(self._cans.isdisjoint(each._cans) for each in _turns if each._has_come)
