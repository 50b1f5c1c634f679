"""When a can was emptied, told from its levels: provisional at once, then confirmed or taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: Seconds since 1970 and percent full. Floats, not the digits as sent: a rule needs figures, and keeps no level.
Reading = tuple[int, float]

#: Stored beside each event; a change to the rule or to a number below raises it, and the history is read anew.
RULE_VERSION = 1


@dataclass(frozen=True, slots=True)
class EmptiedRule:
    """
    What counts as emptied.

    window, rank: the trusted level is the one of this rank (0 is the lowest) among the last `window` readings, so
    that a few wild high samples raise it for no more than a moment. fall: points from the trusted level down, at
    least. near, share: the level after is at most `near` percent, or at most this share of the trusted one and no
    higher than `most`. later: readings that decide. regained: a later reading that regains this share of the fall
    or more speaks against it.
    """

    window: int = 3
    rank: int = 1
    fall: float = 20
    near: float = 20
    share: float = 0.4
    most: float = 35
    later: int = 1
    regained: float = 0.8


#: Paper and plastic: a can that is emptied in the morning may be half full at the next reading, so 80 % of the fall
#: must come back before a fall counts as a wild sample. Glass: few points a day and many wild samples, so the
#: trusted level must have lasted for about eight readings, and two readings decide. See docs/insight.md.
EMPTIED: Mapping[str, EmptiedRule] = {
    "glass": EmptiedRule(window=8, fall=12, near=8, later=2, regained=0.5),
}
OTHERS = EmptiedRule()


class Stage(StrEnum):
    """How sure it is that a can was emptied."""

    PROVISIONAL = "PROVISIONAL"
    CONFIRMED = "CONFIRMED"
    TAKEN_BACK = "TAKEN_BACK"


@dataclass(frozen=True, slots=True)
class Emptied:
    """
    One emptying, and how sure it is.

    at: the first reading after it. before, after: the trusted level before it and the first after it, percent.
    known_at: the reading that brought it to this stage. Both in seconds since 1970. by_operator: it is CONFIRMED or
    TAKEN_BACK because somebody entered so, whatever the levels show.
    """

    at: int
    before: float
    after: float
    stage: Stage
    known_at: int
    by_operator: bool = False


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall that later readings will confirm or take back. readings: from the fall on, the fall's own first."""

    before: float
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """What the rule remembers of a can: its last levels, oldest first, and a fall under way."""

    levels: tuple[float, ...] = ()
    fall: Fall | None = None


def watch(seen: Watch, reading: Reading, rule: EmptiedRule) -> tuple[Watch, Emptied | None, tuple[Reading, ...]]:
    """
    Take one reading, later than all before, and say what it shows.

    Returns the new memory; the emptying that begins, is confirmed or is taken back here, if any; and the readings
    that are decided on: those of the new cycle where an emptying is confirmed, none while a fall is undecided, and
    never a wild sample. What is returned depends on this reading and earlier ones alone.
    """
    at, level = reading
    if seen.fall is not None:
        return _decide(seen.levels, Fall(seen.fall.before, (*seen.fall.readings, reading)), rule)
    trusted = trusted_level(seen.levels, rule)
    near = max(rule.near, min(rule.share * trusted, rule.most))
    if trusted - level >= rule.fall and level <= near:
        fall = Fall(trusted, (reading,))
        return Watch(seen.levels, fall), Emptied(at, trusted, level, Stage.PROVISIONAL, at), ()
    return Watch((*seen.levels, level)[-rule.window :]), None, (reading,)


def trusted_level(levels: tuple[float, ...], rule: EmptiedRule) -> float:
    """Return the level that a fall is measured from, in percent: 0 where fewer than two readings are known."""
    if len(levels) < 2:
        return 0
    return sorted(levels)[min(rule.rank, (len(levels) - 1) // 2)]


def _decide(
    levels: tuple[float, ...], fall: Fall, rule: EmptiedRule
) -> tuple[Watch, Emptied | None, tuple[Reading, ...]]:
    (at, after), *later = fall.readings
    if len(later) < rule.later:
        return Watch(levels, fall), None, ()
    back = after + rule.regained * (fall.before - after)
    stayed = sum(level < back for _, level in later)
    known_at = later[-1][0]
    if stayed * 2 >= len(later):
        event = Emptied(at, fall.before, after, Stage.CONFIRMED, known_at)
        return Watch(tuple(level for _, level in fall.readings)[-rule.window :]), event, fall.readings
    event = Emptied(at, fall.before, after, Stage.TAKEN_BACK, known_at)
    return Watch((*levels, *(level for _, level in later))[-rule.window :]), event, tuple(later)
