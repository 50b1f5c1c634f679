"""Cans that behave like cans, made from a seed: levels in percent, times in seconds since 1970."""

from __future__ import annotations

import math
import random
from itertools import pairwise

from hypothesis import strategies as st

from reports.insight.cycles import Reading

HOUR = 3600
#: A Monday, at midnight UTC.
MONDAY = 1_767_571_200


def hourly(levels: list[float], start: int = MONDAY, every: int = HOUR) -> list[Reading]:
    """Return these levels as readings, one an hour."""
    return [(start + number * every, float(level)) for number, level in enumerate(levels)]


def a_can(days: int, seed: int = 1, per_hour: float = 8, emptied_at: int = 8, every_days: int = 1) -> list[Reading]:
    """
    Return a can read about each 2 h, that fills by day alone and is emptied in the morning.

    per_hour: points that it gains in an hour between 8 and 20 o'clock, more or less. every_days: how often it is
    emptied. One reading in a hundred is wild.
    """
    # Two sources of chance, so that fewer days are a part of more days.
    chance, clock = random.Random(seed), random.Random(-seed)
    level, pace, readings = 0.0, 1.0, []
    times = [MONDAY + number * 2 * HOUR + clock.randrange(-600, 600) for number in range(days * 12)]
    readings.append((times[0], 0.0))
    for before, at in pairwise(times):
        for hour in range(before // HOUR + 1, at // HOUR + 1):
            if hour % 24 == emptied_at and hour // 24 % every_days == 0:
                level, pace = 0.0, math.exp(chance.gauss(0, 0.15))
            elif 8 <= hour % 24 < 20:
                level = min(100, level + per_hour * pace * chance.uniform(0.5, 1.5))
        seen = level if chance.random() > 0.01 else chance.choice([0, 100])
        readings.append((at, round(float(seen), 1)))
    return readings


#: Any readings at all: repeated instants, outages, wild levels.
readings = st.lists(
    st.tuples(
        st.integers(0, 40 * 24 * 60).map(lambda minute: MONDAY + minute * 60),
        st.integers(0, 1000).map(lambda tenths: tenths / 10),
    ),
    min_size=1,
    max_size=80,
)
