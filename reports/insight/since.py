"""Since when a can is in its status, as far as its row tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from reports.insight.fold import Row
from reports.insight.state import CanState
from reports.insight.status import Status


@dataclass(frozen=True, slots=True)
class Since:
    """
    The report that first said so.

    or_earlier: whether nothing is known of the time before it, so that it may have been so for longer.
    """

    at: datetime
    or_earlier: bool = False


def since(row: Row, status: Status) -> Since | None:
    """
    Return since when a can is FIRE, TILT, FULL, SILENT or SUSPECT; None for others, and where its row tells no time.

    SILENT: since its last report. FIRE and TILT: its row knows the last measurement that said so, not the first.
    status: what the can is held to be.
    """
    if status == Status.SILENT:
        return Since(row.report.measured_at) if row.report.measured_at else None
    if status in (Status.FIRE, Status.TILT):
        return Since(row.told.at, or_earlier=True) if row.told.status == status else None
    if row.state is None:
        return None
    if status == Status.FULL:
        return _full(row.state, row.rules.full_from)
    return _suspect(row.state) if status == Status.SUSPECT else None


def _full(state: CanState, full_from: float) -> Since:
    course = state.course
    if len(course.passed) < 4:
        # One reading alone said so: the newest, or one before it from which the level has fallen since.
        return Since(_instant(state.at), or_earlier=state.level < full_from)
    after_s = course.passed[3]
    return Since(_instant(course.started_at + after_s), or_earlier=after_s == 0 and not course.seen)


def _suspect(state: CanState) -> Since | None:
    signs = state.signs
    if signs.blocked_since is not None:
        return Since(_instant(signs.blocked_since))
    return Since(_instant(signs.same_since)) if signs.is_stuck(state.at) else None


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
