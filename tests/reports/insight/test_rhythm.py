"""From when on a can counts as silent."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from reports.insight.rhythm import ENOUGH, LATEST_S, SOONEST_S, Rhythm
from tests.reports.insight.cans import HOUR


def after(gaps: list[int]) -> Rhythm:
    rhythm = Rhythm()
    for gap in gaps:
        rhythm = rhythm.after(gap)
    return rhythm


def test_a_can_that_reports_every_three_hours_is_silent_after_six() -> None:
    assert after([3 * HOUR] * 400).silent_after_s == 6 * HOUR


def test_a_can_that_pauses_each_night_is_given_twice_the_pause() -> None:
    assert after(([2 * HOUR] * 9 + [7 * HOUR]) * 30).silent_after_s == 14 * HOUR


def test_a_can_of_few_reports_is_silent_after_a_day() -> None:
    assert after([600] * (ENOUGH - 1)).silent_after_s == LATEST_S
    assert after([600] * ENOUGH).silent_after_s == SOONEST_S


def test_an_outage_teaches_no_patience() -> None:
    known = after([3 * HOUR] * 300)

    assert known.after(400 * HOUR).silent_after_s == 6 * HOUR
    assert after([3 * HOUR] * 300 + [400 * HOUR] * 3).silent_after_s == LATEST_S


def test_a_new_rhythm_is_learned_within_500_reports() -> None:
    assert after([6 * HOUR] * 300 + [HOUR] * 500).silent_after_s == 2 * HOUR


def test_the_typical_gap_follows_the_median_not_the_mean() -> None:
    assert abs(after(([HOUR] * 9 + [20 * HOUR]) * 40).typical_s - HOUR) < HOUR / 5


@example([LATEST_S - 1, LATEST_S])
@given(st.lists(st.integers(0, 10**7), max_size=600))
def test_it_is_bounded_whatever_the_gaps(gaps: list[int]) -> None:
    rhythm = after(gaps)

    assert SOONEST_S <= rhythm.silent_after_s <= LATEST_S
    assert len(rhythm.longest) <= 3 >= len(rhythm.before)
    assert 0 <= rhythm.typical_s <= LATEST_S
