"""How good the forecasts would have been: a replay of past readings that never looks ahead, and its figures."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from reports.insight.baselines import last_slope, past_duration
from reports.insight.cycles import Emptied, Reading, Stage
from reports.insight.forecast import Forecast, NoForecast
from reports.insight.state import CanState, Rules, advance, forecast_of

#: The methods that are compared, the project's own first.
METHODS = ("trashsite", "last-slope", "past-durations")


@dataclass(frozen=True, slots=True)
class Said:
    """What was said at one reading: the forecast, and an emptying that it confirms, if any."""

    at: int
    forecast: Forecast | NoForecast
    confirmed: Emptied | None


@dataclass(slots=True)
class Judged:
    """
    One judged forecast: the first at or above half of the threshold in a fill whose start was seen.

    full_at: by method, None for no answer. low, high: the interval of the project's own. true_at: when it got full;
    until: else the last reading before it was emptied. Seconds since 1970.
    """

    stream: str
    made_at: int
    full_at: Mapping[str, int | None]
    low: int | None
    high: int | None
    true_at: int | None = None
    until: int | None = None


@dataclass(slots=True)
class Replay:
    """One can, replayed: iterate over what was said at each reading; `judged` and `state` are complete at the end."""

    stream: str
    readings: Sequence[Reading]
    rules: Rules
    judged: list[Judged] = field(default_factory=list)
    state: CanState | None = None

    def __iter__(self) -> Iterator[Said]:
        """Yield what is said at each reading, oldest first: it depends on this reading and earlier ones alone."""
        pending: Judged | None = None
        durations_h: list[float] = []
        due = False
        for reading in sorted(self.readings):
            before = self.state
            self.state, event = advance(before, reading, self.rules)
            confirmed = event if event is not None and event.stage is Stage.CONFIRMED else None
            if confirmed is not None and before is not None:
                if pending is not None:
                    pending.until = before.course.last[0]
                pending, due = None, True
            expected = forecast_of(self.state, self.rules)
            course = self.state.course
            if _just_full(before, self.state):
                full_after = course.passed[3]
                if course.seen:
                    durations_h.append(full_after / 3600)
                if pending is not None:
                    pending.true_at = course.started_at + full_after
                pending, due = None, False
            elif due and self.rules.full_from / 2 <= self.state.level < self.rules.full_from:
                pending, due = self._judge(self.state, expected, durations_h), False
                self.judged.append(pending)
            yield Said(self.state.at, expected, confirmed)

    def _judge(self, state: CanState, expected: Forecast | NoForecast, durations_h: list[float]) -> Judged:
        own = expected if isinstance(expected, Forecast) else None
        said = (own.full_at if own else None, last_slope(state, self.rules), past_duration(state, durations_h))
        full_at = dict(zip(METHODS, said, strict=True))
        return Judged(self.stream, state.at, full_at, own.low if own else None, own.high if own else None)


@dataclass(frozen=True, slots=True)
class Figures:
    """
    How good one method was for one stream.

    full, emptied_first: fills that reached the threshold, and that were emptied before. answered: share of the
    first. error: median relative error of the time left, with its 95 % bootstrap interval; error_p90 its 90 %
    quantile; hours: median error in hours. covered: share of the truths within the interval, and width: its median
    width relative to the time left; None where a method gives no interval. too_early: share of the second for which
    the forecast was no later than the last reading before the emptying.
    """

    stream: str
    method: str
    full: int
    emptied_first: int
    answered: float | None
    error: float | None
    error_95: tuple[float, float] | None
    error_p90: float | None
    hours: float | None
    covered: float | None
    width: float | None
    too_early: float | None


def figures(judged: Iterable[Judged], seed: int) -> list[Figures]:
    """Return the figures by stream and method; a fill that neither got full nor was emptied yet takes no part."""
    by_stream: dict[str, list[Judged]] = {}
    for each in judged:
        if each.true_at is not None or each.until is not None:
            by_stream.setdefault(each.stream, []).append(each)
    return [
        _figures(stream, method, each, random.Random(seed))  # noqa: S311 - resampling, no secret
        for stream, each in sorted(by_stream.items())
        for method in METHODS
    ]


def _figures(stream: str, method: str, judged: list[Judged], chance: random.Random) -> Figures:
    full = [(each, each.true_at) for each in judged if each.true_at is not None and each.true_at > each.made_at]
    emptied = [(each, each.until) for each in judged if each.until is not None]
    errors, relative = [], []
    for each, true_at in full:
        if (said := each.full_at[method]) is not None:
            errors.append(abs(said - true_at) / 3600)
            relative.append(abs(said - true_at) / (true_at - each.made_at))
    within, widths = [], []
    for each, true_at in full if method == METHODS[0] else ():
        if each.low is not None and each.high is not None:
            within.append(each.low <= true_at <= each.high)
            widths.append((each.high - each.low) / (true_at - each.made_at))
    early = [said <= until for each, until in emptied if (said := each.full_at[method]) is not None]
    return Figures(
        stream,
        method,
        len(full),
        len(emptied),
        len(errors) / len(full) if full else None,
        median(relative) if relative else None,
        _spread(relative, chance) if len(relative) > 2 else None,
        quantiles(relative, n=10)[-1] if len(relative) > 2 else None,
        median(errors) if errors else None,
        sum(within) / len(within) if within else None,
        median(widths) if widths else None,
        sum(early) / len(early) if early else None,
    )


def _spread(values: list[float], chance: random.Random) -> tuple[float, float]:
    """Return the 95 % interval of the median by 200 resamples."""
    medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(200))
    return medians[4], medians[194]


def _just_full(before: CanState | None, state: CanState) -> bool:
    """Say whether it is this reading that shows that the threshold was reached."""
    if len(state.course.passed) < 4:
        return False
    return before is None or before.course.started_at != state.course.started_at or len(before.course.passed) < 4
