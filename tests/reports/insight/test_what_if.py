"""Other rounds, tried on a can's own past."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.insight.cycles import Stage
from reports.insight.state import rebuild, rules_for
from reports.insight.what_if import Outcome, WhatIf, what_if
from tests.reports.insight.cans import HOUR, MONDAY, a_can, hourly, readings

#: It rises by 4 % an hour to 96 %, and is emptied then, three times.
SAW = hourly([level for _ in range(4) for level in range(0, 100, 4)])
EMPTIED = [MONDAY + HOUR * 25 * turn for turn in (1, 2, 3)]


def at_hours(*hours: float) -> list[int]:
    return [MONDAY + round(HOUR * hour) for hour in hours]


def test_what_happened_is_counted_from_the_report_that_says_full_to_the_middle_before_the_next_cycle() -> None:
    told = what_if(SAW, EMPTIED, [], threshold=70, full_from=80)

    # A level counts once two reports in a row have reached it, from the second on: 21 to 24.5 in each of four cycles.
    assert told.happened.collections == 3
    assert told.happened.overflow_h == pytest.approx(3 * 3.5 + 3)
    assert told.known_h == 99
    # One that an operator added lies between two reports.
    assert what_if(SAW, [at - 1800 for at in EMPTIED], [], threshold=70, full_from=80) == told


def test_rounds_collect_what_is_at_the_threshold_and_leave_the_rest() -> None:
    often = what_if(SAW, EMPTIED, at_hours(*range(1, 99)), threshold=70, full_from=80)
    never = what_if(SAW, EMPTIED, at_hours(*range(1, 99)), threshold=100, full_from=80)

    assert often.instead.overflow_h == 0
    # 4 % an hour, less what is lost between two cycles, in 99 hours.
    assert often.instead.collections == 5
    assert never.instead.collections <= 4
    assert never.instead.overflow_h > 15


def test_what_nobody_reported_for_more_than_a_day_counts_for_neither() -> None:
    full = [(MONDAY, 90.0), (MONDAY + HOUR, 90.0), (MONDAY + 50 * HOUR, 90.0), (MONDAY + 51 * HOUR, 90.0)]

    told = what_if(full, [], [], threshold=70, full_from=80)

    assert told.known_h == 2
    assert told.happened == told.instead == Outcome(0, 2)


def test_one_wild_report_adds_nothing() -> None:
    levels = [10.0, 12, 14, 99, 15, 16, 17]

    told = what_if(hourly(levels), [], at_hours(4.5), threshold=20, full_from=80)

    assert (told.happened, told.instead) == (Outcome(), Outcome())


def test_the_rounds_that_came_are_about_what_happened() -> None:
    """A can that is emptied each morning, tried with a round each morning that empties what is not near empty."""
    past = a_can(40)
    _, events = rebuild(past, rules_for("paper"))
    emptied = [event.at for event in events if event.stage is Stage.CONFIRMED]
    mornings = [at for at in range(MONDAY, past[-1][0], 24 * HOUR)]

    told = what_if(past, emptied, [at + 8 * HOUR for at in mornings], threshold=20, full_from=80)

    assert told.instead.collections == pytest.approx(told.happened.collections, abs=2)
    assert told.instead.overflow_h == pytest.approx(told.happened.overflow_h, rel=0.15)
    rarer = what_if(past, emptied, [at + 8 * HOUR for at in mornings[::3]], threshold=20, full_from=80)
    assert rarer.instead.collections < told.instead.collections
    assert rarer.instead.overflow_h > 2 * told.instead.overflow_h


@given(readings, st.lists(st.integers(0, 40 * 24), max_size=20), st.floats(1, 100))
def test_nothing_is_negative_and_no_can_overflows_longer_than_it_is_known(
    past: list[tuple[int, float]], hours: list[int], threshold: float
) -> None:
    past = sorted(past)
    rounds = sorted({MONDAY + hour * HOUR for hour in hours})

    told = what_if(past, [past[-1][0]], rounds, threshold=threshold, full_from=80)

    for outcome in (told.happened, told.instead):
        assert 0 <= outcome.overflow_h <= told.known_h + 1e-9
    assert told.instead.collections <= len(rounds)
    assert told + WhatIf() == told
