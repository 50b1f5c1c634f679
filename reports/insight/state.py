"""What a can's row remembers so that status, last emptying and forecast follow from it: bounded, in order, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from reports.insight import cycles, forecast, suspicion
from reports.insight.cycles import Emptied, EmptiedRule, Fall, Reading, Stage, Watch
from reports.insight.fills import Fill, Fills, interpolated
from reports.insight.forecast import Chances, Forecast, ForecastRule, NoForecast, Now
from reports.insight.rhythm import Rhythm
from reports.insight.status import FULL_FROM, HYSTERESIS
from reports.insight.suspicion import Signs


class LateReading(ValueError):
    """A reading older than the newest: the state must be rebuilt from the history."""


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What is told of a can by which rule.

    name: of the stream that has rules of its own, "" for the others'. full_from: percent from which on it is full; it
    stays so until it falls `hysteresis` points below. added, struck: what operators entered of its emptyings
    (reports.insight.entered).
    """

    emptied: EmptiedRule = cycles.OTHERS
    forecast: ForecastRule = forecast.OTHERS
    full_from: float = float(FULL_FROM)
    hysteresis: float = float(HYSTERESIS)
    name: str = ""
    added: tuple[int, ...] = ()
    struck: tuple[int, ...] = ()


@lru_cache(maxsize=1000)
def rules_for(
    stream: str | None,
    full_from: float = float(FULL_FROM),
    hysteresis: float = float(HYSTERESIS),
    added: tuple[int, ...] = (),
    struck: tuple[int, ...] = (),
) -> Rules:
    """Return the rules of a stream, those for plastic where there are none of its own; the others as in Rules."""
    name = (stream or "").lower()
    name = name if name in cycles.EMPTIED or name in forecast.FORECAST else ""
    return _rules(name, float(full_from), float(hysteresis), added, struck)


@lru_cache(maxsize=1000)
def _rules(name: str, full_from: float, hysteresis: float, added: tuple[int, ...], struck: tuple[int, ...]) -> Rules:
    return Rules(
        cycles.EMPTIED.get(name, cycles.OTHERS),
        forecast.FORECAST.get(name, forecast.OTHERS),
        full_from,
        hysteresis,
        name,
        added,
        struck,
    )


@dataclass(frozen=True, slots=True)
class Course:
    """
    The present fill. started_at: when it was emptied, or first reported where `seen` is false; after: percent then.

    peak: the highest level that two readings in a row have reached, by `peak_at`. passed: seconds from started_at
    until that was a quarter, a half, three quarters and all of the threshold, as far as it came. last: the newest
    reading that was decided on.
    """

    started_at: int
    after: float
    seen: bool
    peak: float
    peak_at: int
    passed: tuple[int, ...]
    last: Reading


@dataclass(frozen=True, slots=True)
class CanState:
    """
    What is remembered of one can after its newest reading: about 550 bytes as text.

    at, level: that reading, seconds since 1970 and percent. count: readings so far. full: with hysteresis.
    emptied: the last one confirmed.
    """

    at: int
    level: float
    count: int
    full: bool
    watch: Watch
    course: Course
    emptied: Emptied | None = None
    fills: Fills = field(default_factory=Fills)
    rhythm: Rhythm = field(default_factory=Rhythm)
    signs: Signs = field(default_factory=Signs)

    def last_emptied(self, rules: Rules) -> Emptied | None:
        """
        Return the last emptying: a provisional one where a fall is under way, else the last that was confirmed.

        rules: those by which the state was made: an emptying that was struck is none.
        """
        fall = self.fall(rules)
        if fall is None:
            return self.emptied
        at, after = fall.readings[0]
        return Emptied(at, fall.before, after, Stage.PROVISIONAL, at)

    def fall(self, rules: Rules) -> Fall | None:
        """Return the fall under way, None where there is none, or it was struck."""
        return None if _is_struck(rules, self.course.last[0], self.at) else self.watch.fall

    @property
    def silent_at(self) -> int:
        """Return from when on the can counts as silent if it reports no more: seconds since 1970."""
        return self.at + self.rhythm.silent_after_s


