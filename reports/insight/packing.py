"""A can's state as bytes for its row, and back."""

from __future__ import annotations

import struct
from functools import lru_cache

from reports.insight.cycles import Emptied, Fall, Stage, Watch
from reports.insight.fills import Fills
from reports.insight.rhythm import Rhythm
from reports.insight.state import CanState, Course, Rules
from reports.insight.suspicion import Signs

#: A change to what is kept, or to a rule, raises it: a row of another version is made again from the history.
VERSION = 2
#: Of seconds before the newest reading: 136 years. Only what version 0.1 stored of the year 1 is longer ago.
_LONGEST_S = 2**32 - 1


def packed(state: CanState, rules: Rules) -> bytes:
    """
    Return the state in at most 470 bytes: levels in tenths of a percent, instants in seconds before the newest.

    rules: those that it was made by. Levels must be whole tenths (reports.insight.state.reading_of).
    """
    at, course, rhythm, signs, emptied, fall = (
        state.at, state.course, state.rhythm, state.signs, state.emptied, state.watch.fall,
    )  # fmt: skip
    levels, readings = state.watch.levels, fall.readings if fall else ()
    figures: list[float] = [at, _tenths(state.level), state.count, *map(_tenths, levels)]
    if fall:
        figures.append(_tenths(fall.before))
        for was_at, level in readings:
            figures += (_before(at, was_at), _tenths(level))
    figures += (
        _before(at, course.started_at), _tenths(course.after), _tenths(course.peak), _before(at, course.peak_at),
        *(min(passed, _LONGEST_S) for passed in course.passed), _before(at, course.last[0]), _tenths(course.last[1]),
    )  # fmt: skip
    if emptied:
        figures += (_before(at, emptied.at), _tenths(emptied.before), _tenths(emptied.after))
        figures.append(_before(at, emptied.known_at))
    figures += (rhythm.count, *rhythm.longest, *rhythm.before, rhythm.typical_s)
    if signs.same_level is not None:
        figures += (_tenths(signs.same_level), _before(at, signs.same_since))
    figures += (_tenths(signs.step), signs.reversals)
    if signs.blocked_since is not None:
        figures += (_before(at, signs.blocked_since), _tenths(signs.blocked_from))
    counts = len(levels) | len(readings) << 4 | len(course.passed) << 7 | len(rhythm.longest) << 10
    flags = state.full | course.seen << 1 | (emptied is not None) << 2 | (signs.same_level is not None) << 3
    flags |= (signs.blocked_since is not None) << 4
    shape = counts | len(rhythm.before) << 12 | flags << 14
    return b"".join(
        (_made_by(rules), shape.to_bytes(3), _form(shape).pack(*figures, state.fills.grown), state.fills.data)
    )


def unpacked(data: bytes, rules: Rules) -> CanState | None:
    """Return the state that was packed; None where it was made by other rules, or packed by another version."""
    made_by = _made_by(rules)
    if not data.startswith(made_by):
        return None
    begin = len(made_by) + 3
    shape = int.from_bytes(data[len(made_by) : begin])
    form = _form(shape)
    figures = iter(form.unpack_from(data, begin))
    take = figures.__next__
    at, level, count = take(), take() / 10, take()
    levels = tuple(take() / 10 for _ in range(shape & 15))
    fall = None
    if falling := shape >> 4 & 7:
        before = take() / 10
        fall = Fall(before, tuple((at - take(), take() / 10) for _ in range(falling)))
    started_at, after, peak, peak_at = at - take(), take() / 10, take() / 10, at - take()
    passed = tuple(take() for _ in range(shape >> 7 & 7))
    last = (at - take(), take() / 10)
    emptied = None
    if shape >> 16 & 1:
        emptied = Emptied(at - take(), take() / 10, take() / 10, Stage.CONFIRMED, at - take())
    gaps = take()
    longest = tuple(take() for _ in range(shape >> 10 & 3))
    longest_before = tuple(take() for _ in range(shape >> 12 & 3))
    rhythm = Rhythm(gaps, longest, longest_before, take())
    same_level, same_since = (take() / 10, at - take()) if shape >> 17 & 1 else (None, 0)
    step, reversals = take() / 10, take()
    blocked_since, blocked_from = (at - take(), take() / 10) if shape >> 18 & 1 else (None, 0.0)
    grown = take()
    return CanState(
        at,
        level,
        count,
        bool(shape >> 14 & 1),
        Watch(levels, fall),
        Course(started_at, after, bool(shape >> 15 & 1), peak, peak_at, passed, last),
        emptied,
        Fills(data[begin + form.size :], grown),
        rhythm,
        Signs(same_level, same_since, step, reversals, blocked_since, blocked_from),
    )


@lru_cache(maxsize=64)
def _made_by(rules: Rules) -> bytes:
    text = f"{VERSION} {rules.name} {rules.full_from:g}".encode()
    return len(text).to_bytes(1) + text


@lru_cache(maxsize=1024)
def _form(shape: int) -> struct.Struct:
    """Return how the figures lie in the bytes: q, I and d are seconds and counts, H and h tenths of a percent."""
    readings = shape >> 4 & 7
    return struct.Struct(
        f"<qHI{shape & 15}H"
        + ("H" + "IH" * readings if readings else "")
        + f"IHHI{shape >> 7 & 7}IIH"
        + "IHHI" * (shape >> 16 & 1)
        + f"H{(shape >> 10 & 3) + (shape >> 12 & 3)}II"
        + "HI" * (shape >> 17 & 1)
        + "hH"
        + "IH" * (shape >> 18 & 1)
        + "d"
    )


def _tenths(level: float) -> int:
    return round(level * 10)


def _before(at: int, earlier: int) -> int:
    return min(at - earlier, _LONGEST_S)
