"""
The town: which cans there are, where they stand, who fills them and when the truck comes.

All of it follows from a seed: can number 17 of seed 1 is the same can in a fleet of 20 and of 20,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from hashlib import shake_128
from itertools import accumulate
from math import cos, exp, radians
from statistics import NormalDist
from struct import unpack

#: The lab's simulator numbers its cans from here: 400, 401 ... 999, 1000.
FIRST_ID = 400
CANS_PER_SITE = 4
SITES_PER_QUARTER = 12
#: Kumasi: no random place is in open water, and its time zone is UTC all year round.
CENTRE = (6.68848, -1.62443)
KM_PER_DEGREE = 111.2

_NORMAL = NormalDist()


def draws(count: int, *key: object) -> tuple[float, ...]:
    """
    Return `count` numbers strictly between 0 and 1 that depend on the key alone.

    A hash is the random source because it needs no state: any day of any can is drawn without the days before it, in
    1 us; seeding a random.Random takes 5 us before its first number (2026-11-24).
    """
    digest = shake_128("/".join(map(str, key)).encode()).digest(4 * count)
    return tuple((whole + 0.5) / 2**32 for whole in unpack(f">{count}I", digest))


def normal(draw: float) -> float:
    """Turn a uniform draw into one of the standard normal distribution."""
    return _NORMAL.inv_cdf(draw)


@dataclass(frozen=True, slots=True)
class Habit:
    """When people throw away: shares of the day by hour (sum 1), weight of each weekday (mean 1)."""

    hours: tuple[float, ...]
    weekdays: tuple[float, ...]


def _habit(hours: str, weekdays: str) -> Habit:
    by_hour, by_day = [int(share) for share in hours.split()], [int(share) for share in weekdays.split()]
    return Habit(tuple(share / sum(by_hour) for share in by_hour), tuple(7 * share / sum(by_day) for share in by_day))


#: By hour from midnight, by day from Monday. Public levels of street containers show the same shape:
#: almost nothing before 5, a plateau from 8 to 17, and half as much on Sundays where shops fill the can.
HABITS = {
    "shops": _habit("1 1 1 1 2 4 9 16 24 26 25 24 23 22 22 21 20 18 13 8 5 3 2 1", "12 10 10 10 11 13 5"),
    "homes": _habit("2 1 1 1 1 4 11 16 13 11 11 12 13 12 11 12 15 19 22 21 17 12 7 4", "10 8 8 8 9 13 14"),
    "offices": _habit("1 1 1 1 1 3 8 15 22 24 24 26 28 25 22 20 18 16 12 7 3 2 1 1", "13 13 13 12 11 3 2"),
}


@dataclass(frozen=True, slots=True)
class Rounds:
    """The days on which the truck comes: weekdays from Monday 0, in every `weeks`th week."""

    weekdays: frozenset[int]
    weeks: int = 1
    offset: int = 0

    def on(self, day: int) -> bool:
        """Return whether there is a round on the day with this proleptic Gregorian ordinal (1 was a Monday)."""
        week, weekday = divmod(day - 1, 7)
        return weekday in self.weekdays and week % self.weeks == self.offset

    @property
    def days_between(self) -> float:
        """The average number of days from one round to the next."""
        return 7 * self.weeks / len(self.weekdays)


def _rounds(*plans: str, weeks: int = 1) -> tuple[Rounds, ...]:
    return tuple(Rounds(frozenset(map(int, plan.split())), weeks, offset) for plan in plans for offset in range(weeks))


#: Per stream: the share of all cans, and the rounds, of which each can has one.
STREAMS = {
    "residual": (0.30, _rounds("0 3", "1 4", "0 2 4")),
    "paper": (0.22, _rounds("0 2 4", "1 4", "0 2 4 5")),
    "plastic": (0.20, _rounds("1 3", "1 5", "2 5")),
    "glass": (0.14, _rounds("2", "3") + _rounds("2", weeks=2)),
    "bio": (0.09, _rounds("0 4", "1 4")),
    "metal": (0.05, _rounds("3", weeks=2)),
}


@dataclass(frozen=True, slots=True)
class Can:
    """
    One can and its sensor.

    location: latitude and longitude in degrees, five decimals (about a metre).
    pace: percent of the can filled on an average day. noise: standard deviation of a reading, in percent.
    every_s, phase_s: the sensor measures about every `every_s` seconds, counted from `phase_s` after 1970.
    """

    number: int
    can_id: str
    stream: str
    location: tuple[Decimal, Decimal]
    habit: Habit
    rounds: Rounds
    pace: float
    noise: float
    every_s: int
    phase_s: int


#: Of the groups of cans. The town is made up, and so are these.
STREETS = (
    "Acacia Street", "Baobab Avenue", "Bridge Road", "Cedar Lane", "Chapel Street", "Clock Tower Road", "Cocoa Street",
    "Court Road", "Garden Street", "Harmony Avenue", "High Street", "Hill Road", "Library Street", "Market Street",
    "Mill Lane", "Museum Road", "Orchard Street", "Palm Avenue", "Park Road", "River Street", "School Lane",
    "Station Road", "Theatre Square", "Weavers Street",
)  # fmt: skip


PLACES = (
    "Bakery", "Bus stop", "Car park", "Church", "Clinic", "Fire station", "Football ground", "Library", "Market hall",
    "Mosque", "Museum", "Petrol station", "Playground", "Post office", "School", "Supermarket", "Town hall", "Workshop",
)  # fmt: skip


def name_and_address(seed: int, number: int) -> tuple[str, str]:
    """Return where a can is, in words: beside what its group stands, and the address of that."""
    place, street, house = draws(3, seed, "address", number // CANS_PER_SITE)
    return PLACES[int(place * len(PLACES))], f"{STREETS[int(street * len(STREETS))]} {1 + int(house * 90)}"


def can(seed: int, number: int) -> Can:
    """Return can number `number`, from 0, of the town that this seed makes."""
    site = number // CANS_PER_SITE
    choice, turn, full, noise, every, phase, east, north = draws(8, seed, "can", number)
    stream, rounds = _stream(choice, turn)
    # Most cans are half to three quarters full when the truck comes; some overflow between two rounds.
    filled_at_round = min(max(62 * exp(0.35 * normal(full)), 20), 150)
    every_s = round(7200 + 3600 * every)
    return Can(
        number=number,
        can_id=str(FIRST_ID + number),
        stream=stream,
        location=_beside(_site(seed, site), 0.006, east, north),
        habit=_quarter_habit(seed, site // SITES_PER_QUARTER),
        rounds=rounds,
        pace=filled_at_round / rounds.days_between,
        noise=0.4 + 1.6 * noise,
        every_s=every_s,
        phase_s=int(every_s * phase),
    )


def _stream(choice: float, turn: float) -> tuple[str, Rounds]:
    shares = accumulate(share for share, _ in STREAMS.values())
    stream = next(name for name, passed in zip(STREAMS, shares, strict=True) if choice < passed + 1e-9)
    rounds = STREAMS[stream][1]
    return stream, rounds[int(turn * len(rounds))]


@cache
def _site(seed: int, site: int) -> tuple[Decimal, Decimal]:
    """Return the location of a group of cans: near its quarter's centre, as quarters are near the town's."""
    quarter = site // SITES_PER_QUARTER
    # The first quarter is the town's centre; the others lie around it.
    spread_km = 2.2 if quarter else 0.0
    middle = _beside(_decimal(*CENTRE), spread_km, *draws(2, seed, "quarter", quarter))
    return _beside(middle, 0.45, *draws(2, seed, "site", site))


@cache
def _quarter_habit(seed: int, quarter: int) -> Habit:
    if quarter == 0:
        return HABITS["shops"]
    (kind,) = draws(1, seed, "habit", quarter)
    return HABITS["homes" if kind < 0.6 else "shops" if kind < 0.8 else "offices"]


def _beside(place: tuple[Decimal, Decimal], spread_km: float, east: float, north: float) -> tuple[Decimal, Decimal]:
    lat, lon = float(place[0]), float(place[1])
    lat += spread_km * normal(north) / KM_PER_DEGREE
    lon += spread_km * normal(east) / (KM_PER_DEGREE * cos(radians(lat)))
    return _decimal(lat, lon)


def _decimal(lat: float, lon: float) -> tuple[Decimal, Decimal]:
    return Decimal(f"{lat:.5f}"), Decimal(f"{lon:.5f}")