def reading_of(measured_at: datetime, level: Decimal) -> Reading:
    """Return a report's figures for the rules: whole seconds since 1970, and tenths of a percent."""
    return math.floor(measured_at.timestamp()), round(float(level), 1)


def advance(state: CanState | None, reading: Reading, rules: Rules) -> tuple[CanState, Emptied | None]:
    """
    Take one reading and return what is remembered then, and the emptying that it shows, confirms or takes back.

    reading: later than all before; of one instant the higher level is later. The newest, delivered again, changes
    nothing. state: None for the first.
    Raises LateReading for an older one.
    """
    at, level = reading
    if state is None:
        course = Course(at, level, False, 0, at, (), reading)
        return CanState(at, level, 1, level >= rules.full_from, Watch((level,)), course), None
    if reading == (state.at, state.level):
        return state, None
    if reading < (state.at, state.level):
        raise LateReading(f"a reading of {at} came after one of {state.at}")
    watched, event, decided = _watched(state, reading, rules)
    emptied, course, fills = state.emptied, state.course, state.fills
    if event is not None and event.stage is Stage.CONFIRMED:
        emptied = event
        fills = _unfinished(course, fills, event.at, rules)
        course = Course(event.at, event.after, True, 0, event.at, (), decided[0])
        decided = decided[1:]
    for each in decided:
        course, fills = _followed(course, fills, each, rules)
    return (
        CanState(
            at,
            level,
            state.count + 1,
            level >= (rules.full_from - rules.hysteresis if state.full else rules.full_from),
            watched,
            course,
            emptied,
            fills,
            state.rhythm.after(at - state.at),
            suspicion.noted(state.signs, (state.at, state.level), reading),
        ),
        event,
    )


def relimited(state: CanState, before: Rules, rules: Rules) -> CanState:
    """
    Return a state that was made by other thresholds as these would have it, as well as it tells.

    When a mark of the new threshold was passed is interpolated: so the state is to be made again from the history.
    """
    was_full = state.full and rules.full_from <= before.full_from
    is_full = state.level >= rules.full_from - (rules.hysteresis if was_full else 0)
    if rules.full_from == before.full_from:
        return replace(state, full=is_full)
    course, ratio = state.course, rules.full_from / before.full_from
    marks = [(before.full_from * at / 4, float(after_s)) for at, after_s in enumerate(course.passed, 1)]
    known = sorted(
        {(min(course.after, course.peak), 0.0), *marks, (course.peak, float(course.peak_at - course.started_at))}
    )
    passed = [
        round(interpolated(known, rules.full_from * at / 4))
        for at in range(1, 5)
        if rules.full_from * at / 4 <= course.peak
    ]
    fills = state.fills.rescaled(ratio)
    return replace(state, full=is_full, course=replace(course, passed=tuple(passed)), fills=fills)


def rebuild(readings: Iterable[Reading], rules: Rules) -> tuple[CanState | None, list[Emptied]]:
    """Return the state after these readings, given in any order, and every event on the way; None for no reading."""
    state, events = None, []
    for reading in sorted(readings):
        state, event = advance(state, reading, rules)
        if event is not None:
            events.append(event)
    return state, events


def forecast_of(state: CanState, rules: Rules) -> Forecast | NoForecast:
    """Return when the can reaches its threshold, as told at its newest reading."""
    if state.level >= rules.full_from:
        return NoForecast(f"It is at {state.level:g} %, and its threshold is {rules.full_from:g} %.")
    return forecast.forecast(state.fills, _now(state, rules), rules.forecast)


