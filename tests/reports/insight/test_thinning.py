"""Fewer points that draw nearly the same line."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from reports.insight.thinning import thin


@given(st.lists(st.floats(0, 100), min_size=3, max_size=400), st.integers(3, 60))
def test_thinning_keeps_order_ends_and_bounds(levels: list[float], size: int) -> None:
    points = [(float(at), level) for at, level in enumerate(levels)]

    thinned = thin(points, size)

    assert len(thinned) == min(size, len(points))
    assert (thinned[0], thinned[-1]) == (points[0], points[-1])
    assert [at for at, _ in thinned] == sorted({at for at, _ in thinned})
    assert set(thinned) <= set(points)


def test_thinning_keeps_a_single_peak_among_thousands() -> None:
    points = [(float(at), 50 + math.sin(at / 300)) for at in range(20_000)]
    points[12_345] = (12_345.0, 99.0)

    assert (12_345.0, 99.0) in thin(points, 500)
