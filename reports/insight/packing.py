"""A can's state as text for its row, and back."""

from __future__ import annotations

import json
from typing import Any

from reports.insight.cycles import Emptied, Fall, Reading, Stage, Watch
from reports.insight.fills import Fills
from reports.insight.rhythm import Rhythm
from reports.insight.state import CanState, Course
from reports.insight.suspicion import Signs

#: A change to what is kept, or to a rule, raises it: a row of another version is rebuilt from the history.
VERSION = 1


def packed(state: CanState) -> str:
    """
    Return the state as a JSON array, at most 800 bytes; instants but the newest as seconds before it.

    Levels must be rounded to tenths (reports.insight.state.reading_of), or the text is longer and as exact.
    """
    at, course, rhythm, signs, emptied, fall = (
        state.at, state.course, state.rhythm, state.signs, state.emptied, state.watch.fall,
    )  # fmt: skip
    return json.dumps(
        [
            VERSION,
            at,
            _short(state.level),
            state.count,
            int(state.full),
            [_short(level) for level in state.watch.levels],
            fall and [_short(fall.before), *_readings(fall.readings, at)],
            [
                at - course.started_at,
                _short(course.after),
                int(course.seen),
                _short(course.peak),
                at - course.peak_at,
                course.passed,
                *_readings((course.last,), at),
            ],
            emptied and [at - emptied.at, _short(emptied.before), _short(emptied.after), at - emptied.known_at],
            [rhythm.count, rhythm.longest, rhythm.before, rhythm.typical_s],
            [
                signs.same_level if signs.same_level is None else _short(signs.same_level),
                at - signs.same_since,
                _short(signs.step),
                signs.reversals,
                signs.blocked_since if signs.blocked_since is None else at - signs.blocked_since,
                _short(signs.blocked_from),
            ],
            _short(state.fills.grown),
            state.fills.text,
        ],
        separators=(",", ":"),
    )


def unpacked(text: str) -> CanState | None:
    """Return the state that was packed; None where another version did, and it must be rebuilt from the history."""
    version, *kept = json.loads(text)
    if version != VERSION:
        return None
    at, level, count, full, levels, fall, course, emptied, rhythm, signs, grown, fills = kept
    started, after, seen, peak, peak_at, passed, *last = course
    rhythm_count, longest, before, typical_s = rhythm
    same_level, same_since, step, reversals, blocked_since, blocked_from = signs
    return CanState(
        at,
        level,
        count,
        bool(full),
        Watch(tuple(levels), fall and Fall(fall[0], _read(fall[1:], at))),
        Course(at - started, after, bool(seen), peak, at - peak_at, tuple(passed), _read(last, at)[0]),
        emptied and Emptied(at - emptied[0], emptied[1], emptied[2], Stage.CONFIRMED, at - emptied[3]),
        Fills(fills, grown),
        Rhythm(rhythm_count, tuple(longest), tuple(before), typical_s),
        Signs(
            same_level,
            at - same_since,
            step,
            reversals,
            None if blocked_since is None else at - blocked_since,
            blocked_from,
        ),
    )


def _short(level: float) -> float:
    """Return a whole number as an int, which takes two bytes less."""
    return int(level) if level == int(level) else level


def _readings(readings: tuple[Reading, ...], at: int) -> list[float]:
    return [figure for was_at, level in readings for figure in (at - was_at, _short(level))]


def _read(figures: list[Any], at: int) -> tuple[Reading, ...]:
    return tuple((at - before, level) for before, level in zip(figures[::2], figures[1::2], strict=True))