def chances_of(state: CanState, rules: Rules) -> Chances | None:
    """Return with which probability the can is full by when, as told at its newest reading; None: full, or unknown."""
    if state.level >= rules.full_from:
        return None
    return forecast.chances(state.fills, _now(state, rules), rules.forecast)


def _now(state: CanState, rules: Rules) -> Now:
    fall = state.fall(rules)
    started_at, started = fall.readings[0] if fall else (state.course.started_at, state.course.after)
    share, started_share = state.level / rules.full_from, min(started / rules.full_from, 1)
    return Now(state.at, share, started_at, started_share, state.rhythm.typical_s / 3600)


def _watched(state: CanState, reading: Reading, rules: Rules) -> tuple[Watch, Emptied | None, tuple[Reading, ...]]:
    """Return what `cycles.watch` does of a reading, corrected by what operators entered."""
    at, level = reading
    if rules.added and any(state.at < each <= at for each in rules.added):
        # What was undecided until here is none: somebody knows better.
        added = Emptied(at, state.level, level, Stage.CONFIRMED, at, by_operator=True)
        return Watch((level,)), added, (reading,)
    watched, event, decided = cycles.watch(state.watch, reading, rules.emptied)
    is_confirmed = event is not None and event.stage is Stage.CONFIRMED
    if event is not None and is_confirmed and _is_struck(rules, state.course.last[0], event.known_at):
        event = replace(event, stage=Stage.TAKEN_BACK, by_operator=True)
    return watched, event, decided


def _is_struck(rules: Rules, after: int, until: int) -> bool:
    """Say whether an emptying after an instant, up to another, was struck; a late report may move its first reading."""
    return bool(rules.struck) and any(after < each <= until for each in rules.struck)


def _followed(course: Course, fills: Fills, reading: Reading, rules: Rules) -> tuple[Course, Fills]:
    """Return the present fill after a reading that was decided on, and the past ones, of which it may be the newest."""
    last_at, last = course.last
    # One reading above a mark may be wild; two in a row have passed it, the first of them when it was passed.
    reached = min(last, reading[1])
    passed, peak = course.passed, course.peak
    if reached > peak:
        while len(passed) < 4 and reached >= (mark := rules.full_from * (len(passed) + 1) / 4):
            # Full is when a report first says so; the marks before are passed between two reports.
            part = 1.0 if len(passed) == 3 else (mark - peak) / (reached - peak)
            at = course.peak_at + part * (last_at - course.peak_at)
            passed = (*passed, round(at) - course.started_at)
        if len(passed) == 4 > len(course.passed) and course.seen:
            fills = fills.added(_fill(course.started_at, passed), rules.forecast.fade)
        peak = reached
    return Course(course.started_at, course.after, course.seen, peak, last_at, passed, reading), fills


def _fill(started_at: int, passed: tuple[int, ...]) -> Fill:
    first, half, third, full = passed
    at_half = started_at + half
    hours = (first / 3600, (half - first) / 3600, (third - half) / 3600, (full - third) / 3600)
    return Fill(forecast.hour_of_day(at_half), forecast.is_weekend(at_half), hours)


def _unfinished(course: Course, fills: Fills, emptied_at: int, rules: Rules) -> Fills:
    """
    Return the past fills and, at less weight, one that was emptied on its way from a half of the threshold to all.

    Only the fast ones get full before the truck comes: without the others every forecast were too early. The rest
    of its way is taken to go on at its mean pace.
    """
    weight = rules.forecast.unfinished
    if not weight or not course.seen or not 2 <= len(course.passed) < 4:
        return fills
    spent = emptied_at - course.started_at
    left = spent * (rules.full_from - course.peak) / course.peak
    passed = course.passed
    if len(passed) == 2:
        part = (rules.full_from * 0.75 - course.peak) / (rules.full_from - course.peak)
        passed = (*passed, round(spent + left * part))
    fill = _fill(course.started_at, (*passed, round(spent + left)))
    return fills.added(replace(fill, weight=weight), rules.forecast.fade * weight)
