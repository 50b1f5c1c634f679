"""How a can filled in the past."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.insight.fills import MOST, Fill, Fills

some_fills = st.builds(
    Fill,
    st.floats(0, 24, exclude_max=True),
    st.booleans(),
    st.tuples(*[st.floats(0, 3000)] * 4),
    st.floats(0.05, 1),
)


@given(st.lists(st.tuples(some_fills, st.floats(0.001, 0.2)), max_size=120))
def test_the_bytes_are_bounded(added: list[tuple[Fill, float]]) -> None:
    fills = Fills()
    for fill, fade in added:
        fills = fills.added(fill, fade)

    assert len(fills) == len(fills.read()) <= MOST
    assert len(fills.data) <= MOST * 6
    assert 0 <= fills.grown <= 3.5
    assert all(0 <= fill.hour < 24 and fill.weight > 0 for fill in fills.read())


@given(some_fills)
def test_one_fill_comes_back_to_within_a_sign(fill: Fill) -> None:
    (back,) = Fills().added(fill, 0.1).read()

    apart = abs(back.hour - fill.hour)
    assert min(apart, 24 - apart) <= 24 / 45 / 2 + 1e-9
    assert back.weekend == fill.weekend
    assert back.weight == pytest.approx(fill.weight, rel=0.01)
    for came, went in zip(back.hours, fill.hours, strict=True):
        assert came == pytest.approx(min(max(went, 0.2), 2400), rel=0.06)


def test_old_fills_fade_and_at_last_give_their_place() -> None:
    old, new = Fill(8, False, (1, 1, 1, 1)), Fill(20, True, (9, 9, 9, 9))
    fills = Fills().added(old, 0.1)
    for _ in range(10):
        fills = fills.added(new, 0.1)
    faded = [fill.weight for fill in fills.read() if not fill.weekend]
    assert faded == [pytest.approx(0.9**10, rel=0.02)]

    for _ in range(100):
        fills = fills.added(new, 0.1)
    assert [fill for fill in fills.read() if not fill.weekend] == []
    assert len(fills) < MOST


def test_where_there_is_no_place_like_is_merged_with_like_and_none_is_lost() -> None:
    fills = Fills()
    for number in range(MOST * 4):
        hours = (1.0, 1.0, 1.0, 2.0) if number % 4 else (10.0, 10.0, 10.0, 20.0)
        fills = fills.added(Fill(8 + number % 4, False, hours), 0.0001)
    kept = fills.read()

    assert len(kept) == MOST
    assert sum(fill.weight for fill in kept) == pytest.approx(MOST * 4, rel=0.05)
    slow = sum(fill.weight for fill in kept if sum(fill.hours) > 15)
    assert slow == pytest.approx(MOST, rel=0.05)
