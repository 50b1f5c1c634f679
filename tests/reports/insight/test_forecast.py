"""When a can will be full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.insight.fills import Fill, Fills
from reports.insight.forecast import FAST, SLOW, Forecast, ForecastRule, NoForecast, Now, Reliability, forecast
from tests.reports.insight.cans import HOUR, MONDAY
from tests.reports.insight.test_fills import some_fills


def remembered(*fills: Fill, fade: float = 0.001) -> Fills:
    known = Fills()
    for fill in fills:
        known = known.added(fill, fade)
    return known


def hours_left(told: Forecast | NoForecast, now: Now) -> tuple[float, float, float]:
    assert isinstance(told, Forecast)
    return tuple((at - now.at) / HOUR for at in (told.low, told.full_at, told.high))  # type: ignore[return-value]


def test_a_can_that_always_takes_as_long_is_told_so() -> None:
    known = remembered(*[Fill(12, False, (2, 2, 3, 3))] * 20)
    now = Now(MONDAY + 12 * HOUR, 0.5, MONDAY + 8 * HOUR, 0, 1)

    told = forecast(known, now, FAST)

    low, point, high = hours_left(told, now)
    assert point == pytest.approx(6, rel=0.1)
    assert low < point < high < 12
    assert isinstance(told, Forecast) and told.reliability is Reliability.GOOD


def test_the_time_of_day_decides_between_this_evening_and_tomorrow() -> None:
    known = remembered(*[Fill(10, False, (1, 1, 3, 3))] * 15, *[Fill(17, False, (4, 4, 8, 8))] * 15)

    def at(hour: int) -> float:
        now = Now(MONDAY + hour * HOUR, 0.5, MONDAY + 6 * HOUR, 0, 1)
        return hours_left(forecast(known, now, FAST), now)[1]

    assert at(10) == pytest.approx(6, rel=0.1)
    assert at(17) == pytest.approx(16, rel=0.1)


def test_a_slow_first_half_shortens_what_is_left_of_a_slow_fill() -> None:
    known = remembered(*[Fill(12, False, (50, 50, 50, 50))] * 10)

    def after(hours: int) -> float:
        now = Now(MONDAY + hours * HOUR, 0.5, MONDAY, 0, 3)
        return hours_left(forecast(known, now, SLOW), now)[1]

    assert after(140) < after(100) < after(60)


def test_without_a_past_it_goes_by_the_present_pace_and_says_that_this_is_poor() -> None:
    now = Now(MONDAY + 30 * HOUR, 0.5, MONDAY, 0.1, 2)

    told = forecast(Fills(), now, SLOW)

    assert hours_left(told, now)[1] == pytest.approx(30 * 0.5 / 0.4, rel=0.02)
    assert isinstance(told, Forecast) and told.reliability is Reliability.POOR


def test_without_a_past_or_a_rise_there_is_no_forecast_but_a_reason() -> None:
    told = forecast(Fills(), Now(MONDAY + HOUR, 0.1, MONDAY, 0.1, 1), SLOW)

    assert told == NoForecast("It was not yet seen to get full, and has not risen since it was emptied.")


@given(
    st.lists(some_fills, max_size=60),
    st.builds(
        Now,
        st.integers(MONDAY, MONDAY + 10**6),
        st.floats(0, 0.999),
        st.integers(MONDAY - 10**7, MONDAY),
        st.floats(0, 1),
        st.floats(0, 24),
    ),
    st.sampled_from([FAST, SLOW]),
)
def test_a_forecast_lies_in_its_interval_and_not_in_the_past(fills: list[Fill], now: Now, rule: ForecastRule) -> None:
    told = forecast(remembered(*fills, fade=rule.fade), now, rule)

    if isinstance(told, Forecast):
        assert now.at <= told.low <= told.full_at <= told.high < now.at + 400 * 86400 * 40
    else:
        assert not fills
