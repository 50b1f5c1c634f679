"""How a can filled in the past: at most 52 typical fills, in a text of bounded length."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: So many typical fills are kept of a can. 40 cost paper 0.02 of relative error, 64 gain nothing (docs/insight.md).
MOST = 52

#: Printable ASCII that JSON does not escape; the place of a sign in it is its number, 0 to 90.
_SIGNS = "".join(chr(code) for code in range(35, 127) if chr(code) != "\\")
_NUMBER = {sign: number for number, sign in enumerate(_SIGNS)}
_TOP = len(_SIGNS) - 1
_LENGTH = 7

#: Hours of sign 0, and the logarithm of the ratio of one sign to the next: 0.2 hours to 100 days.
_SHORTEST_H, _RATIO = 0.2, math.log(1.11)
_LOG_HOURS = [math.log(_SHORTEST_H) + number * _RATIO for number in range(_TOP + 1)]
_HOURS = [math.exp(value) for value in _LOG_HOURS]
#: Places of the day, of 32 minutes each: signs from 0 are working days, from 45 on weekends.
_PLACES = 45
#: Weights take two signs: the number of a new fill, the logarithm of one step, and by how much all are lowered at once.
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
    Typical fills as text, seven signs each. grown: the logarithm of what a new one weighs.

    A new fill weighs more than the last by a fixed ratio, so that the old fade and none of them is rewritten.
    """

    text: str = ""
    grown: float = 0.0

    def __len__(self) -> int:
        return len(self.text) // _LENGTH

    def read(self) -> list[Fill]:
        """Return the fills; a new one would have a weight of 1."""
        return [_fill(self.text[at : at + _LENGTH], self.grown) for at in range(0, len(self.text), _LENGTH)]

    def added(self, new: Fill, fade: float) -> Fills:
        """
        Return the fills and one more: in a free place, or that of one that has faded, or merged with its nearest.

        fade: by which share of its weight each fades when a new one comes.
        """
        text, grown = self.text, round(self.grown - math.log1p(-fade), 6)
        if grown > _LOWERED * _STEP:
            text, grown = _lowered(text), round(grown - _LOWERED * _STEP, 6)
        signs = [text[at : at + _LENGTH] for at in range(0, len(text), _LENGTH)]
        known = [_fill(sign, grown) for sign in signs]
        lightest = min(range(len(known)), key=lambda place: known[place].weight, default=0)
        if known and known[lightest].weight < _FADED:
            signs[lightest] = _signs(new, grown)
        elif len(signs) < MOST:
            signs.append(_signs(new, grown))
        else:
            nearest = min(range(MOST), key=lambda place: _distance(known[place], new))
            signs[nearest] = _signs(_merged(known[nearest], new), grown)
        return Fills("".join(signs), grown)


def _fill(signs: str, grown: float) -> Fill:
    place, first, second, third, fourth, coarse, fine = (_NUMBER[sign] for sign in signs)
    weekend = place >= _PLACES
    return Fill(
        (place - _PLACES * weekend) * 24 / _PLACES,
        weekend,
        (_HOURS[first], _HOURS[second], _HOURS[third], _HOURS[fourth]),
        math.exp((coarse * len(_SIGNS) + fine - _NEW) * _STEP - grown),
    )


def _signs(fill: Fill, grown: float) -> str:
    place = round(fill.hour * _PLACES / 24) % _PLACES + _PLACES * fill.weekend
    hours = [round((math.log(max(hours, _SHORTEST_H)) - _LOG_HOURS[0]) / _RATIO) for hours in fill.hours]
    weight = divmod(max(0, round((math.log(fill.weight) + grown) / _STEP) + _NEW), len(_SIGNS))
    return "".join(_SIGNS[min(number, _TOP)] for number in (place, *hours, *weight))


def _lowered(text: str) -> str:
    """Return the text with every weight lowered alike, so that signs suffice for ever."""
    lowered = []
    for at in range(0, len(text), _LENGTH):
        shape, coarse, fine = text[at : at + _LENGTH - 2], text[at + _LENGTH - 2], text[at + _LENGTH - 1]
        weight = divmod(max(0, _NUMBER[coarse] * len(_SIGNS) + _NUMBER[fine] - _LOWERED), len(_SIGNS))
        lowered.append(shape + _SIGNS[weight[0]] + _SIGNS[weight[1]])
    return "".join(lowered)


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
