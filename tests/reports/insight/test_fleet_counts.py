"""The fleet in numbers and on the map: counted once, estimated later, and never too large to be kept."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from reports.insight.fleet_counts import Count, Overview, Walked
from reports.insight.fleet_map import FINE, GRID, PLACES
from reports.insight.status import Status
from reports.report import Report
from tests.support.cans import a_report

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
DAY = timedelta(hours=24)
WALKED = Walked(5, "2026-11-24T09:30:00Z", "2026-11-24T09:30:00Z", True)
MOST = 350_000


def counted(*cans: tuple[str, str, timedelta | None]) -> Overview:
    count = Count()
    for can_id, level, age in cans:
        at = None if age is None else NOW - age
        count.add(a_report(can_id, level, at), (50.0, 14.0), "paper", NOW)
    return count.overview(WALKED)


def test_an_overview_counts_each_can_once_and_survives_packing() -> None:
    overview = counted(
        ("a", "95.5", DAY * 0), ("b", "12", DAY * 0), ("c", "19.9", DAY * 2), ("d", "100", None), ("e", "odd", DAY * 0)
    )

    assert overview.total == 5
    assert {name: count for name, count in overview.by_status.items() if count} == {"FULL": 2, "SILENT": 1, "OK": 2}
    assert overview.tenths == [0, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert overview.by_stream == {"paper": 5}
    assert Overview.unpacked(overview.packed(MOST)) == overview


def test_full_cans_need_attention_before_silent_ones_and_the_worst_of_each_first() -> None:
    cans = [(f"full-{level}", str(level), DAY * 0) for level in (81, 99, 90)]
    cans += [(f"silent-{days}", "5", DAY * days) for days in (2, 30, 3)]
    cans += [(f"fine-{number}", "5", DAY * 0) for number in range(300)]

    first = [urgent.can_id for urgent in counted(*cans).urgent]

    assert first == ["full-99", "full-90", "full-81", "silent-30", "silent-3", "silent-2"]
    assert len(counted(*[(f"full-{number}", "90", DAY * 0) for number in range(5000)]).urgent) == 10


def test_a_large_fleet_becomes_cells_that_lose_no_can() -> None:
    count = Count()
    for number in range(PLACES * 3):
        report = Report(str(number), "90" if number == 77 else "10", NOW, NOW)
        count.add(report, (50 + number % 97 / 1000, 14 + number % 89 / 1000), "", NOW)
    again, beside = Count.unpacked(count.packed(MOST, position="7"))
    overview = count.overview(WALKED)

    assert len(count.points.cells) <= FINE
    assert len(overview.places) < PLACES
    assert sum(place.count for place in overview.places) == overview.located == PLACES * 3
    assert [(place.level, place.full) for place in overview.places if place.status == "FULL"] == [(90, 1)]
    assert Overview.unpacked(overview.packed(MOST)).cell == overview.cell == pytest.approx(0.096 / GRID)
    assert len(overview.packed(MOST)) < 100_000
    assert (beside, again.by_status, again.points.count) == ({"position": "7"}, count.by_status, PLACES * 3)
    assert sum(place.count for place in again.overview(WALKED).places) == PLACES * 3


def test_cans_of_which_the_level_is_not_to_be_trusted_are_counted_also_where_they_are_full() -> None:
    count, at = Count(), int(NOW.timestamp())
    for number, outlook in enumerate(("FULL DOUBTED", "FULL", "SUSPECT 3600 OK", "TILT", "OK")):
        count.add(a_report(str(number), "90", NOW, outlook=f"{at} 7200 {outlook}"), None, "", NOW, [""])
    again, _ = Count.unpacked(count.packed(MOST))

    assert again.overview(WALKED).suspect == 3
    assert again.estimated(WALKED, {"": 50, "FULL": 20, "SILENT": 0}, ()).suspect == 30


def test_what_is_kept_of_a_fleet_always_fits() -> None:
    chance = random.Random(3)
    count = Count()
    for number in range(PLACES):
        can_id = "".join(chr(chance.randrange(0x1F300, 0x1FAFF)) for _ in range(120))
        report = a_report(can_id, str(number % 100), NOW)
        count.add(report, (chance.uniform(-90, 90), chance.uniform(-180, 180)), f"stream {number}" * 5, NOW)
    overview = count.overview(WALKED)

    assert len(overview.packed(10**9)) > MOST
    assert len(overview.packed(MOST)) <= MOST
    assert sum(place.count for place in Overview.unpacked(overview.packed(MOST)).places) == PLACES
    assert len(count.packed(MOST)) <= MOST


def test_a_walk_long_ago_corrects_what_the_indexes_count_now() -> None:
    count = Count()
    for number in range(100):
        # Each tenth is silent and full, which counts as full; each index range holds it.
        level, age = ("90", DAY * 2) if number % 10 == 0 else ("90", DAY * 0) if number % 10 < 3 else ("10", DAY * 0)
        ranges = [""] + ["FULL"] * (level == "90") + ["SILENT"] * (age > DAY)
        count.add(Report(str(number), level, NOW - age, NOW), None, "", NOW, ranges)
    for _ in range(5):
        count.pass_over(["", "FULL"])

    now = count.estimated(WALKED, {"": 1050, "FULL": 400, "SILENT": 120}, ())

    # Ten times as many: of the full ones 50 are out of service, of the silent ones 100 are full.
    by_status = {name: count for name, count in now.by_status.items() if count}
    assert (now.total, by_status, now.exact) == (1000, {"FULL": 350, "SILENT": 20, "OK": 630}, False)
    none = Count().estimated(WALKED, {"": 1050, "FULL": 400, "SILENT": 120}, ())
    by_status = {name: count for name, count in none.by_status.items() if count}
    assert (none.total, by_status) == (1050, {"FULL": 400, "SILENT": 120, "OK": 530})


def test_an_estimate_by_few_cans_is_of_no_more_than_the_index_holds() -> None:
    count = Count()
    count.seen = count.total = count.by_status[Status.NEW] = count.in_ranges[""] = 10

    # Ten new ones were seen, of a hundred of which four in five are something else.
    now = count.estimated(WALKED, {"": 100, "FULL": 60, "SILENT": 20}, ())

    assert now.total == 100
    assert {name: cans for name, cans in now.by_status.items() if cans} == {"FULL": 60, "SILENT": 20, "NEW": 20}
