"""What an operator should know of a can first, and why, with figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reports.insight.forecast import Forecast, NoForecast
from reports.insight.state import CanState, Rules, forecast_of

#: Fewer reports than this are too few to say more of a can than that it is new.
NEW_READINGS = 10
#: It is filling from this share of its threshold on, or when it will be full within a day.
_FILLING_SHARE = 0.75
_SOON_S = 24 * 3600


class Condition(StrEnum):
    """How a can is, the most urgent first; `Status` of reports.insight.status knows three of them."""

    FULL = "FULL"
    SILENT = "SILENT"
    SUSPECT = "SUSPECT"
    FILLING = "FILLING"
    OK = "OK"
    NEW = "NEW"
    NEVER_REPORTED = "NEVER_REPORTED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A can's condition and the reason, a sentence with figures, for people.

    until: the instant (seconds since 1970) from which on it must be asked again although no report came, None where
    only a report changes it.
    """

    condition: Condition
    reason: str
    until: int | None = None


def verdict(state: CanState | None, now: int, rules: Rules, displaced: str = "") -> Verdict:
    """
    Return a can's condition at `now`, seconds since 1970, and why.

    In this order: NEVER_REPORTED without a state; SUSPECT where an item seems to be before the sensor; FULL at the
    threshold, until 5 points below; SILENT by its own rhythm; SUSPECT where the level is stuck or jumps, or the
    sensor is out of place; NEW below 10 reports; FILLING from three quarters of the threshold on, or if full within
    a day; OK. displaced: in words, what the report says of a sensor that is tilted or moved, "" for nothing.
    Only the instant decides between two calls with the same state, so that silence needs no write.
    """
    if state is None:
        return Verdict(Condition.NEVER_REPORTED, "No report was ever received.")
    signs, silent_at = state.signs, state.silent_at
    level = f"{state.level:g} %"
    if signs.blocked_since is not None and signs.is_blocked(now):
        reason = (
            f"It rose from {signs.blocked_from:g} % to {level} between two reports: an item may be before the sensor."
        )
        return Verdict(Condition.SUSPECT, reason, silent_at)
    if state.full:
        return Verdict(Condition.FULL, _full(state, level, now, rules))
    if now > silent_at:
        gap = _duration(state.rhythm.silent_after_s)
        reason = (
            f"No report for {_duration(now - state.at)}; by its own rhythm {gap} are too long. Last level: {level}."
        )
        return Verdict(Condition.SILENT, reason)
    if displaced:
        return Verdict(Condition.SUSPECT, f"The sensor is out of place: {displaced}.", silent_at)
    if signs.is_stuck(state.at):
        same = _duration(state.at - signs.same_since)
        reason = f"The level has been {level} for {same}, without a change of more than 1 %."
        return Verdict(Condition.SUSPECT, reason, silent_at)
    if signs.is_jumping():
        share = signs.reversals / 10
        return Verdict(
            Condition.SUSPECT, f"{share:.0f} % of its recent reports jump by 20 % or more and back.", silent_at
        )
    if state.count < NEW_READINGS:
        reports = f"{state.count} report{'' if state.count == 1 else 's'}"
        return Verdict(
            Condition.NEW, f"{reports} so far, the last of {level}; its habits are not yet known.", silent_at
        )
    return _filling(state, level, now, rules, silent_at)


def _filling(state: CanState, level: str, now: int, rules: Rules, silent_at: int) -> Verdict:
    expected = forecast_of(state, rules)
    when = _expected(expected, now, rules)
    if isinstance(expected, Forecast) and expected.full_at <= now + _SOON_S:
        return Verdict(Condition.FILLING, f"At {level}; {when}", silent_at)
    if state.level >= _FILLING_SHARE * rules.full_from:
        return Verdict(Condition.FILLING, f"At {level}, near its threshold of {rules.full_from:g} %; {when}", silent_at)
    # It becomes FILLING by itself, a day before it will be full.
    soon = expected.full_at - _SOON_S if isinstance(expected, Forecast) else silent_at
    return Verdict(Condition.OK, f"At {level}; {when}", min(soon, silent_at))


def _full(state: CanState, level: str, now: int, rules: Rules) -> str:
    held = "" if state.level >= rules.full_from else f", and full until below {rules.full_from - rules.hysteresis:g} %"
    silent = f" No report for {_duration(now - state.at)}." if now > state.silent_at else ""
    return f"At {level}; its threshold is {rules.full_from:g} %{held}.{silent}"


def _expected(expected: Forecast | NoForecast, now: int, rules: Rules) -> str:
    if isinstance(expected, NoForecast):
        return f"no forecast: {expected.reason[0].lower()}{expected.reason[1:]}"
    left = expected.full_at - now
    when = f"in {_duration(left)}" if left > 0 else "by now"
    low, high = (_duration(max(at - now, 0)) for at in (expected.low, expected.high))
    return f"{rules.full_from:g} % is expected {when} (80 % interval: {low} to {high} from now)."


def _duration(seconds: int) -> str:
    """Return a duration as people say it: minutes below two hours, hours below three days, else days."""
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 72 * 3600 else f"{seconds // 86400} days"
