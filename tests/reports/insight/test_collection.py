"""Which cans a round should empty, why, and what that avoids."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reports.insight.collection import Judged, Round, Why, WhyNot, judged, most_urgent_first, with_figures
from reports.insight.fills import Fill, Fills
from reports.insight.fold import Row
from reports.insight.forecast import FAST, SLOW, Chances, Forecast, Now, chances, forecast
from reports.insight.state import CanState, chances_of, rebuild, rules_for
from reports.report import Report
from tests.reports.insight.cans import HOUR, MONDAY, a_can, hourly

PLASTIC = rules_for("plastic")


def a_row(levels: list[float], *, stream: str = "plastic", can_id: str = "420", state: CanState | None = None) -> Row:
    """The row of a can with these levels, one an hour from Monday midnight on."""
    readings = hourly(levels)
    state = state or rebuild(readings, rules_for(stream))[0]
    assert state
    at = datetime.fromtimestamp(state.at, UTC)
    report = Report(can_id, f"{state.level:g}", at, at, stream=stream)
    return Row(report, f"{at.isoformat()}#", state=state)


def a_round(row: Row, *, in_h: float = 10, next_h: float = 24, chance: float = 0.5, age_days: int = 28) -> Round:
    """A round so many hours after a can's newest report, which is now."""
    assert row.report.measured_at
    now = row.report.measured_at
    by = now + timedelta(hours=in_h)
    return Round(now, by, by + timedelta(hours=next_h), chance, timedelta(days=age_days))


def figured(row: Row, plan: Round) -> Judged:
    return with_figures(judged(row, plan), plan)


#: A can that fills by 4 % an hour, and is emptied three times.
SAW = [*range(0, 100, 4), *range(0, 100, 4), *range(0, 100, 4), *range(0, 100, 4)]


@pytest.mark.parametrize(
    ("last", "in_h", "why"),
    [(84, 10, Why.FULL), (60, 10, Why.FORECAST), (60, 1, WhyNot.LATER), (4, 4, WhyNot.LATER), (60, 4, WhyNot.POSSIBLE)],
)
def test_a_can_is_emptied_when_it_is_full_or_will_be(last: int, in_h: float, why: Why | WhyNot) -> None:
    row = a_row([*SAW, *range(0, last + 1, 4)])

    told = judged(row, a_round(row, in_h=in_h))

    assert told.why == why, told.reason
    assert told.reason
    assert (told.since is not None) == (why is Why.FULL)


def test_a_lower_chance_brings_more_cans() -> None:
    row = a_row([*SAW, *range(0, 61, 4)])

    assert judged(row, a_round(row, in_h=4, chance=0.05)).why is Why.FORECAST
    assert judged(row, a_round(row, in_h=4, chance=0.95)).why is WhyNot.POSSIBLE


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("plastic", " % it is full in 10 h"),
        ("Glass", " % (of glass off by 25 points on average) it is full in 10 h"),
        ("metal", " % (never measured for such cans) it is full in 10 h"),
    ],
)
def test_a_chance_that_tells_little_says_so(stream: str, said: str) -> None:
    row = a_row([*SAW, *range(0, 61, 4)], stream=stream)

    assert said in judged(row, a_round(row, in_h=10)).reason


def test_a_can_that_is_not_emptied_for_long_is_on_the_list_unless_next_to_nothing_is_in_it() -> None:
    slow = [80, 82, 81, 0, 0, *(level / 20 for level in range(24 * 30))]
    row, empty = a_row(slow), a_row([80, 82, 81, 0, 0, *([3, 6] * 12 * 30)])

    told = judged(row, a_round(row, age_days=20))

    assert (told.why, told.reason) == (Why.AGE, "Not emptied for 30 days.")
    assert judged(row, a_round(row, age_days=40)).why is not Why.AGE
    assert judged(empty, a_round(empty, age_days=20)).why is not Why.AGE


def test_what_is_not_to_be_trusted_is_looked_at_and_what_is_silent_is_left_with_its_reason() -> None:
    stuck = a_row([40.0] * 24 * 9)
    row = a_row([*SAW, 0, 4, 8])
    plan = a_round(row)
    late = replace(plan, now=plan.now + timedelta(days=2), by=plan.by + timedelta(days=2))

    assert judged(stuck, a_round(stuck)).why is Why.SUSPECT
    tilted, burning = (
        replace(row, report=replace(row.report, attributes=f'{{"events":["{event}"]}}')) for event in ("tilt", "fire")
    )
    assert (judged(tilted, plan).why, judged(burning, plan).why) == (Why.SUSPECT, WhyNot.FIRE)
    told = figured(row, late)
    assert (told.why, told.chance, told.avoided_h) == (WhyNot.SILENT, None, None)
    assert "No report for 48 h" in told.reason


