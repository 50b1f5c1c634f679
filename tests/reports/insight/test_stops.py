"""The way through the stops of a round: as the crow flies, and called so."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.insight.area import area_of
from reports.insight.stops import Place, distance_km, way_through

PRAGUE, BRNO = (50.0875, 14.4213), (49.1951, 16.6068)


def test_a_distance_is_that_of_the_great_circle() -> None:
    # 186 km by any map.
    assert distance_km(PRAGUE, BRNO) == pytest.approx(185.9, abs=1)
    assert distance_km((0, 0), (0, 180)) == pytest.approx(20015.1, abs=0.1)
    assert distance_km((10, 179.9), (10, -179.9)) == pytest.approx(21.9, abs=0.1)
    assert distance_km(PRAGUE, PRAGUE) == 0


places = st.lists(st.tuples(st.floats(49, 51), st.floats(13, 15)), max_size=7)


@settings(max_examples=60, deadline=None)
@given(places, st.none() | st.tuples(st.floats(49, 51), st.floats(13, 15)))
def test_every_stop_is_met_once_and_the_legs_are_those_of_the_way(stops: list[Place], start: Place | None) -> None:
    way = way_through(stops, start)

    assert sorted(way.order) == list(range(len(stops)))
    met = [*([start] if start else []), *(stops[at] for at in way.order), *([start] if start and stops else [])]
    assert way.length_km == pytest.approx(length(met))
    if stops and not start:
        assert way.order[0] == 0


@pytest.mark.parametrize("start", [None, (50.05, 14.3)])
def test_a_way_of_six_stops_is_mostly_the_shortest_and_never_a_quarter_longer(start: Place | None) -> None:
    longer = []
    for seed in range(12):
        chance = random.Random(seed)
        stops = [(50 + chance.random() / 10, 14.3 + chance.random() / 6) for _ in range(6)]
        way = way_through(stops, start)

        begin, rest = ([start], stops) if start else (stops[:1], stops[1:])
        end = [start] if start else []
        longer.append(way.length_km / min(length([*begin, *order, *end]) for order in itertools.permutations(rest)))

    assert min(longer) > 0.9999
    assert sorted(longer)[6] == pytest.approx(1)
    assert max(longer) < 1.25


def length(way: Sequence[Place]) -> float:
    return sum(itertools.starmap(distance_km, itertools.pairwise(way)))


def test_stops_at_one_place_are_ten_stops() -> None:
    way = way_through([PRAGUE] * 10)

    assert (sorted(way.order), way.length_km) == (list(range(10)), 0)


@pytest.mark.parametrize(
    ("numbers", "inside", "outside"),
    [
        ([50.0875, 14.4213, 2], (50.0875, 14.445), (50.0875, 14.455)),
        ([50.0, 14.3, 50.1, 14.5], (50.05, 14.4), (50.05, 14.51)),
        ([-17, 179, -16, -179], (-16.5, -179.5), (-16.5, 178.9)),
        ([-16.5, 179.99, 10], (-16.5, -179.95), (-16.5, 179.5)),
        ([89.9, 0, 50], (89.9, 180), (89, 0)),
    ],
)
def test_an_area_holds_what_lies_in_it(numbers: list[float], inside: Place, outside: Place) -> None:
    area = area_of(numbers)

    assert (area.holds(inside), area.holds(outside)) == (True, False)


@pytest.mark.parametrize("numbers", [[1], [50, 14], [91, 0, 1], [0, 0, 0], [50, 14, 49, 15], [0, 0, 1, 181], [0] * 5])
def test_what_is_no_area_says_the_rule(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="must be "):
        area_of(numbers)
