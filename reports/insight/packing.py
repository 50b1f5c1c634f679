"""A can's state as bytes for its row, and back."""

from __future__ import annotations

import struct
from functools import lru_cache

from reports.insight.cycles import Emptied, Fall, Stage, Watch
from reports.insight.fills import Fills
from reports.insight.rhythm import Rhythm
from reports.insight.state import CanState, Course, Rules
from reports.insight.status import HYSTERESIS
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
    figures: list[float] = [at, round(state.level * 10), state.count, *[round(level * 10) for level in levels]]
    if fall:
        figures.append(round(fall.before * 10))
        for was_at, level in readings:
            figures += (_before(at, was_at), round(level * 10))
    figures += (
        _before(at, course.started_at), round(course.after * 10), round(course.peak * 10), _before(at, course.peak_at)
    )  # fmt: skip
    figures += [min(passed, _LONGEST_S) for passed in course.passed]
    figures += (_before(at, course.last[0]), round(course.last[1] * 10))
    if emptied:
        figures += (_before(at, emptied.at), round(emptied.before * 10), round(emptied.after * 10))
        figures.append(_before(at, emptied.known_at))
    figures += (rhythm.count, *rhythm.longest, *rhythm.before, rhythm.typical_s)
    if signs.same_level is not None:
        figures += (round(signs.same_level * 10), _before(at, signs.same_since))
    figures += (round(signs.step * 10), signs.reversals)
    if signs.blocked_since is not None:
        figures += (_before(at, signs.blocked_since), round(signs.blocked_from * 10))
    counts = len(levels) | len(readings) << 4 | len(course.passed) << 7 | len(rhythm.longest) << 10
    flags = state.full | course.seen << 1 | (emptied is not None) << 2 | (signs.same_level is not None) << 3
    flags |= (signs.blocked_since is not None) << 4 | (emptied is not None and emptied.by_operator) << 5
    shape = counts | len(rhythm.before) << 12 | flags << 14
    return b"".join(
        (
            _made_by(rules.name, rules.full_from, rules.hysteresis),
            shape.to_bytes(3),
            _form(shape).pack(*figures, state.fills.grown),
            state.fills.data,
        )
    )


def unpacked(data: bytes, rules: Rules) -> CanState | None:
    """Return the state that was packed; None where it was made by other rules, or packed by another version."""
    made_by = _made_by(rules.name, rules.full_from, rules.hysteresis)
    if not data.startswith(made_by):
        return None
    begin = len(made_by) + 3
    shape = int.from_bytes(data[len(made_by) : begin])
    form = _form(shape)
    figures = form.unpack_from(data, begin)
    at = figures[0]
    place = 3 + (shape & 15)
    levels, fall, emptied = tuple([level / 10 for level in figures[3:place]]), None, None
    if falling := shape >> 4 & 7:
        readings = figures[place + 1 : place + 1 + 2 * falling]
        fall = Fall(
            figures[place] / 10,
            tuple((at - before, level / 10) for before, level in zip(readings[::2], readings[1::2], strict=True)),
        )
        place += 1 + 2 * falling
    started, after, peak, peaked = figures[place : place + 4]
    last = place + 4 + (shape >> 7 & 7)
    course = Course(
        at - started,
        after / 10,
        bool(shape & 1 << 15),
        peak / 10,
        at - peaked,
        figures[place + 4 : last],
        (at - figures[last], figures[last + 1] / 10),
    )
    place = last + 2
    if shape & 1 << 16:
        was, before, then, known = figures[place : place + 4]
        by_operator = bool(shape & 1 << 19)
        emptied = Emptied(at - was, before / 10, then / 10, Stage.CONFIRMED, at - known, by_operator)
        place += 4
    longest = place + 1 + (shape >> 10 & 3)
    typical = longest + (shape >> 12 & 3)
    rhythm = Rhythm(figures[place], figures[place + 1 : longest], figures[longest:typical], figures[typical])
    place = typical + 1
    same_level, same_since, blocked_since, blocked_from = None, 0, None, 0.0
    if shape & 1 << 17:
        same_level, same_since = figures[place] / 10, at - figures[place + 1]
        place += 2
    step, reversals = figures[place] / 10, figures[place + 1]
    if shape & 1 << 18:
        blocked_since, blocked_from = at - figures[place + 2], figures[place + 3] / 10
    return CanState(
        at,
        figures[1] / 10,
        figures[2],
        bool(shape & 1 << 14),
        Watch(levels, fall),
        course,
        emptied,
        Fills(data[begin + form.size :], figures[-1]),
        rhythm,
        Signs(same_level, same_since, step, reversals, blocked_since, blocked_from),
    )


@lru_cache(maxsize=1000)
def _made_by(name: str, full_from: float, hysteresis: float) -> bytes:
    # What operators entered of emptyings is left out: a state of before the first of them is the same.
    text = f"{VERSION} {name} {full_from:g}{'' if hysteresis == HYSTERESIS else f' {hysteresis:g}'}".encode()
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


def _before(at: int, earlier: int) -> int:
    return min(at - earlier, _LONGEST_S)
