"""How often a can reports, and from when on it counts as silent."""

from __future__ import annotations

from dataclasses import dataclass

#: No can is silent before an hour; each is after a day without a report.
SOONEST_S, LATEST_S = 3600, 24 * 3600
#: Reports in a block; the rule looks at the block under way and the one before: 250 to 500 gaps.
_BLOCK = 250
#: The third longest of 500 gaps is their 99.5 % quantile.
_KEPT = 3
#: Twice that gap is silence: the best of the tried rules (docs/insight.md).
_TIMES = 2
#: Fewer gaps than this tell no rhythm.
ENOUGH = 50


@dataclass(frozen=True, slots=True)
class Rhythm:
    """
    The longest gaps between reports: of this block of 250 and of the one before, in seconds, longest first.

    count: gaps in this block. typical_s: about the median gap, a day at most.
    """

    count: int = 0
    longest: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    typical_s: int = 0

    def after(self, gap_s: int) -> Rhythm:
        """Return the rhythm with one more gap, in seconds; a longer one than a day counts as a day."""
        gap_s = min(gap_s, LATEST_S)
        longest = self.longest
        if len(longest) < _KEPT or gap_s > longest[-1]:
            longest = tuple(sorted((*longest, gap_s), reverse=True)[:_KEPT])
        # A running median: a fixed step up or down.
        typical = self.typical_s
        if not typical:
            typical = gap_s
        elif gap_s != typical:
            typical = min(typical + max(typical // 50, 1) * (1 if gap_s > typical else -1), LATEST_S)
        if self.count + 1 == _BLOCK:
            return Rhythm(0, (), longest, typical)
        return Rhythm(self.count + 1, longest, self.before, typical)

    @property
    def silent_after_s(self) -> int:
        """
        Return after how many seconds without a report the can counts as silent.

        Twice the 99.5 % quantile of its last 250 to 500 gaps, at most 24 hours; 24 hours while fewer than 50 are
        known.
        """
        known = self.count + (_BLOCK if self.before else 0)
        if known < ENOUGH:
            return LATEST_S
        gaps = sorted((*self.longest, *self.before), reverse=True)
        # Of 50 gaps the longest, of 250 the second, of 500 the third is nearest to 99.5 %.
        place = min(known * 5 // 1000, _KEPT - 1)
        return max(SOONEST_S, min(_TIMES * gaps[place], LATEST_S))
