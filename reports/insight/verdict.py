"""What an operator should know of a can first, and why, with figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reports.insight.alarms import Told
from reports.insight.state import CanState, Rules
from reports.insight.status import DOUBTFUL, FILLING_SHARE, Outlook, Status
from reports.insight.suspicion import BLOCKED_S
from reports.report import percent

#: Fewer reports than this are too few to say more of a can than that it is new.
NEW_READINGS = 10
_FILLING_SHARE = float(FILLING_SHARE)
#: Of these a can stays what it is while no report comes.
_LASTING = (Status.FIRE, Status.TILT, Status.FULL, Status.SILENT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A can's status and the reason, sentences with figures, for people.

    suspect: whether its level is not to be trusted: also of a can that is FULL, to which somebody has to go anyhow.
    until: the instant (seconds since 1970) from which on it must be asked again although no report came, None where
    only a report changes it.
    """

    status: Status
    reason: str
    until: int | None = None
    suspect: bool = False


def verdict(state: CanState | None, now: float, rules: Rules, told: Told | None = None) -> Verdict:
    """
    Return a can's status at `now`, seconds since 1970, and why.

    In this order: NEVER_REPORTED without a state; FIRE and TILT where its sensor's last measurement told so, whatever
    the level; SUSPECT where an item seems to be before the sensor; FULL at the threshold, until the hysteresis below,
    also where the level is stuck or jumps; SILENT by its own rhythm; SUSPECT where it is stuck or jumps; NEW below 10
    reports; FILLING from three quarters of the threshold on; OK. told: what that measurement told
    (reports.insight.alarms), None for nothing.
    Only the instant decides between two calls with the same state, so that silence needs no write.
    """
    if state is None:
        return Verdict(Status.NEVER_REPORTED, "No report was ever received.")
    status = _status(state, now, rules, told)
    until = None if status in _LASTING else state.silent_at
    if status is Status.SUSPECT and state.signs.is_blocked(now):
        assert state.signs.blocked_since is not None
        until = state.signs.blocked_since + BLOCKED_S
    suspect = status in DOUBTFUL or (status is Status.FULL and bool(_doubt(state)))
    return Verdict(status, _reason(state, status, now, rules, told), until, suspect)


def outlook(state: CanState, rules: Rules, told: Told | None = None) -> Outlook:
    """Return which status the can has from when on while no report comes: all that its row need keep of a status."""
    first, silent_at = _status(state, state.at, rules, told), state.silent_at
    if state.signs.blocked_since is None:
        # The usual case: but for a can that waits for somebody, it is silence that comes.
        silent = () if first in _LASTING else ((silent_at, Status.SILENT),)
        return Outlook(silent_at, ((state.at, first), *silent), first is Status.FULL and bool(_doubt(state)))
    steps = [(state.at, first)]
    for after in sorted({silent_at, state.signs.blocked_since + BLOCKED_S}):
        if after >= state.at and (then := _status(state, after + 1, rules, told)) is not steps[-1][1]:
            steps.append((after, then))
    is_doubted = any(status is Status.FULL for _, status in steps) and bool(_doubt(state))
    return Outlook(silent_at, tuple(steps), is_doubted)


def alarm_reason(told: Told, now: float) -> str:
    """Return the reason for FIRE or TILT, a sentence; now: seconds since 1970."""
    past = duration(now - told.at.timestamp())
    if told.status is Status.FIRE:
        return f"Its sensor told of a fire {past} ago, and of no end of it since."
    return f"Its sensor told {past} ago that it is tilted, so its level is not to be trusted."


def reason_by_level(level: str, measured_at: datetime | None, status: Status, now: datetime) -> str:
    """Return the reason for a status that follows from the newest report alone."""
    number = percent(level)
    shown = level if number is None else f"{round(number, 1).normalize():f} %"
    if status is Status.SILENT and measured_at is not None:
        return f"No report for {duration((now - measured_at).total_seconds())}. Last level: {shown}."
    return f"At {shown}."


def _status(state: CanState, now: float, rules: Rules, told: Told | None) -> Status:
    signs = state.signs
    if told and told.status:
        return told.status
    if signs.is_blocked(now):
        return Status.SUSPECT
    if state.full:
        return Status.FULL
    if now > state.silent_at:
        return Status.SILENT
    if _doubt(state):
        return Status.SUSPECT
    if state.count < NEW_READINGS:
        return Status.NEW
    return Status.FILLING if state.level >= _FILLING_SHARE * rules.full_from else Status.OK


def _reason(state: CanState, status: Status, now: float, rules: Rules, told: Told | None) -> str:
    signs, level = state.signs, f"{state.level:g} %"
    threshold = f"its threshold is {rules.full_from:g} %"
    match status:
        case Status.FIRE | Status.TILT if told:
            silent = f" No report for {duration(now - state.at)}." if now > state.silent_at else ""
            return f"{alarm_reason(told, now)} Last level: {level}.{silent}"
        case Status.FULL:
            return _full(state, level, threshold, now, rules)
        case Status.SILENT:
            gap, past = duration(state.rhythm.silent_after_s), duration(now - state.at)
            return f"No report for {past}; by its own rhythm {gap} are too long. Last level: {level}."
        case Status.NEW:
            reports = f"{state.count} report{'' if state.count == 1 else 's'}"
            return f"{reports} so far, the last of {level}; its habits are not yet known."
        case Status.FILLING:
            return f"At {level}, near: {threshold}."
        case Status.OK:
            return f"At {level}; {threshold}."
    if signs.is_blocked(now):
        return (
            f"It rose from {signs.blocked_from:g} % to {level} between two reports: an item may be before the sensor."
        )
    return _doubt(state)


def _doubt(state: CanState) -> str:
    """Return in a sentence why a level is not to be trusted, for as long as ever no other comes; "" where it is."""
    signs = state.signs
    if signs.is_stuck(state.at):
        same = duration(state.at - signs.same_since)
        return f"The level has been {state.level:g} % for {same}, without a change of more than 1 %."
    if signs.is_jumping():
        return f"{signs.reversals / 10:.0f} % of its recent reports jump by 20 % or more and back."
    return ""


def _full(state: CanState, level: str, threshold: str, now: float, rules: Rules) -> str:
    held = "" if state.level >= rules.full_from else f", and full until below {rules.full_from - rules.hysteresis:g} %"
    silent = f" No report for {duration(now - state.at)}." if now > state.silent_at else ""
    doubt = f" Suspect, too: {doubt[0].lower()}{doubt[1:]}" if (doubt := _doubt(state)) else ""
    return f"At {level}; {threshold}{held}.{doubt}{silent}"


def duration(seconds: float) -> str:
    """Return a duration as people say it: minutes below two hours, hours below three days, else days."""
    if seconds < 2 * 3600:
        return f"{int(max(seconds, 0) // 60)} min"
    return f"{int(seconds // 3600)} h" if seconds < 72 * 3600 else f"{int(seconds // 86400)} days"
