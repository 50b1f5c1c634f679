"""What operators entered counts as if the levels had shown it, by whatever way a state is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reports.insight.cycles import Emptied, Reading, Stage
from reports.insight.entered import Entered, Limits, from_text, limits_from_text, limits_to_text, to_text
from reports.insight.packing import packed, unpacked
from reports.insight.state import CanState, advance, rebuild, relimited, rules_for
from tests.reports.insight import cans
from tests.reports.insight.cans import HOUR, MONDAY, a_can, hourly

#: Emptied once, after the fourth reading.
LEVELS = [10.0, 40.0, 60.0, 70.0, 5.0, 8.0, 20.0, 30.0]
EMPTIED_AT = MONDAY + 4 * HOUR


def told(levels: list[float], **entered: tuple[int, ...]) -> tuple[CanState, list[Emptied]]:
    state, events = rebuild(hourly(levels), rules_for("paper", **entered))
    assert state
    return state, [event for event in events if event.stage is not Stage.PROVISIONAL]


def test_a_struck_emptying_counts_nowhere() -> None:
    state, events = told(LEVELS, struck=(EMPTIED_AT,))

    assert [(each.stage, each.by_operator, each.at) for each in events] == [(Stage.TAKEN_BACK, True, EMPTIED_AT)]
    assert (state.emptied, state.course.started_at) == (None, MONDAY)


def test_an_emptying_that_was_struck_while_it_was_provisional_is_none() -> None:
    rules = rules_for("paper", struck=(EMPTIED_AT,))
    state, _ = rebuild(hourly(LEVELS[:5]), rules)

    assert state
    assert (state.last_emptied(rules), state.last_emptied(rules_for("paper")) is None) == (None, False)


def test_an_added_emptying_begins_a_fill_at_the_first_report_from_then_on() -> None:
    state, events = told([10, 40, 60, 62, 64], added=(MONDAY + 2 * HOUR - 60,))

    at = MONDAY + 2 * HOUR
    assert events == [Emptied(at, 40, 60, Stage.CONFIRMED, at, by_operator=True)]
    assert (state.emptied, state.course.started_at, state.course.seen) == (events[0], at, True)


@hypothesis_settings(deadline=None, max_examples=60)
@given(cans.readings, st.lists(st.integers(0, 40 * 24 * 60), max_size=4), st.integers(1, 80))
def test_each_way_to_a_state_is_the_same_whatever_was_entered(
    readings: list[Reading], minutes: list[int], cut: int
) -> None:
    instants = sorted({MONDAY + minute * 60 for minute in minutes})
    rules = rules_for("glass", added=tuple(instants[::2]), struck=tuple(instants[1::2]))
    in_order = sorted(set(readings))
    state, events = rebuild(in_order[:cut], rules)
    later = list[Emptied]()
    for reading in in_order[cut:]:
        state, event = advance(state and unpacked(packed(state, rules), rules), reading, rules)
        later += [event] if event else []

    assert (state, [*events, *later]) == rebuild(reversed(in_order), rules)


@pytest.mark.parametrize("full_from", [60, 95])
def test_a_state_of_another_threshold_says_nearly_what_one_made_anew_says(full_from: int) -> None:
    before, after = rules_for("paper"), rules_for("paper", full_from)
    for days in (40, 41.5):
        readings = a_can(60)[: int(days * 12)]
        state, _ = rebuild(readings, before)
        wanted, _ = rebuild(readings, after)
        assert state and wanted
        found = relimited(state, before, after)
        assert (found.full, found.emptied, found.rhythm) == (wanted.full, wanted.emptied, wanted.rhythm)
        hours = [sum(sum(fill.hours) for fill in each.fills.read()) / len(each.fills) for each in (found, wanted)]
        assert hours[0] == pytest.approx(hours[1], rel=0.35)


@given(st.builds(Entered, st.none() | st.floats(1, 100), st.none() | st.floats(0, 50), st.just((1, 2)), st.just(())))
def test_what_was_entered_comes_back_from_its_text(entered: Entered) -> None:
    assert from_text(to_text(entered)) == entered
    limits = {"paper": entered.limits(Limits())}
    assert limits_from_text(limits_to_text(limits)) == limits