def test_a_can_of_which_too_little_is_known_is_left_and_says_so() -> None:
    row = a_row([5.0])
    bare = Row(Report("1", "12", row.report.measured_at, None), "")

    assert judged(row, a_round(row)).why is WhyNot.UNKNOWN
    assert judged(bare, a_round(row)).reason == "Too little is known of it: its next report begins to tell."


def test_the_list_begins_with_what_is_full_for_longest() -> None:
    rows = {
        "later": a_row([*SAW, *range(0, 61, 4)], can_id="later"),
        "full": a_row([*SAW, *range(0, 85, 4)], can_id="full"),
        "longer": a_row([*SAW, *range(0, 85, 4), 84, 84, 84], can_id="longer"),
        "stuck": a_row([40.0] * 24 * 9, can_id="stuck"),
    }
    found = most_urgent_first(judged(row, a_round(row)) for row in rows.values())

    assert [can.row.report.can_id for can in found] == ["full", "longer", "later", "stuck"]
    assert [can.why for can in found] == [Why.FULL, Why.FULL, Why.FORECAST, Why.SUSPECT]


# -- what a collection avoids ------------------------------------------------------------------------------------------


def the_fills(*hours: float) -> Fills:
    """Past fills of a can that took so many hours each."""
    fills = Fills()
    for each in hours:
        fills = fills.added(Fill(8, False, (each / 4,) * 4), 0.0)
    return fills


def test_a_full_can_overflows_until_the_next_round_less_the_time_it_needs_to_fill_again() -> None:
    row = a_row([*SAW, *range(0, 85, 4)])
    assert row.state
    row = replace(row, state=replace(row.state, fills=the_fills(12, 12, 12)))

    told = figured(row, a_round(row, next_h=24))

    # Twelve hours of the 24 it would be full all the same. Durations are kept in steps of 11 %.
    assert told.avoided_h == pytest.approx(12, abs=1)
    assert figured(row, a_round(row, next_h=6)).avoided_h == 6


def test_what_too_few_fills_tell_is_not_told() -> None:
    row = a_row([*SAW, *range(0, 85, 4)])
    assert row.state
    few = replace(row, state=replace(row.state, fills=the_fills(12, 12)))
    some = a_row([*range(0, 61, 4)])

    assert figured(few, a_round(few)).avoided_h is None
    assert figured(some, a_round(some)).avoided_h is None


def test_the_interval_of_a_forecast_is_that_of_its_chances() -> None:
    for rule, seed in ((FAST, 3), (SLOW, 4)):
        fills = the_fills(*(8 + seed + number for number in range(12)))
        now = Now(MONDAY + 8 * HOUR, 0.5, MONDAY, 0.0, 1.0)
        told, odds = forecast(fills, now, rule), chances(fills, now, replace(rule, shift=0, slope=1))

        assert isinstance(told, Forecast) and odds
        assert odds.by(told.low) == pytest.approx(0.1, abs=0.02)
        assert odds.by(told.high) == pytest.approx(0.9, abs=0.02)
        assert odds.by(now.at) == 0
        assert 0.999 < odds.by(now.at + 10_000 * HOUR) <= 1


def test_a_chance_of_paper_is_as_often_true_as_it_was_on_the_given_containers() -> None:
    # All past fills took 10 h. docs/insight.md: of what was said to be 50 %, a third came true.
    plain, odds = (Chances(0, [(math.log(10.5), 1.0)], 0.05, *by) for by in ((0, 1), (FAST.shift, FAST.slope)))
    half = next(at for at in range(8 * HOUR, 12 * HOUR, 60) if plain.by(at) >= 0.5)

    assert odds.by(half) == pytest.approx(0.33, abs=0.01)
    said = [odds.by(at) for at in range(0, 30 * HOUR, 600)]
    assert said == sorted(said)
    assert (said[0], said[-1]) == (0, 1)


def test_hours_full_are_the_integral_of_the_chances() -> None:
    odds = Chances(0, [(math.log(10.5), 1.0)], 0.05)

    # Full about ten hours from now, nearly surely.
    assert odds.hours_full(0, 8 * HOUR) == pytest.approx(0, abs=0.01)
    assert odds.hours_full(12 * HOUR, 36 * HOUR) == pytest.approx(24, abs=0.01)
    assert odds.hours_full(0, 24 * HOUR) == pytest.approx(14, abs=0.3)


def test_a_can_that_is_full_has_no_chances_left() -> None:
    state, _ = rebuild(a_can(20), rules_for("paper"))
    assert state
    assert chances_of(replace(state, level=90.0), rules_for("paper")) is None


def test_every_status_and_reason_has_its_place() -> None:
    # A new reason without an order would fail where a list is made.
    row = a_row([5.0])
    plan = a_round(row)
    for why in (*Why, *WhyNot):
        assert most_urgent_first([Judged(row, judged(row, plan).standing, why, "")])
