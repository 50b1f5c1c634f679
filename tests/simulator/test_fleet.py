"""The fleet measures as a town's cans do: repeatably, plausibly, without a beginning."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice, pairwise, takewhile
from math import ceil
from statistics import mean
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.fleet import Fleet, Measurement, Place, digits
from simulator.town import HABITS, STREAMS

#: A Tuesday.
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
instants = st.integers(1_420_000_000, 2_051_000_000).map(lambda epoch: datetime.fromtimestamp(epoch, UTC))
seeds = st.integers(-(2**63), 2**63)


def measured(fleet: Fleet, since: datetime, until: datetime) -> list[Measurement]:
    return list(takewhile(lambda each: each.measured_at <= until, fleet.measurements(Place(since))))


@given(seeds, st.integers(1, 30), instants, st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_a_fleet_taken_up_in_the_middle_measures_what_it_would_have(
    seed: int, size: int, start: datetime, stop: int
) -> None:
    whole = list(islice(Fleet(seed, size).measurements(Place(start)), 80))

    again = list(islice(Fleet(seed, size).measurements(whole[stop].place), 80 - stop - 1))

    assert again == whole[stop + 1 :]


@given(seeds, st.floats(0.05, 500), instants, st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_a_rate_taken_up_in_the_middle_measures_what_it_would_have(
    seed: int, rate: float, start: datetime, stop: int
) -> None:
    whole = list(islice(Fleet(seed, 7).at_rate(rate, start), 50))

    again = islice(Fleet(seed, 7).at_rate(rate, whole[stop].measured_at + timedelta(microseconds=2)), 49 - stop)

    assert list(again) == whole[stop + 1 :]
    gaps = [(later.measured_at - each.measured_at).total_seconds() for each, later in pairwise(whole)]
    assert mean(gaps) == pytest.approx(1 / rate, rel=0.01)


def test_a_rate_lets_every_can_measure_once_before_any_measures_twice() -> None:
    turns = list(islice(Fleet(1, 50).at_rate(1, datetime(1970, 1, 1, tzinfo=UTC)), 100))

    orders = [[each.can.can_id for each in turns[:50]], [each.can.can_id for each in turns[50:]]]
    assert sorted(orders[0]) == sorted(orders[1]) == [str(number) for number in range(400, 450)]
    assert orders[0] != orders[1]


@given(seeds, instants)
@settings(max_examples=30, deadline=None)
def test_measurements_come_in_order_and_are_levels_in_jsons_grammar(seed: int, start: datetime) -> None:
    taken = list(islice(Fleet(seed, 12).measurements(Place(start)), 200))

    assert taken[0].measured_at >= start
    assert all(each.place < later.place for each, later in pairwise(taken))
    assert all(0 <= float(each.level) <= 100 and set(each.level) <= set("0123456789.") for each in taken)


@given(st.floats(-50, 150))
def test_a_level_is_written_without_exponent_or_sign(level: float) -> None:
    assert set(digits(level)) <= set("0123456789.")
    assert float(digits(level)) == pytest.approx(min(max(level, 0), 100), abs=1e-4)


@given(seeds, instants)
@settings(max_examples=20, deadline=None)
def test_the_newest_measurements_are_the_last_of_each_can(seed: int, at: datetime) -> None:
    """To the last digit, also where one fleet has walked through days and the other begins here."""
    fleet = Fleet(seed, 10)
    last = {each.can.can_id: each for each in measured(fleet, at - timedelta(days=6), at)}

    newest = Fleet(seed, 10).newest(at)

    assert {each.can.can_id: each for each in newest} == last
    assert newest == sorted(newest, key=lambda each: each.place)


def test_a_can_is_the_same_in_a_fleet_of_any_size() -> None:
    assert Fleet(5, 900).cans[:20] == Fleet(5, 20).cans


def test_another_seed_is_another_fleet() -> None:
    assert Fleet(1, 20).cans != Fleet(2, 20).cans


def test_ids_are_the_labs_and_then_longer() -> None:
    ids = [can.can_id for can in Fleet(1, 602).cans]

    assert ids[:2] == ["400", "401"]
    assert ids[598:] == ["998", "999", "1000", "1001"]


def test_cans_stand_together_in_a_town() -> None:
    cans = Fleet(1, 500).cans

    assert all(part.as_tuple().exponent == -5 for can in cans for part in can.location)
    lats, lons = zip(*(can.location for can in cans), strict=True)
    assert max(lats) - min(lats) < 0.2 and max(lons) - min(lons) < 0.2
    # The four of a site are within a few dozen metres.
    site = cans[:4]
    assert all(abs(can.location[0] - site[0].location[0]) < 0.0005 for can in site)
    assert len({can.location for can in cans}) > 490


def test_every_stream_has_about_its_share_of_the_cans() -> None:
    streams = Counter(can.stream for can in Fleet(1, 2000).cans)

    assert {stream: streams[stream] / 2000 for stream in STREAMS} == pytest.approx(
        {stream: share for stream, (share, _) in STREAMS.items()}, abs=0.03
    )


def test_a_week_of_500_cans_is_about_33_000_reports() -> None:
    fleet = Fleet()
    week = measured(fleet, NOW - timedelta(days=7), NOW)

    assert 32_000 < len(week) < 35_000
    assert fleet.expected(NOW - timedelta(days=7), NOW) == pytest.approx(len(week), rel=0.01)


def test_cans_fill_between_emptyings_and_are_low_after_one() -> None:
    fleet = Fleet(3, 60)
    emptied = 0
    for can in fleet.cans:
        for day in range(date(2026, 11, 2).toordinal(), date(2026, 11, 23).toordinal()):
            midnight = datetime.combine(date.fromordinal(day), datetime.min.time(), UTC)
            hours = [fleet.level(can, midnight + timedelta(hours=hour)) for hour in range(24)]
            round_ = fleet.collection(can, day)
            if round_ is None:
                assert all(earlier <= later for earlier, later in pairwise(hours))
                continue
            emptied += 1
            hour, residue = round_
            assert fleet.level(can, midnight + timedelta(hours=hour, seconds=1)) <= residue + 1
            assert all(earlier <= later for earlier, later in pairwise(hours[: ceil(hour)]))
            assert all(earlier <= later for earlier, later in pairwise(hours[ceil(hour) :]))
    assert emptied > 200


def test_a_days_end_is_the_next_days_beginning() -> None:
    fleet = Fleet(4, 30)
    for can in fleet.cans:
        for day in range(10):
            midnight = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day)
            before = Fleet(4, 30).level(can, midnight - timedelta(seconds=1))
            assert fleet.level(can, midnight) == pytest.approx(before, abs=0.1)


def test_cans_are_emptied_on_their_streams_weekdays_with_some_rounds_missed() -> None:
    fleet = Fleet(1, 300)
    for can in fleet.cans:
        weekdays = {day for rounds in STREAMS[can.stream][1] for day in rounds.weekdays}
        days = [day for day in range(739_000, 739_140) if fleet.collection(can, day)]
        assert {(day - 1) % 7 for day in days} <= weekdays

    due = [(can, day) for can in fleet.cans for day in range(739_000, 739_140) if can.rounds.on(day)]
    came = sum(fleet.collection(can, day) is not None for can, day in due)
    assert 0.90 < came / len(due) < 0.97


def test_people_throw_away_by_day_and_shops_by_weekday() -> None:
    fleet = Fleet(1, 400)
    shops = [can for can in fleet.cans if can.habit == HABITS["shops"]]
    by_weekday: Counter[int] = Counter()
    by_hour: Counter[int] = Counter()
    for can in shops:
        for hours in range(28 * 24):
            at = datetime(2026, 10, 5, tzinfo=UTC) + timedelta(hours=hours)
            risen = fleet.level(can, at + timedelta(minutes=59)) - fleet.level(can, at)
            if risen > 0:
                by_weekday[at.weekday()] += round(1000 * risen)
                by_hour[at.hour] += round(1000 * risen)

    assert by_weekday[6] < 0.7 * mean(by_weekday[day] for day in range(6))
    assert sum(by_hour[hour] for hour in range(8, 18)) > 0.6 * by_hour.total()
    assert sum(by_hour[hour] for hour in range(5)) < 0.05 * by_hour.total()


def test_hours_and_weekdays_are_those_of_the_towns_time_zone() -> None:
    """Twelve hours east, a night is where UTC has the day."""
    here, there = Fleet(1, 100), Fleet(1, 100, ZoneInfo("Pacific/Auckland"))
    noon = datetime(2026, 7, 8, 9, tzinfo=UTC)

    def risen(fleet: Fleet) -> float:
        rises = (fleet.level(can, noon + timedelta(hours=5)) - fleet.level(can, noon) for can in fleet.cans)
        return sum(rise for rise in rises if rise > 0)

    assert risen(there) < 0.35 * risen(here)


@pytest.mark.parametrize("zone", ["Europe/Prague", "America/St_Johns"])
def test_a_changed_clock_hardly_moves_a_level(zone: str) -> None:
    fleet = Fleet(1, 50, ZoneInfo(zone))
    for can in fleet.cans:
        for change in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
            levels = [fleet.level(can, change + timedelta(minutes=10 * step)) for step in range(12)]
            assert all(abs(later - earlier) < 3 for earlier, later in pairwise(levels))


def test_sensors_are_off_by_little_mostly_and_miss_or_dip_at_times() -> None:
    fleet = Fleet(2, 200)
    month = measured(fleet, NOW - timedelta(days=28), NOW)
    off = [abs(float(each.level) - min(fleet.level(each.can, each.measured_at), 100)) for each in month]

    assert sum(each < 5 for each in off) > 0.98 * len(off)
    assert 0.0005 < sum(each > 15 for each in off) / len(off) < 0.005

    last: dict[int, datetime] = {}
    silent = 0
    for each in month:
        gap = each.measured_at - last.get(each.can.number, each.measured_at)
        silent += gap > timedelta(hours=6)
        assert gap < timedelta(hours=60)
        last[each.can.number] = each.measured_at
    assert 50 < silent < 2000


def test_some_cans_overflow_and_most_do_not() -> None:
    levels = [float(each.level) for each in measured(Fleet(), NOW - timedelta(days=7), NOW)]

    assert 0.01 < sum(level >= 99 for level in levels) / len(levels) < 0.15
    assert 30 < mean(levels) < 55


def test_a_demonstration_has_cans_with_faults_and_some_that_have_been_there_for_long() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    fleet = Fleet(1, 100, new_since=now - timedelta(days=7))
    since = now - timedelta(days=20)

    taken = list(takewhile(lambda each: each.measured_at <= now, fleet.measurements(Place(since))))

    old = {each.can.number for each in taken if each.measured_at < now - timedelta(days=7)}
    assert old == {0, 20, 40, 60, 80}
    assert fleet.expected(since, now) == pytest.approx(len(taken), rel=0.05)
    by_can: dict[int, list[Measurement]] = {}
    for each in taken:
        by_can.setdefault(each.can.number, []).append(each)
    # One is silent for three days in six, one stands still for twelve days, others are tilted or send no level.
    gaps = [later.measured_at - one.measured_at for one, later in pairwise(by_can[3])]
    assert max(gaps) > timedelta(days=2.5) or now - by_can[3][-1].measured_at > timedelta(days=1)
    still = [len(list(run)) for _, run in groupby(by_can[40], key=lambda each: each.level)]
    assert max(still) > 40
    assert {each.events for each in by_can[12]} == {(), ("tilt",)}
    assert "error" in {each.level for each in by_can[16]}
    assert {each.level for each in by_can[27]} > {"0", "100"}
    # A run that goes on later, and the newest of each can, say the same.
    middle = taken[len(taken) // 2].place
    again = takewhile(lambda each: each.measured_at <= now, replace(fleet).measurements(middle))
    assert list(again) == [each for each in taken if each.place > middle]
    assert fleet.newest(now) == sorted((mine[-1] for mine in by_can.values()), key=lambda each: each.place)
