"""
Which cans a round should empty, in which order of urgency and why; which it leaves, and why; and what that avoids.

A can overflows while it is at its threshold or above: nobody knows how much lies beside it. Overflow is counted as in
Markov, Bierlaire, Cordeau, Maknoon, Varone, "Waste collection inventory routing with non-stationary stochastic
demands", Computers & Operations Research 113 (2020): by the probability that a container is full; here in hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from reports.insight.fills import Fills
from reports.insight.fold import Row
from reports.insight.forecast import FEW, OFF_BY, Chances, Forecast, NoForecast, Reliability
from reports.insight.since import since
from reports.insight.standing import Standing, expected, standing
from reports.insight.state import CanState, chances_of
from reports.insight.status import DOUBTFUL, Status
from reports.insight.verdict import duration

#: A can with less in it is not worth the way, however long ago it was emptied.
AGE_FROM_LEVEL = 10
#: Chances that were off by more points than this, on average, are told with that.
ROUGH = 10
#: Of a can that is left although it may be full by then; below it, it is left for later.
POSSIBLE_FROM = 0.1


class Why(StrEnum):
    """Why a can is on the list, the most urgent first."""

    FULL = "FULL"
    FORECAST = "FORECAST"
    SUSPECT = "SUSPECT"
    AGE = "AGE"


class WhyNot(StrEnum):
    """Why a can is not on the list, what matters most first."""

    #: It burns, or did: no stop of a round.
    FIRE = "FIRE"
    #: It should be emptied, but the list is as long as was asked for.
    BEYOND = "BEYOND"
    POSSIBLE = "POSSIBLE"
    SILENT = "SILENT"
    UNKNOWN = "UNKNOWN"
    NEVER_REPORTED = "NEVER_REPORTED"
    LATER = "LATER"


@dataclass(frozen=True, slots=True)
class Round:
    """
    The round that a list is for. Aware instants, now <= by < next_at.

    by: when it comes. next_at: when the next one comes. chance: a can is on the list if it is full by then at least so
    probably, 0 to 1. age: so long after its last emptying a can is on the list, however full.
    """

    now: datetime
    by: datetime
    next_at: datetime
    chance: float
    age: timedelta


@dataclass(frozen=True, slots=True)
class Judged:
    """
    One can, judged for a round.

    reason: a sentence with figures. since: since when it is FULL, None where that is not known. chance: that it is full
    by then, None where nothing tells it. forecast, avoided_h: see `with_figures`.
    """

    row: Row
    standing: Standing
    why: Why | WhyNot
    reason: str
    since: datetime | None = None
    forecast: Forecast | None = None
    chance: float | None = None
    avoided_h: float | None = None


def judged(row: Row, plan: Round) -> Judged:
    """Judge one can for a round: on the list if `why` is a Why, left if it is a WhyNot; without `with_figures`."""
    stands = standing(row, plan.now)
    odds = _odds(row, stands)
    if stands.status is Status.FULL and not stands.is_old:
        chance: float | None = 1.0
    else:
        chance = odds.by(_s(plan.by)) if odds else None
    why, reason = _why(row, stands, chance, plan)
    full = since(row, stands.status) if why is Why.FULL else None
    return Judged(row, stands, why, reason, since=full.at if full else None, chance=chance)


def with_figures(can: Judged, plan: Round) -> Judged:
    """
    Return a judged can with its forecast and the overflow hours that its emptying avoids, None where not told.

    It costs several times as much as to judge it, so only what is listed has them.
    """
    stands, row = can.standing, can.row
    told = expected(row, stands.status)
    avoided = None
    if row.state is not None and not _is_doubtful(stands):
        avoided = avoided_h(row.state, stands.status, told, _odds(row, stands), plan)
    return replace(can, forecast=told if isinstance(told, Forecast) else None, avoided_h=avoided)


def most_urgent_first(cans: Iterable[Judged]) -> list[Judged]:
    """
    Return cans in order of urgency.

    FULL, the longest full first; FORECAST, the most probable first; SUSPECT, the highest level first; AGE, the longest
    ago first. What is left: the most probable first, then the highest level.
    """
    return sorted(cans, key=_urgency)


def avoided_h(
    state: CanState, status: Status, told: Forecast | NoForecast, odds: Chances | None, plan: Round
) -> float | None:
    """
    Return the overflow hours that emptying a can at `by` avoids until the next round, expected.

    They are: the hours between the two rounds in which it would be full if nobody came (all of them where it is full,
    else the integral of the chance to be full), less the hours in which it is full again although it was emptied (by
    how long its past fills took). None where it has fewer than 3 past fills, or its forecast is POOR.
    """
    again = refilled_h(state.fills, (plan.next_at - plan.by) / timedelta(hours=1))
    if again is None:
        return None
    if status is Status.FULL:
        unemptied = (plan.next_at - plan.by) / timedelta(hours=1)
    elif odds is None or not isinstance(told, Forecast) or told.reliability is Reliability.POOR:
        return None
    else:
        unemptied = odds.hours_full(_s(plan.by), _s(plan.next_at))
    # A can that fills faster now than ever before would seem to do better without the round.
    return max(unemptied - again, 0.0)


def refilled_h(fills: Fills, hours: float) -> float | None:
    """Return for how many of so many hours after it was emptied a can is full again, by its past fills; None: few."""
    past = fills.read()
    if len(past) < FEW:
        return None
    weight = sum(fill.weight for fill in past)
    return sum(fill.weight * max(hours - sum(fill.hours), 0) for fill in past) / weight


def _is_doubtful(stands: Standing) -> bool:
    """Say whether a can's level tells nothing of what is in it now."""
    return stands.is_old or stands.status in (*DOUBTFUL, Status.FIRE)


