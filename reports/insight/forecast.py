"""When a can will reach its threshold: from how it filled before, and how it fills now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from reports.insight.fills import Fills

#: Bounds of the interval: four forecasts of five shall lie within.
_LOW, _HIGH = 0.1, 0.9
#: Added to hours before the logarithm is taken: below half an hour, nearer means nothing.
_SOFT_H = 0.5
#: Fewer past fills than this tell little; so many tell enough.
FEW, _ENOUGH = 3, 10


@dataclass(frozen=True, slots=True)
class ForecastRule:
    """
    How past fills and the present one make a forecast.

    hour_width: how alike the hour of the day must be, in hours; None where it does not matter. weekend: what a
    fill of the other kind of day counts. carried: how much of being later than a past fill is taken off the time
    that is left. pace: what the present pace counts, in fills. width, spread: how wide a fill's duration is taken
    for the forecast, and for its interval, as logarithms. fade: by which share past fills fade with each new one.
    unfinished: what a fill counts that was emptied between
    a half of the threshold and the threshold, and is taken to have gone on at its mean pace. jump: after how many
    hours at most it is found where it is now, counted from the last quarter of the threshold that it passed.
    shift, slope: the logarithm of the odds of a chance is multiplied by slope and shifted, since past fills are those
    that got full before the truck came: so their chances are too high (docs/insight.md, "The chance").
    """

    hour_width: float | None
    weekend: float
    carried: float
    pace: float
    width: float
    spread: float
    fade: float
    unfinished: float
    jump: float
    shift: float = 0
    slope: float = 1


#: Cans that fill within hours: the time of day decides whether it is this evening or tomorrow.
FAST = ForecastRule(
    hour_width=1.5, weekend=0.4, carried=0, pace=0.05, width=0.35, spread=0.3, fade=0.005, unfinished=0.25, jump=3,
    shift=-0.7, slope=0.75,
)  # fmt: skip
#: Cans that fill within days: the time of day does not matter, and a slow first half has a quicker second one.
SLOW = ForecastRule(
    hour_width=None, weekend=1, carried=0.7, pace=1, width=0.4, spread=0.3, fade=0.15, unfinished=0.05, jump=math.inf
)
FORECAST: Mapping[str, ForecastRule] = {"paper": FAST, "glass": replace(SLOW, shift=-1.5)}
OTHERS = SLOW
#: By how many percent points chances of a can were off, on average, where shift and slope were chosen on the others
#: (docs/insight.md, "The chance"). Streams that are not here take the rules of plastic, and were never measured.
OFF_BY: Mapping[str, int] = {"paper": 7, "plastic": 5, "glass": 25}


class Reliability(StrEnum):
    """How much a forecast rests on: past fills that count, and how wide its interval is."""

    GOOD = "GOOD"
    FAIR = "FAIR"
    POOR = "POOR"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the can gets full if nobody empties it before: seconds since 1970, low <= full_at <= high."""

    full_at: int
    low: int
    high: int
    reliability: Reliability


@dataclass(frozen=True, slots=True)
class NoForecast:
    """Why there is no forecast."""

    reason: str


@dataclass(frozen=True, slots=True)
class Now:
    """
    Where a can stands in its present fill.

    at: the newest reading, seconds since 1970. share: of the threshold, 0 to below 1. started_at, started_share:
    when it was emptied, or first reported, and what was in it then. gap_h: hours from one report to the next.
    """

    at: int
    share: float
    started_at: int
    started_share: float
    gap_h: float


def forecast(fills: Fills, now: Now, rule: ForecastRule) -> Forecast | NoForecast:
    """
    Return when the can gets full: the most likely time, and an interval of 80 %.

    Each past fill says how long it took from the present level on. They are weighted by how alike the hour and the
    kind of day are; the present pace is one more. The answer is where these, each as wide as rule.width, are
    densest, but not before the next report; the interval holds the middle 80 % of them. Reads no clock.
    """
    samples = _samples(fills, now, rule)
    if not samples:
        return NoForecast("It was not yet seen to get full, and has not risen since it was emptied.")
    total = sum(weight for _, weight in samples)
    point = max(math.exp(_densest(samples, rule.width)) - _SOFT_H, now.gap_h)
    spread = _spread(fills, rule)
    low, high = (max(math.exp(_quantile(samples, spread, share * total)) - _SOFT_H, 0) for share in (_LOW, _HIGH))
    low, high = min(low, point), max(high, point)
    return Forecast(
        now.at + round(point * 3600),
        now.at + round(low * 3600),
        now.at + round(high * 3600),
        _reliability(len(fills), low, high),
    )


