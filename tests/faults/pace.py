"""How much the scenarios ask of the pair of local servers that is used: the only place where the two pairs differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stack.servers import Kind
from tests.support.kind import KIND

#: How the ids of the cans begin whose reports warm new servers up: of no scenario.
WARM = "warm"


@dataclass(frozen=True, slots=True)
class Pace:
    """
    parallel: scenarios side by side. most_rate: reports a second that a load sends at most. patience: by how much the
    bounds of time are longer. warm: reports that new servers store before the first scenario.
    """

    parallel: int
    most_rate: float
    patience: float
    warm: int


PACES: Mapping[Kind, Pace] = {
    # Most of the time a scenario waits. The bounds in the scenarios are meant for this pair.
    "embedded": Pace(parallel=6, most_rate=1_000, patience=1.0, warm=0),
    # Each Java server compiles itself for its first 20 s, with a core of its own if it can have one, and then needs
    # several times the CPU: six pairs at once on two busy cores answered after seconds, and no bound held
    # (2026-11-27). Fewer at once and half of the load leave enough CPU to the workers, and the bounds are twice
    # as long.
    "java": Pace(parallel=3, most_rate=50, patience=2.0, warm=1_000),
}
PACE = PACES[KIND]


def bound_s(seconds: float) -> float:
    """Return a bound of time, in seconds, as it holds on this pair."""
    return seconds * PACE.patience
