"""
The fleet as a pure model: what each can's sensor measures, and when. It does no I/O and reads no clock.

Each can fills at its own pace, by the hour and the weekday of the people around it, in lumps, and rounds of
collection empty it. A level is a function of seed, can and instant: nothing is replayed from a beginning, so a run that
is resumed measures what it would have measured without a pause.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from heapq import heapify, heapreplace
from itertools import accumulate
from math import exp, log
from typing import NamedTuple

from reports.report import EPOCH
from simulator import faults, town
from simulator.faults import Fault
from simulator.town import Can, draws, normal

#: Cans fill up to a little more than the sensor's 100 percent.
BRIM = 103.0
#: A sensor measures up to this long before or after its turn.
JITTER_S = 480
#: In this share of the runs of RUN turns, a sensor is silent for some of the turns.
RUN = 8
SILENT_RUNS = 0.02
#: The mean of a run's silent turns, one of the eight equally likely lengths, as a share of all turns.
SILENT = SILENT_RUNS * (RUN + 1) / 2 / RUN
#: Share of readings that are far too low: something passed under the sensor.
DIPS = 0.003
#: Share of a stream's rounds that are cancelled, and share of rounds that miss a can.
CANCELLED = 0.02
MISSED = 0.04


class Place(NamedTuple):
    """A place in the order of measurements; the lower can number is first where instants are equal."""

    measured_at: datetime
    number: int = -1


@dataclass(frozen=True, slots=True)
class Measurement:
    """
    What a can's sensor measured: a level in percent, 0-100, with the digits that the device sends.

    events: what it tells beside it, as that it is tilted. With the fault POISON its level may be a word.
    """

    can: Can
    level: str
    measured_at: datetime
    events: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """The position of this measurement in the fleet's order."""
        return Place(self.measured_at, self.can.number)


@dataclass(frozen=True, slots=True)
class _Day:
    """
    One can's local day: the true level at its beginning, which may exceed 100, and what happens to it.

    filled: percent added over the day. by_hour: the share of it added by each of 25 full hours.
    emptied_at: the hour of the collection, with its fraction; None on other days. residue: the level after it.
    """

    opening: float
    filled: float
    by_hour: tuple[float, ...]
    emptied_at: float | None
    residue: float

    def level(self, hour: float) -> float:
        """Return the true level at an hour of this day, 0 to 24, with its fraction."""
        if self.emptied_at is None or hour < self.emptied_at:
            return self.opening + self.filled * self._share(hour)
        return self.residue + self.filled * (self._share(hour) - self._share(self.emptied_at))

    @property
    def closing(self) -> float:
        """The true level at the day's end."""
        if self.emptied_at is None:
            return self.opening + self.filled
        return self.residue + self.filled * (1 - self._share(self.emptied_at))

    def _share(self, hour: float) -> float:
        whole = min(int(hour), 23)
        before, after = self.by_hour[whole : whole + 2]
        return before + (after - before) * (hour - whole)


class _Turn(NamedTuple):
    """A sensor's turn to measure, in the order of Place. number: the can's; noise: the draws for its reading."""

    at_s: int
    number: int
    nth: int
    noise: tuple[float, ...]


