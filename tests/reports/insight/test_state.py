"""What a can's row remembers: bounded, and the same however it was reached."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.insight.cycles import Emptied, Reading, Stage
from reports.insight.forecast import Forecast, NoForecast
from reports.insight.packing import packed, unpacked
from reports.insight.state import (
    CanState,
    LateReading,
    Rules,
    advance,
    forecast_of,
    reading_of,
    rebuild,
    rules_for,
)
from tests.reports.insight import cans
from tests.reports.insight.cans import HOUR, MONDAY, a_can, hourly

STREAMS = st.sampled_from(["paper", "plastic", "glass", None])


def followed(readings: list[Reading], rules: Rules) -> tuple[CanState | None, list[Emptied]]:
    """Return state and events as the store reaches them: one at a time, packed and unpacked between."""
    state, events = None, []
    for reading in sorted(readings):
        state, event = advance(unpacked(packed(state, rules), rules) if state else None, reading, rules)
        events += [event] if event else []
    return state, events


@given(cans.readings, STREAMS)
def test_one_at_a_time_through_the_row_ends_as_rebuilt_from_the_history(
    readings: list[Reading], stream: str | None
) -> None:
    assert followed(readings, rules_for(stream)) == rebuild(readings, rules_for(stream))


@pytest.mark.parametrize("stream", ["paper", "glass"])
def test_the_same_holds_over_many_fills(stream: str) -> None:
    readings = a_can(200, every_days=1 if stream == "paper" else 4, per_hour=8 if stream == "paper" else 2)
    state, events = followed(readings, rules_for(stream))

    assert (state, events) == rebuild(readings, rules_for(stream))
    assert state is not None and len(state.fills) > 8
    assert sum(event.stage is Stage.CONFIRMED for event in events) > 40


@given(cans.readings, STREAMS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    readings: list[Reading], stream: str | None, chance: random.Random
) -> None:
    shuffled = chance.sample(readings, len(readings))

    assert rebuild(shuffled, rules_for(stream)) == rebuild(readings, rules_for(stream))


@given(cans.readings, cans.readings, STREAMS)
def test_what_is_said_at_a_reading_depends_on_no_later_one(
    readings: list[Reading], more: list[Reading], stream: str | None
) -> None:
    rules, readings = rules_for(stream), sorted(readings)
    later = sorted((at + 50 * 24 * HOUR, level) for at, level in more)

    state, events = rebuild(readings, rules)
    _, all_events = rebuild(readings + later, rules)

    assert state is not None
    assert [event for event in all_events if event.known_at <= readings[-1][0]] == events
    assert all(event.at <= event.known_at for event in all_events)


@given(cans.readings, STREAMS, st.sampled_from([40, 80]))
def test_a_forecast_is_a_time_to_come_or_a_reason(readings: list[Reading], stream: str | None, full_from: int) -> None:
    rules = rules_for(stream, full_from)
    state, _ = rebuild(readings, rules)
    assert state is not None

    told = forecast_of(state, rules)

    if isinstance(told, NoForecast):
        assert told.reason.endswith(".")
    else:
        assert state.at <= told.low <= told.full_at <= told.high
        assert state.level < full_from


@given(cans.readings, STREAMS)
def test_the_newest_reading_delivered_again_changes_nothing(readings: list[Reading], stream: str | None) -> None:
    state, events = rebuild(readings, rules_for(stream))
    assert state is not None

    assert advance(state, (state.at, state.level), rules_for(stream)) == (state, None)
    assert rebuild(readings * 2, rules_for(stream)) == (state, events)


def test_a_reading_older_than_the_newest_is_refused() -> None:
    state, _ = rebuild(hourly([1, 2, 3]), rules_for("paper"))

    with pytest.raises(LateReading):
        advance(state, (MONDAY + HOUR, 2.5), rules_for("paper"))


def test_the_row_stays_small_over_years_and_says_by_what_rules_it_was_made() -> None:
    rules, state, largest = rules_for("paper"), None, 0
    for reading in a_can(700):
        state, _ = advance(state, reading, rules)
        largest = max(largest, len(packed(state, rules)))

    assert state is not None
    assert 400 < largest <= 470
    assert unpacked(packed(state, rules), rules) == state
    for others in (rules_for("glass"), rules_for("paper", 70)):
        assert unpacked(packed(state, rules), others) is None
    assert unpacked(packed(state, rules).replace(b"2 paper", b"1 paper"), rules) is None


def test_a_can_that_fills_in_a_day_is_foretold_from_its_past() -> None:
    rules = rules_for("paper")
    noon = [(at, level) for at, level in a_can(120, seed=3) if at <= MONDAY + 119 * 24 * HOUR + 13 * HOUR]
    state, _ = rebuild(noon, rules)
    assert state is not None and 30 < state.level < 60

    told = forecast_of(state, rules)

    # Eight points an hour from 8 o'clock on: 80 % at about 18 o'clock.
    assert isinstance(told, Forecast)
    assert 15 <= told.full_at / HOUR % 24 <= 20
    assert told.high - told.low < 12 * HOUR


def test_the_last_emptying_is_provisional_while_a_fall_is_undecided() -> None:
    rules = rules_for("paper")
    state, _ = rebuild(hourly([70, 72, 74, 2]), rules)
    assert state is not None
    at = MONDAY + 3 * HOUR

    assert state.last_emptied(rules) == Emptied(at, 72, 2, Stage.PROVISIONAL, at)
    state, _ = advance(state, (at + HOUR, 74), rules)
    assert state.last_emptied(rules) is None


def test_a_report_becomes_whole_seconds_and_tenths() -> None:
    measured_at = datetime(2026, 1, 5, 0, 0, 1, 900_000, tzinfo=UTC)

    assert reading_of(measured_at, Decimal("70.6949999")) == (MONDAY + 1, 70.7)


def test_the_rules_need_nothing_but_python() -> None:
    script = """
import sys
import reports.insight.backtest, reports.insight.packing, reports.insight.verdict
print(sorted({"django", "boto3", "botocore", "celery", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
