"""Simulated time may run fast, never ahead of the wall clock, and what is due together goes together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.pace import CHUNK, Pace, due
from simulator.sending import Sending
from tests.simulator.scene import NOW, TurnedClock


def sending(ahead_s: float) -> Sending:
    at = NOW + timedelta(seconds=ahead_s)
    return Sending(at, at, "{}", "{}")


@given(st.one_of(st.none(), st.floats(1e-3, 1e9)), st.floats(-1e7, 1e7), st.floats(0, 1e7))
def test_simulated_time_never_passes_the_wall_clock(speedup: float | None, back_s: float, later_s: float) -> None:
    pace = Pace(NOW - timedelta(seconds=back_s), NOW, speedup)
    now = NOW + timedelta(seconds=later_s)

    assert pace.simulated(now) <= now


def test_simulated_time_runs_fast_until_the_present_and_then_with_it() -> None:
    pace = Pace(NOW - timedelta(hours=1), NOW, 61)

    assert pace.simulated(NOW) == NOW - timedelta(hours=1)
    assert pace.simulated(NOW + timedelta(seconds=30)) == NOW - timedelta(hours=1) + timedelta(seconds=30 * 61)
    for later_s in (60, 61, 10_000):
        assert pace.simulated(NOW + timedelta(seconds=later_s)) == NOW + timedelta(seconds=later_s)


def test_the_past_goes_at_once_and_in_bounded_chunks() -> None:
    clock = TurnedClock()

    chunks = list(due((sending(-1) for _ in range(2 * CHUNK + 1)), Pace(NOW, NOW), clock))

    assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK, 1]
    assert clock.at == NOW


def test_what_is_due_later_is_waited_for() -> None:
    clock = TurnedClock()
    seen = [(len(chunk), clock.at) for chunk in due(map(sending, [-5, 0, 40, 40, 100]), Pace(NOW, NOW), clock)]

    assert seen == [(2, NOW), (2, NOW + timedelta(seconds=40)), (1, NOW + timedelta(seconds=100))]


@pytest.mark.parametrize("speedup", [None, 1, 7.5, 10_000])
def test_nothing_goes_before_its_time_nor_long_after(speedup: float | None) -> None:
    clock = TurnedClock()
    pace = Pace(NOW - timedelta(minutes=10), NOW, speedup)

    for chunk in due(map(sending, range(-600, 900, 20)), pace, clock):
        for each in chunk:
            simulated = pace.simulated(clock.at)
            assert each.due_at <= simulated
            assert speedup is None or simulated - each.due_at < timedelta(seconds=1 + speedup)


def test_what_was_ready_goes_before_an_error_is_raised() -> None:
    def broken() -> Iterator[Sending]:
        yield sending(-1)
        raise ValueError("row 3")

    chunks = due(broken(), Pace(NOW, NOW), TurnedClock())

    assert len(next(chunks)) == 1
    with pytest.raises(ValueError, match="row 3"):
        next(chunks)
