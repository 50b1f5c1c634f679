"""How a can is, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.insight.cycles import Reading
from reports.insight.state import rebuild, rules_for
from reports.insight.verdict import Condition, Verdict, verdict
from tests.reports.insight import cans
from tests.reports.insight.cans import HOUR, MONDAY, a_can, hourly

RULES = rules_for("paper")
#: A can of a habit: 60 reports of 30 %, one an hour, a little up and down.
STEADY = [30.0, 32.0] * 30


def told(levels: list[float], *, hours_later: float = 0, displaced: str = "") -> Verdict:
    readings = hourly(levels)
    state, _ = rebuild(readings, RULES)
    return verdict(state, readings[-1][0] + round(hours_later * HOUR), RULES, displaced)


def test_a_can_without_a_report_is_known_and_has_never_reported() -> None:
    assert verdict(None, MONDAY, RULES) == Verdict(Condition.NEVER_REPORTED, "No report was ever received.")


@pytest.mark.parametrize(
    ("levels", "hours_later", "condition", "words"),
    [
        ([30], 0, Condition.NEW, "1 report so far, the last of 30 %"),
        ([*STEADY, 70, 80], 0, Condition.FULL, "At 80 %; its threshold is 80 %."),
        ([*STEADY, 70, 80, 76], 0, Condition.FULL, "and full until below 75 %"),
        ([*STEADY, 70, 80, 74.9], 0, Condition.FILLING, "At 74.9 %; 80 % is expected in"),
        ([*STEADY, 70, 80], 9, Condition.FULL, "No report for 9 h."),
        (STEADY, 2, Condition.OK, "At 32 %"),
        (STEADY, 2.1, Condition.SILENT, "No report for 2 h; by its own rhythm 2 h are too long. Last level: 32 %."),
        ([*STEADY, 100], 0, Condition.SUSPECT, "rose from 32 % to 100 % between two reports"),
        ([*STEADY, *[100] * 25], 0, Condition.FULL, "At 100 %"),
        ([*STEADY, *[31] * 24 * 8], 0, Condition.SUSPECT, "has been 31 % for 8 days"),
        ([*STEADY, *[5, 60] * 8, 5], 0, Condition.SUSPECT, "of its recent reports jump"),
        ([*STEADY, 40, 50, 62], 0, Condition.FILLING, "80 % is expected in"),
    ],
)
def test_the_condition_and_its_reason(
    levels: list[float], hours_later: float, condition: Condition, words: str
) -> None:
    found = told(levels, hours_later=hours_later)

    assert (found.condition, words in found.reason) == (condition, True), found


def test_a_sensor_out_of_place_is_suspect() -> None:
    assert told(STEADY, displaced="tilted by 40 degrees").reason == "The sensor is out of place: tilted by 40 degrees."


@given(cans.readings, st.integers(0, 60 * 24 * 60), st.sampled_from(["paper", "glass", None]))
def test_nothing_but_a_report_changes_it_before_the_instant_that_it_names(
    readings: list[Reading], minutes: int, stream: str | None
) -> None:
    rules = rules_for(stream)
    state, _ = rebuild(readings, rules)
    assert state is not None
    first = verdict(state, state.at, rules)
    later = state.at + minutes * 60

    assert first.reason.endswith(".")
    if first.condition is not Condition.SUSPECT and (first.until is None or later < first.until):
        assert verdict(state, later, rules).condition is first.condition


def test_a_can_that_will_be_full_within_a_day_is_filling_and_says_when() -> None:
    readings = [(at, level) for at, level in a_can(120, seed=3) if at <= MONDAY + 119 * 24 * HOUR + 13 * HOUR]
    state, _ = rebuild(readings, RULES)
    assert state is not None

    found = verdict(state, state.at, RULES)

    assert found.condition is Condition.FILLING
    assert "80 % is expected in" in found.reason and "80 % interval" in found.reason


def test_a_slow_can_near_its_threshold_is_filling_although_days_are_left() -> None:
    rules = rules_for("plastic")
    readings = hourly([number * 0.2 for number in range(311)])
    state, _ = rebuild([(at, round(level, 1)) for at, level in readings], rules)
    assert state is not None

    found = verdict(state, state.at, rules)

    assert found.condition is Condition.FILLING
    assert found.reason.startswith("At 62 %, near its threshold of 80 %; 80 % is expected in 3 days")
