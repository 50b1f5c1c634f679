"""Two simple forecasts that a better one must beat: the present pace, and how long it took before."""

from __future__ import annotations

from statistics import median

from reports.insight.forecast import hours_between
from reports.insight.state import CanState, Rules


def last_slope(state: CanState, rules: Rules) -> int | None:
    """Return when the threshold is reached at the mean pace since it was emptied; None while it has not risen."""
    course = state.course
    risen = state.level - course.after
    if risen <= 0 or state.at == course.started_at or state.level >= rules.full_from:
        return None
    return round(state.at + (rules.full_from - state.level) * (state.at - course.started_at) / risen)


def past_duration(state: CanState, durations_h: list[float]) -> int | None:
    """
    Return when as many hours have passed since it was emptied as at the median of the past fills.

    A tenth of that duration is the least that is left. None without a past fill.
    """
    if not durations_h:
        return None
    usual = median(durations_h)
    left = max(usual - hours_between(state.course.started_at, state.at), usual / 10)
    return round(state.at + left * 3600)