def _odds(row: Row, stands: Standing) -> Chances | None:
    return None if row.state is None or _is_doubtful(stands) else chances_of(row.state, row.rules)


def _why(row: Row, stands: Standing, chance: float | None, plan: Round) -> tuple[Why | WhyNot, str]:
    if stands.status is Status.FULL:
        return Why.FULL, stands.reason
    if stands.status is Status.FIRE:
        return WhyNot.FIRE, stands.reason
    if stands.status in DOUBTFUL:
        return Why.SUSPECT, stands.reason
    if chance is not None and chance >= plan.chance:
        return Why.FORECAST, _likely(row, chance, plan)
    if old := _too_old(row, stands, plan):
        return Why.AGE, old
    if stands.status is Status.SILENT:
        return WhyNot.SILENT, stands.reason
    if chance is None:
        told = expected(row, stands.status)
        return WhyNot.UNKNOWN, told.reason if isinstance(told, NoForecast) else stands.reason
    return WhyNot.POSSIBLE if chance >= POSSIBLE_FROM else WhyNot.LATER, _likely(row, chance, plan)


def _likely(row: Row, chance: float, plan: Round) -> str:
    level = f"At {row.state.level:g} %; " if row.state else ""
    left = duration((plan.by - plan.now).total_seconds())
    rough = _rough(row.report.stream)
    return f"{level}with a chance of {chance * 100:.0f} %{rough} it is full in {left}, when the round comes."


def _rough(stream: str | None) -> str:
    """Return in brackets how far off a chance may be, "" where that is little."""
    name = (stream or "").lower()
    if name not in OFF_BY:
        return " (never measured for such cans)"
    return f" (of {name} off by {OFF_BY[name]} points on average)" if OFF_BY[name] > ROUGH else ""


def _too_old(row: Row, stands: Standing, plan: Round) -> str:
    """Return in a sentence that the can was not emptied for too long, "" where it was, or holds next to nothing."""
    if row.state is None or row.state.level < AGE_FROM_LEVEL:
        return ""
    seen = stands.emptied
    past_s = _s(plan.by) - (seen.at if seen else row.state.course.started_at)
    if past_s < plan.age.total_seconds():
        return ""
    silent = f" {stands.reason}" if stands.status is Status.SILENT else ""
    first = "Not emptied for" if seen else "No emptying was seen since its first report,"
    return f"{first} {duration(past_s)}{'' if seen else ' before the round'}.{silent}"


def _urgency(can: Judged) -> tuple[int, float, float, str]:
    reasons: list[Why | WhyNot] = [*Why, *WhyNot]
    level = -can.row.state.level if can.row.state else 0.0
    first = -(can.chance or 0.0)
    if can.why is Why.FULL:
        first = can.since.timestamp() if can.since else 0.0
    elif can.why is Why.AGE and can.row.state:
        emptied = can.standing.emptied
        first = emptied.at if emptied else can.row.state.course.started_at
    return reasons.index(can.why), first, level, can.row.report.can_id


def _s(instant: datetime) -> int:
    return int(instant.timestamp())
