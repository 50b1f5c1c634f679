"""A can's trend as one number, and as rows hold it."""

from __future__ import annotations

from binascii import a2b_base64

from hypothesis import given
from hypothesis import strategies as st

from reports.insight.trend import EMPTY, SIZE, SLOT_S, SLOTS, levels, sampled

#: Of two days and some seconds before the epoch.
measurements = st.lists(st.tuples(st.integers(-9_000, 180_000), st.integers(0, 100)), max_size=40)


@given(measurements)
def test_a_trend_has_the_last_level_of_each_two_hours_in_whatever_order_they_come(sent: list[tuple[int, int]]) -> None:
    trend = EMPTY
    for second, percent in sent:
        trend = sampled(trend, second, percent)
    newest = max((second // SLOT_S for second, _ in sent), default=0)
    last = {second // SLOT_S: percent for second, percent in sorted(sent)}
    wanted = tuple(last.get(slot) for slot in range(newest - SLOTS + 1, newest + 1)) if sent else ()
    assert levels(trend) == wanted
    assert int.from_bytes(trend.to_bytes(SIZE, signed=True), signed=True) == trend


def test_a_trend_is_what_rows_hold() -> None:
    trend = sampled(sampled(EMPTY, 1_795_500_000, 70), 1_795_521_605, 42)
    assert trend.to_bytes(SIZE, signed=True) == a2b_base64("AAPOIv//////////////////////////AARv//////ACqg==")
