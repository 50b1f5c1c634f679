"""When a can was emptied."""

from __future__ import annotations

import pytest
from hypothesis import given

from reports.insight.cycles import EMPTIED, OTHERS, Emptied, EmptiedRule, Stage, Watch, watch
from tests.reports.insight import cans
from tests.reports.insight.cans import HOUR, MONDAY, hourly

GLASS = EMPTIED["glass"]


def seen(levels: list[float], rule: EmptiedRule = OTHERS) -> list[Emptied]:
    memory, events = Watch(), []
    for reading in hourly(levels):
        memory, event, _ = watch(memory, reading, rule)
        if event is not None:
            events.append(event)
    return events


def test_a_fall_that_stays_is_provisional_and_confirmed_by_the_next_reading() -> None:
    at, known_at = MONDAY + 3 * HOUR, MONDAY + 4 * HOUR

    assert seen([70, 71, 72, 3, 5, 8]) == [
        Emptied(at, 71, 3, Stage.PROVISIONAL, at),
        Emptied(at, 71, 3, Stage.CONFIRMED, known_at),
    ]


def test_a_wild_low_sample_is_taken_back() -> None:
    assert [event.stage for event in seen([70, 71, 72, 0, 72, 73])] == [Stage.PROVISIONAL, Stage.TAKEN_BACK]


@pytest.mark.parametrize("wild", [[100], [100, 3, 3, 100], [55]])
def test_a_wild_high_sample_that_ends_is_no_emptying(wild: list[float]) -> None:
    assert seen([2, 3, 3, *wild, 3, 3, 4]) == []


def test_a_can_that_is_half_full_again_at_the_next_reading_was_emptied() -> None:
    assert [event.stage for event in seen([82, 92, 91, 3, 54, 60])] == [Stage.PROVISIONAL, Stage.CONFIRMED]


@pytest.mark.parametrize("levels", [[50, 50, 50, 40, 41], [90, 90, 90, 60, 61], [15, 15, 15, 0, 0], [9], [80, 0]])
def test_a_fall_that_is_small_or_ends_high_or_follows_one_reading_is_no_emptying(levels: list[float]) -> None:
    assert seen(levels) == []


def test_glass_needs_two_of_three_readings_and_knows_it_after_two() -> None:
    events = seen([25] * 8 + [8, 8, 8], GLASS)

    assert [(event.stage, event.known_at - event.at) for event in events] == [
        (Stage.PROVISIONAL, 0),
        (Stage.CONFIRMED, 2 * HOUR),
    ]
    assert [event.stage for event in seen([25] * 8 + [8, 25, 25], GLASS)][-1] is Stage.TAKEN_BACK


def test_the_end_of_hours_behind_an_obstruction_is_no_emptying_of_glass() -> None:
    assert seen([6] * 8 + [100] * 6 + [6] * 4, GLASS) == []


@given(cans.readings)
def test_each_reading_is_decided_on_once_in_order_but_for_wild_ones(readings: list[tuple[int, float]]) -> None:
    readings.sort()
    for rule in (OTHERS, GLASS):
        memory, decided, provisional, settled = Watch(), [], 0, 0
        for reading in readings:
            memory, event, now = watch(memory, reading, rule)
            decided += now
            provisional += event is not None and event.stage is Stage.PROVISIONAL
            settled += event is not None and event.stage is not Stage.PROVISIONAL
        waiting = list(memory.fall.readings) if memory.fall else []

        assert decided == sorted(decided)
        assert not set(decided + waiting) - set(readings)
        assert provisional - settled == (memory.fall is not None)
        assert len(memory.levels) <= rule.window
        assert len(waiting) <= rule.later
