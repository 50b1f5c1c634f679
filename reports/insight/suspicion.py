"""Signs that a level is not to be trusted: stuck, jumping, or an item before the sensor."""

from __future__ import annotations

from dataclasses import dataclass

from reports.insight.cycles import Reading

#: A level that moved by no more than this is the same.
_SAME = 1
#: Longer than this unchanged, below the threshold, is stuck: 15 containers had one such time in 30 years.
STUCK_S = 7 * 24 * 3600
#: A step of at least `_JUMP` points up to `_BLOCKED` or more is an item before the sensor, for a day at most.
_BLOCKED, _JUMP = 95, 50
BLOCKED_S = 24 * 3600
#: A step of this size against the step before it, of this size too, is a reversal.
_STEP = 20
#: Thousandths by which each reading moves the share of reversals; above `JUMPING` of a thousand, it jumps.
_MOVED, JUMPING = 30, 150


@dataclass(frozen=True, slots=True)
class Signs:
    """
    same_level, same_since: the level that has not moved by more than a point since then; none before the second
    reading. step: the last change. reversals: thousandths of recent readings that reversed a large step by
    another. blocked_since: since when something seems to be before the sensor, and blocked_from the level before.
    """

    same_level: float | None = None
    same_since: int = 0
    step: float = 0
    reversals: int = 0
    blocked_since: int | None = None
    blocked_from: float = 0

    def is_stuck(self, at: int) -> bool:
        """Say whether the level had not moved for seven days at this instant."""
        return self.same_level is not None and at - self.same_since > STUCK_S

    def is_jumping(self) -> bool:
        """Say whether more than 15 % of the recent readings reversed a step of 20 points or more."""
        return self.reversals > JUMPING

    def is_blocked(self, at: float) -> bool:
        """Say whether something seems to be before the sensor; after a day at 95 % or more the can is believed full."""
        return self.blocked_since is not None and at - self.blocked_since <= BLOCKED_S


def noted(signs: Signs, before: Reading, reading: Reading) -> Signs:
    """Return the signs after `reading`, the one that followed `before`."""
    (was_at, was), (at, level) = before, reading
    step = round(level - was, 1)
    same_level, same_since = (was, was_at) if signs.same_level is None else (signs.same_level, signs.same_since)
    if abs(level - same_level) > _SAME:
        same_level, same_since = level, at
    reversals = signs.reversals
    if abs(step) >= _STEP and abs(signs.step) >= _STEP and (step > 0) != (signs.step > 0):
        reversals += (1000 - reversals) * _MOVED // 1000
    else:
        reversals -= reversals * _MOVED // 1000
    blocked_since, blocked_from = signs.blocked_since, signs.blocked_from
    if level < _BLOCKED:
        blocked_since, blocked_from = None, 0.0
    elif step >= _JUMP:
        blocked_since, blocked_from = at, was
    return Signs(same_level, same_since, step or signs.step, reversals, blocked_since, blocked_from)