@dataclass(frozen=True, slots=True)
class Chances:
    """
    With which probability the can is full by an instant if nobody empties it before, as told at its newest reading.

    told_at: that reading, seconds since 1970. samples: the logarithm of the hours that are left, and a weight; each is
    as wide as `spread`. It is the distribution whose middle 80 % are the interval of `forecast`, which is one of fills
    that get full; shift and slope make of it what is right of all fills, as in ForecastRule.
    """

    told_at: int
    samples: Sequence[tuple[float, float]]
    spread: float
    shift: float = 0
    slope: float = 1

    def by(self, instant: int) -> float:
        """Return the probability for an instant in seconds since 1970: 0 to 1, and 0 up to `told_at`."""
        if instant <= self.told_at:
            return 0.0
        value = math.log(hours_between(self.told_at, instant) + _SOFT_H)
        chance = _below(self.samples, self.spread, value) / sum(weight for _, weight in self.samples)
        if not 0 < chance < 1:
            return min(max(chance, 0.0), 1.0)
        return 1 / (1 + math.exp(-self.shift) * math.pow(1 / chance - 1, self.slope))

    def hours_full(self, begin: int, end: int) -> float:
        """Return how many hours between two instants it is expected to be full: the integral of `by`."""
        steps = 24
        length = hours_between(begin, end) / steps
        ends = (self.by(begin) + self.by(end)) / 2
        return length * (ends + sum(self.by(begin + (end - begin) * step // steps) for step in range(1, steps)))


def chances(fills: Fills, now: Now, rule: ForecastRule) -> Chances | None:
    """Return with which probability the can is full by when; None where `forecast` gives no answer."""
    samples = _samples(fills, now, rule)
    return Chances(now.at, samples, _spread(fills, rule), rule.shift, rule.slope) if samples else None


def hours_between(start: int, end: int) -> float:
    """Return the hours from one instant to another, both in seconds since 1970."""
    return (end - start) / 3600


def hour_of_day(at: float) -> float:
    """Return the hour of the day (UTC) of an instant in seconds since 1970."""
    return at / 3600 % 24


def is_weekend(at: float) -> bool:
    """Say whether an instant in seconds since 1970 is on a Saturday or Sunday (UTC); 1 January 1970 was a Thursday."""
    return (at // 86400 + 3) % 7 >= 5


def _samples(fills: Fills, now: Now, rule: ForecastRule) -> list[tuple[float, float]]:
    """Return what the past fills and the present pace say: the logarithm of the hours that are left, and its weight."""
    samples = _past(fills, now, rule)
    since = max(hours_between(now.started_at, now.at), 0.5)
    risen = now.share - now.started_share
    if risen > 0.02 and rule.pace:
        pace = since * (1 - now.share) / max(risen, 0.1)
        samples.append((math.log(max(pace, now.gap_h) + _SOFT_H), rule.pace))
    # What counts for nothing beside the rest is left out: it is most of them where the hour matters.
    least = max((weight for _, weight in samples), default=0) * 0.01
    return [(value, weight) for value, weight in samples if weight > least]


def _spread(fills: Fills, rule: ForecastRule) -> float:
    # One or two fills do not show how much fills differ: their intervals held 4 truths of 10 before they were doubled.
    return rule.spread * (1 if len(fills) >= FEW else 2)


def _past(fills: Fills, now: Now, rule: ForecastRule) -> list[tuple[float, float]]:
    """Return what each past fill says: the logarithm of the hours that are left, and its weight."""
    quarter = min(int(now.share * 4), 3)
    part = now.share * 4 - quarter
    since, hour, weekend = hours_between(now.started_at, now.at), hour_of_day(now.at), is_weekend(now.at)
    samples = []
    for fill in fills.read():
        # A can that rises in jumps is found above a mark soon after it passed it, however long the quarter then takes.
        spent = sum(fill.hours[:quarter]) + min(fill.hours[quarter] * part, rule.jump)
        left = sum(fill.hours) - spent
        left = max(left - rule.carried * (since - spent), 0.3 * left, 0.25)
        weight = fill.weight
        if rule.hour_width:
            apart = abs((fill.hour + spent - fill.hours[0] - fill.hours[1]) % 24 - hour)
            like = math.exp(-0.5 * (min(apart, 24 - apart) / rule.hour_width) ** 2)
            weight *= like * (1 if fill.weekend == weekend else rule.weekend) + 0.001
        samples.append((math.log(left + _SOFT_H), weight))
    return samples


def _densest(samples: list[tuple[float, float]], width: float) -> float:
    """Return where the samples, each as wide as `width`, are densest: the best of them, moved uphill by mean shift."""
    exp, scale = math.exp, -0.5 / (width * width)

    def density(at: float) -> float:
        return sum(weight * exp(scale * (at - value) ** 2) for value, weight in samples)

    best = max((value for value, _ in samples), key=density)
    for _ in range(3):
        pulls = [(value, weight * exp(scale * (best - value) ** 2)) for value, weight in samples]
        best = sum(value * pull for value, pull in pulls) / sum(pull for _, pull in pulls)
    return best


def _quantile(samples: list[tuple[float, float]], width: float, weight: float) -> float:
    """Return below which value this weight of the samples lies, each as wide as `width`."""
    low, high = min(samples)[0] - 3 * width, max(samples)[0] + 3 * width
    # Ten halvings of at most ten units of the logarithm: to about 1 % of the hours.
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(samples, width, middle) < weight else (low, middle)
    return (low + high) / 2


def _below(samples: Sequence[tuple[float, float]], width: float, at: float) -> float:
    """Return the weight of the samples that lies below a value, each as wide as `width`."""
    erf, scale = math.erf, 1 / (width * math.sqrt(2))
    return sum(weight * (0.5 + 0.5 * erf((at - value) * scale)) for value, weight in samples)


def _reliability(fills: int, low: float, high: float) -> Reliability:
    if fills < FEW:
        return Reliability.POOR
    # The end of a GOOD interval is at most four times as far away as its beginning.
    return Reliability.GOOD if fills >= _ENOUGH and high <= 4 * max(low, 0.5) else Reliability.FAIR
