"""How a can filled in the past: at most 52 typical fills, in six bytes each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: So many typical fills are kept of a can. 40 cost paper 0.02 of relative error, 64 gain nothing (docs/insight.md).
MOST = 52

#: A fill is a number of 48 bits: 7 for its place in day and week, 7 for each of four durations, 13 for its weight.
_LENGTH, _DURATION, _WEIGHT = 6, 7, 13
_TOP, _HEAVIEST = 90, (1 << _WEIGHT) - 1

#: Hours of duration 0, and the logarithm of the ratio of one to the next: 0.2 hours to 100 days.
_SHORTEST_H, _RATIO = 0.2, math.log(1.11)
_LOG_HOURS = [math.log(_SHORTEST_H) + number * _RATIO for number in range(_TOP + 1)]
_HOURS = [math.exp(value) for value in _LOG_HOURS]
#: Places of the day, of 32 minutes each: from 0 of working days, from 45 on of weekends.
_PLACES = 45
#: Weights: the number of a new fill, the logarithm of one step, and by how much all are lowered at once.
_NEW, _STEP, _LOWERED = 4000, 0.003, 1000
#: A fill that has faded to this weight gives its place to a new one.
_FADED = 0.01


@dataclass(frozen=True, slots=True)
class Fill:
    """
    One way in which a can got full.

    hour: hour of the day (UTC) at which it passed half of its threshold; weekend: whether that was on one.
    hours: from emptied to a quarter of the threshold, and from there to a half, three quarters, and the whole.
    weight: how many fills it stands for; those of long ago count less.
    """

    hour: float
    weekend: bool
    hours: tuple[float, float, float, float]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Fills:
    """
    Typical fills as bytes, six each. grown: the logarithm of what a new one weighs.

    A new fill weighs more than the last by a fixed ratio, so that the old fade and none of them is rewritten.
    """

    data: bytes = b""
    grown: float = 0.0

    def __len__(self) -> int:
        return len(self.data) // _LENGTH

    def read(self) -> list[Fill]:
        """Return the fills; a new one would have a weight of 1."""
        return [_fill(number, self.grown) for number in _numbers(self.data)]

    def added(self, new: Fill, fade: float) -> Fills:
        """
        Return the fills and one more: in a free place, or that of one that has faded, or merged with its nearest.

        fade: by which share of its weight each fades when a new one comes.
        """
        numbers, grown = _numbers(self.data), round(self.grown - math.log1p(-fade), 6)
        if grown > _LOWERED * _STEP:
            numbers, grown = [_lowered(number) for number in numbers], round(grown - _LOWERED * _STEP, 6)
        known = [_fill(number, grown) for number in numbers]
        lightest = min(range(len(known)), key=lambda place: known[place].weight, default=0)
        if known and known[lightest].weight < _FADED:
            numbers[lightest] = _number(new, grown)
        elif len(numbers) < MOST:
            numbers.append(_number(new, grown))
        else:
            nearest = min(range(MOST), key=lambda place: _distance(known[place], new))
            numbers[nearest] = _number(_merged(known[nearest], new), grown)
        return Fills(b"".join(number.to_bytes(_LENGTH) for number in numbers), grown)

    def rescaled(self, ratio: float) -> Fills:
        """Return the fills as they would be were the threshold so many times as high; beyond it, by their last pace."""
        numbers = []
        for fill in self.read():
            times = [0.0]
            for hours in fill.hours:
                times.append(times[-1] + hours)
            known = list(zip(range(5), times, strict=True))
            marks = [interpolated(known, ratio * at) for at in range(5)]
            ways = [later - before for before, later in pairwise(marks)]
            hour = (fill.hour + marks[2] - times[2]) % 24
            new = Fill(hour, fill.weekend, (ways[0], ways[1], ways[2], ways[3]), fill.weight)
            numbers.append(_number(new, self.grown))
        return Fills(b"".join(number.to_bytes(_LENGTH) for number in numbers), self.grown)


def interpolated(known: Sequence[tuple[float, float]], at: float) -> float:
    """Return the value at a place on a line through known points, ascending; beyond the last as before it."""
    before = (0.0, 0.0)
    slope = 0.0
    for place, value in known:
        if place > before[0]:
            slope = (value - before[1]) / (place - before[0])
        if place >= at:
            return value - slope * (place - at) if place > at else value
        before = (place, value)
    return before[1] + slope * (at - before[0])


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + _LENGTH]) for at in range(0, len(data), _LENGTH)]


def _fill(number: int, grown: float) -> Fill:
    durations, weight = number >> _WEIGHT, number & _HEAVIEST
    first, second, third, fourth = (durations >> shift & 127 for shift in (21, 14, 7, 0))
    place = durations >> 28
    weekend = place >= _PLACES
    return Fill(
        (place - _PLACES * weekend) * 24 / _PLACES,
        weekend,
        (_HOURS[first], _HOURS[second], _HOURS[third], _HOURS[fourth]),
        math.exp((weight - _NEW) * _STEP - grown),
    )


def _number(fill: Fill, grown: float) -> int:
    number = round(fill.hour * _PLACES / 24) % _PLACES + _PLACES * fill.weekend
    for hours in fill.hours:
        duration = round((math.log(max(hours, _SHORTEST_H)) - _LOG_HOURS[0]) / _RATIO)
        number = number << _DURATION | min(duration, _TOP)
    weight = min(max(round((math.log(fill.weight) + grown) / _STEP) + _NEW, 0), _HEAVIEST)
    return (number << _WEIGHT) | weight


def _lowered(number: int) -> int:
    """Return a fill with its weight lowered as all are, so that the bits suffice for ever."""
    return number - min(number & _HEAVIEST, _LOWERED)


def _distance(one: Fill, other: Fill) -> float:
    """Say how unlike two fills are, first of all in what a forecast uses: the hour, and the way from a half to full."""
    apart = abs(one.hour - other.hour)
    apart = min(apart, 24 - apart) / 1.5
    first, second, third, fourth = one.hours
    others = other.hours
    rest = math.log((third + fourth) / (others[2] + others[3])) / 0.3
    middle = math.log(third / max(others[2], _SHORTEST_H))
    start = math.log(second / max(others[1], _SHORTEST_H)) / 2
    early = math.log(first / max(others[0], _SHORTEST_H)) / 3
    return (
        apart * apart
        + rest * rest
        + middle * middle
        + start * start
        + early * early
        + 4 * (one.weekend != other.weekend)
    )


def _merged(one: Fill, other: Fill) -> Fill:
    """Return the mean of two fills, of durations the geometric one."""
    weight = one.weight + other.weight
    share = other.weight / weight
    apart = (other.hour - one.hour + 12) % 24 - 12
    first, second, third, fourth = (
        mine * (max(theirs, _SHORTEST_H) / mine) ** share for mine, theirs in zip(one.hours, other.hours, strict=True)
    )
    return Fill((one.hour + share * apart) % 24, one.weekend, (first, second, third, fourth), weight)
