"""How a can stands at an instant, told from its row: status, reason, last emptying, forecast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from reports.insight.cycles import Emptied
from reports.insight.fold import Row
from reports.insight.forecast import Forecast, NoForecast
from reports.insight.state import forecast_of
from reports.insight.status import DOUBTFUL, FULL_FROM, Outlook, Status, outlook_of
from reports.insight.verdict import alarm_reason, reason_by_level, verdict
from reports.report import Report


@dataclass(frozen=True, slots=True)
class Standing:
    """
    A can's status with its reason, a sentence.

    is_old: its newest level is too old to be trusted. silent_at: after this instant it is, None where no time is known.
    emptied: the last emptying, provisional while it is undecided, None where none was seen. full_from: its threshold,
    percent. suspect: its level is not to be trusted, whatever its status.
    """

    status: Status
    reason: str
    is_old: bool
    silent_at: datetime | None
    emptied: Emptied | None = None
    full_from: float = float(FULL_FROM)
    suspect: bool = False


def standing(row: Row, now: datetime) -> Standing:
    """Return how a can stands; by its newest report alone where its row knows nothing else."""
    report, state, told = row.report, row.state, row.told
    if state is None:
        outlook = outlook_of(report)
        status = told.status or outlook.at(now)
        reason = reason_by_level(report.level, report.measured_at, status, now)
        if told.status:
            reason = f"{alarm_reason(told, now.timestamp())} {reason}"
        return _by_outlook(outlook, status, reason, now)
    now_s, rules, silent_at = now.timestamp(), row.rules, state.silent_at
    found = verdict(state, now_s, rules, told)
    return Standing(
        found.status,
        found.reason,
        now_s > silent_at,
        _instant(silent_at),
        state.last_emptied(rules),
        rules.full_from,
        found.suspect,
    )


def status_alone(report: Report, now: datetime) -> Standing:
    """Return how a can stands without the reason, where nothing was read but its newest report with its outlook."""
    outlook = outlook_of(report)
    return _by_outlook(outlook, outlook.at(now), "", now)


def _by_outlook(outlook: Outlook, status: Status, reason: str, now: datetime) -> Standing:
    suspect = outlook.is_suspect(status)
    return Standing(status, reason, outlook.is_old(now), _instant(outlook.silent_at), suspect=suspect)


def expected(row: Row, status: Status) -> Forecast | NoForecast:
    """
    Return when the can reaches its threshold, as told at its newest report, or why that cannot be told.

    status: as it stands: what cannot be trusted foretells nothing.
    """
    if row.state is None:
        return NoForecast("Too little is known of it: its next report begins to tell.")
    if status is Status.SILENT:
        return NoForecast("It is silent: how it filled since its last report is not known.")
    if status in DOUBTFUL:
        return NoForecast("Its level is not to be trusted.")
    if status is Status.FIRE:
        return NoForecast("Its sensor told of a fire: how it fills then is not known.")
    return forecast_of(row.state, row.rules)


def _instant(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