@dataclass(frozen=True)
class Fleet:
    """
    `size` cans of the town that `seed` makes.

    zone: the time zone of the town's hours and weekdays. new_since: of a demonstration: then some cans have faults
    (simulator.faults), and all but every twentieth were added at that instant.
    """

    seed: int = 1
    size: int = 500
    zone: tzinfo = UTC
    new_since: datetime | None = None
    # A cache: each entry follows from seed, can and day.
    _days: dict[int, tuple[int, _Day]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def cans(self) -> tuple[Can, ...]:
        """All cans, by number."""
        return tuple(town.can(self.seed, number) for number in range(self.size))

    def measurements(self, after: Place) -> Iterator[Measurement]:
        """
        Yield what the sensors measure, each about every 2.5 hours, in order of time, without end.

        after: the first one yielded is the one after this place; Place(instant) begins at that instant.
        """
        since_s = _seconds(after.measured_at) - 1
        turns = [self._turn(can, _index_before(can, since_s)) for can in self.cans]
        heapify(turns)
        while turns:
            turn = turns[0]
            can, at = self.cans[turn.number], EPOCH + timedelta(seconds=turn.at_s)
            if Place(at, can.number) > after and not self._silent(can, turn.nth) and self._reports(can, at):
                yield self._measured(can, at, turn.noise)
            heapreplace(turns, self._turn(can, turn.nth + 1))

    def newest(self, at: datetime) -> list[Measurement]:
        """Return each can's last measurement up to this instant, in order of time."""
        newest = []
        for can in self.cans:
            index = _index_before(can, _seconds(at)) + 2
            while (
                (turn := self._turn(can, index)).at_s > _seconds(at)
                or self._silent(can, index)
                or self._is_silenced(can, EPOCH + timedelta(seconds=turn.at_s))
            ):
                index -= 1
            newest.append(self._measured(can, EPOCH + timedelta(seconds=turn.at_s), turn.noise))
        return sorted(newest, key=lambda measurement: measurement.place)

    def at_rate(self, per_second: float, since: datetime) -> Iterator[Measurement]:
        """
        Yield measurements evenly, `per_second` in a second of the whole fleet, without end.

        In each turn of the fleet every can measures once, in an order that differs from turn to turn.
        """
        nth = -int(-_seconds(since) * per_second // 1)
        while True:
            turn, position = divmod(nth, self.size)
            order = sorted((draws(1, self.seed, "order", turn, number), number) for number in range(self.size))
            for _, number in order[position:]:
                at = EPOCH + timedelta(microseconds=round(nth / per_second * 1e6))
                noise = draws(3, self.seed, "rate", turn, number)
                yield self._measured(self.cans[number], at, noise)
                nth += 1

    def end_of(self, instant: datetime) -> Place:
        """Return the place after all measurements up to this instant, itself included."""
        return Place(instant, self.size)

    def expected(self, since: datetime, until: datetime) -> int:
        """Return about how many measurements the fleet makes between these instants."""
        parts = (
            max(
                (
                    until - (since if self._is_there(can, since) else max(since, self.new_since or since))
                ).total_seconds(),
                0,
            )
            / can.every_s
            for can in self.cans
        )
        return round(sum(parts) * (1 - SILENT))

    def level(self, can: Can, at: datetime) -> float:
        """Return the can's true level in percent, without the errors of its sensor."""
        local = at.astimezone(self.zone)
        hour = local.hour + local.minute / 60 + local.second / 3600
        return min(self._day(can, local.toordinal()).level(hour), BRIM)

    def collection(self, can: Can, day: int) -> tuple[float, float] | None:
        """Return at which hour of the local day (an ordinal) the can is emptied and what is left, or None."""
        if not can.rounds.on(day):
            return None
        (cancelled,) = draws(1, self.seed, "truck", can.stream, day)
        missed, hour, left, how = draws(4, self.seed, "round", can.number, day)
        if cancelled < CANCELLED or missed < MISSED:
            return None
        # From 5 to 11, most at 7; one can in twenty is not emptied completely.
        residue = 10 + 20 * left if how < 0.05 else 4 * left
        return min(max(7 + 1.3 * normal(hour), 5), 11), residue

    def _day(self, can: Can, day: int) -> _Day:
        known, state = self._days.get(can.number, (None, None))
        if state is not None and known == day:
            return state
        opening = state.closing if state is not None and known == day - 1 else self._opening(can, day)
        made = self._made(can, day, opening)
        self._days[can.number] = (day, made)
        return made

    def _made(self, can: Can, day: int, opening: float) -> _Day:
        # Waste comes in bags: each hour's share is partly habit, partly chance.
        lumps = draws(24, self.seed, "hours", can.number, day)
        shares = [usual * (0.4 - 0.6 * log(draw)) for usual, draw in zip(can.habit.hours, lumps, strict=True)]
        total = sum(shares)
        by_hour = (0.0, *(share / total for share in accumulate(shares)))
        emptied_at, residue = self.collection(can, day) or (None, 0.0)
        return _Day(opening, self._filled(can, day), by_hour, emptied_at, residue)

    def _opening(self, can: Can, day: int) -> float:
        """Return the level at the day's beginning: what was added since the last collection before it."""
        emptied = day - 1
        while self.collection(can, emptied) is None:
            emptied -= 1
        level = self._made(can, emptied, 0.0).closing
        # Added in the order of days: another order rounds to another last digit, and so to another report.
        for later in range(emptied + 1, day):
            level += self._filled(can, later)
        return level

    def _filled(self, can: Can, day: int) -> float:
        (luck,) = draws(1, self.seed, "day", can.number, day)
        return can.pace * can.habit.weekdays[(day - 1) % 7] * exp(0.3 * normal(luck))

    def _turn(self, can: Can, index: int) -> _Turn:
        jitter, *noise = draws(4, self.seed, "turn", can.number, index)
        at_s = can.phase_s + index * can.every_s + round(JITTER_S * (2 * jitter - 1))
        return _Turn(at_s, can.number, index, tuple(noise))

    def _silent(self, can: Can, index: int) -> bool:
        run, position = divmod(index, RUN)
        silent, length = draws(2, self.seed, "silent", can.number, run)
        return silent < SILENT_RUNS and position <= int(length * RUN)

    def _is_there(self, can: Can, at: datetime) -> bool:
        """Say whether a can is a part of the fleet at an instant."""
        return self.new_since is None or at >= self.new_since or faults.is_old(can)

    def _is_silenced(self, can: Can, at: datetime) -> bool:
        """Say whether a fault keeps a can from reporting."""
        return self.new_since is not None and faults.fault_of(can, at) is Fault.SILENT

    def _reports(self, can: Can, at: datetime) -> bool:
        return self._is_there(can, at) and not self._is_silenced(can, at)

    def _measured(self, can: Can, at: datetime, noise: tuple[float, ...]) -> Measurement:
        fault = None if self.new_since is None else faults.fault_of(can, at)
        chance = noise[2]
        match fault:
            case Fault.STUCK:
                day = at.replace(hour=0, minute=0, second=0, microsecond=0)
                return Measurement(can, digits(self.level(can, day - timedelta(days=faults.stuck_day(can, at)))), at)
            case Fault.JUMPING if chance < 0.5:
                return Measurement(can, "100" if chance < 0.25 else "0", at)
            case Fault.TILTED:
                return Measurement(can, self._reading(can, at, noise), at, ("tilt",))
            case Fault.POISON if chance < faults.POISONED:
                return Measurement(can, "error", at)
        return Measurement(can, self._reading(can, at, noise), at)

    def _reading(self, can: Can, at: datetime, noise: tuple[float, ...]) -> str:
        blur, dip, depth = noise
        level = self.level(can, at) + can.noise * normal(blur)
        if dip < DIPS:
            level *= depth / 2
        return digits(level)


def digits(level: float) -> str:
    """Write a level as the lab's JavaScript does, all digits and no exponent, within 0 and 100."""
    if level >= 100:
        return "100"
    # Below this repr() would write an exponent.
    return repr(level) if level >= 1e-4 and level != int(level) else str(max(int(level), 0))


def _index_before(can: Can, at_s: float) -> int:
    """Return the index of a turn that is certainly before this second, and only a few turns before."""
    return int(at_s - can.phase_s - JITTER_S) // can.every_s


def _seconds(at: datetime) -> float:
    return (at - EPOCH).total_seconds()
