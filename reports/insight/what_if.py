"""
What another rule for rounds would have made of one can: its own past levels, collected by that rule instead.

What was thrown in is what its level rose by, as the highest level that two reports in a row reached: so one wild report
adds nothing. It would have been the same under another rule, except that what did not fit is not known: a can that
stood full took less than it might have, so that the overflow of rarer rounds, and the collections of more frequent
ones, are told too low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.insight.cycles import Reading
from reports.insight.rhythm import LATEST_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """Collections of a can, and the hours in which it was at its threshold or above."""

    collections: int = 0
    overflow_h: float = 0.0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.collections + other.collections, self.overflow_h + other.overflow_h)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What happened, and what would have. known_h: hours of which levels are known; a gap of over a day is none."""

    happened: Outcome = Outcome()
    instead: Outcome = Outcome()
    known_h: float = 0.0

    def __add__(self, other: WhatIf) -> WhatIf:
        return WhatIf(self.happened + other.happened, self.instead + other.instead, self.known_h + other.known_h)


def what_if(
    readings: Sequence[Reading], emptied_at: Sequence[int], rounds: Sequence[int], *, threshold: float, full_from: float
) -> WhatIf:
    """
    Return what rounds would have made of a can that is emptied where it is at `threshold` percent or above.

    readings: of the period, in order. emptied_at: the first reading after each emptying; of one that an operator added
    its instant. rounds: when the truck comes, in order; it empties the can to 0 %. full_from: percent. Instants in
    seconds since 1970. Both ways are counted by one rule: full from the report that first says so; what happened ends
    in the middle between the last report before an emptying and the first after it.
    """
    if len(readings) < 2:
        return WhatIf()
    was, would = _Course(full_from), _Course(full_from)
    coming = iter([at for at in rounds if readings[0][0] < at <= readings[-1][0]])
    emptied = iter(sorted(at for at in emptied_at if readings[0][0] < at <= readings[-1][0]))
    level = height = readings[0][1]
    come, next_emptied, known_s = next(coming, None), next(emptied, None), 0
    for (begin, before), (end, after) in pairwise(readings):
        is_known = end - begin <= LATEST_S
        known_s += (end - begin) * is_known
        at = begin
        while come is not None and come <= end:
            would.stood(level, (come - at) * is_known)
            if level >= threshold:
                would.collections += 1
                level = 0.0
            at, come = come, next(coming, None)
        would.stood(level, (end - at) * is_known)
        if next_emptied is not None and next_emptied <= end:
            was.stood(height, (end - begin) / 2 * is_known)
            while next_emptied is not None and next_emptied <= end:
                was.collections += 1
                next_emptied = next(emptied, None)
            # What came between the emptying and this report.
            level, height = min(level + after, 100.0), after
        else:
            was.stood(height, (end - begin) * is_known)
            risen = max(min(before, after) - height, 0.0)
            level, height = min(level + risen, 100.0), height + risen
    return WhatIf(was.outcome, would.outcome, known_s / 3600)


@dataclass(slots=True)
class _Course:
    """What is counted on the way."""

    full_from: float
    collections: int = 0
    overflow_s: float = 0.0

    def stood(self, level: float, seconds: float) -> None:
        if level >= self.full_from:
            self.overflow_s += seconds

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.collections, self.overflow_s / 3600)
