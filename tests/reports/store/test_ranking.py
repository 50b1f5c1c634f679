"""The fleet in an order, read from its indexes on a real store."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from django.conf import settings

from reports import store
from reports.insight.fold import trend
from reports.report import Report
from reports.store import Met, Order, Ranked, ranked
from reports.store.keys import heard_part
from tests.support.cans import a_report
from trashsite import aws

pytestmark = pytest.mark.usefixtures("shared_suffix")

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SIZE = 137


@pytest.fixture(scope="module")
def fleet(shared_suffix: str) -> dict[str, Report]:
    """Cans of many levels and ages, two of which share each level, under ids that sort oddly."""
    chance = random.Random(7)
    cans = {}
    for number in range(SIZE):
        can_id = chance.choice(("{}", "č{}", "🗑{}", "z {}", "{}#9", "\U0010ffff\U0010ffff{}")).format(number)
        level = str(Decimal(number // 2 * 14593 % 10001) / 100)
        measured_at = NOW - timedelta(minutes=chance.randrange(6000))
        cans[can_id] = Report(can_id, level, measured_at, NOW, stream=chance.choice(("paper", "glass")))
    store.put_reports(list(cans.values()), now=NOW)
    return cans


def walk(order: Order, size: int, **filters: object) -> list[Ranked]:
    pages = [ranked(order, size=size, **filters)]
    while pages[-1].more:
        pages.append(ranked(order, size=size, after=pages[-1].last, **filters))
        assert len(pages) < 200
    return pages


def coarse(order: Order, report: Report) -> Any:
    """Return by what an order is right across pages: exact percents from 80 on, bands below; twelve hours; the id."""
    if order == "id":
        return report.can_id.encode()
    if order == "silent":
        assert report.measured_at
        return heard_part(report.can_id, report.measured_at)
    level = int(Decimal(report.level))
    return level if level >= 80 else max(band for band in (0, 50, 70) if band <= level)


@pytest.mark.parametrize("order", ["fullest", "emptiest", "silent", "id"])
@pytest.mark.parametrize("size", [1, 20, 50, 500])
def test_each_can_is_met_once_in_its_order(fleet: dict[str, Report], order: Order, size: int) -> None:
    pages = [page.items for page in walk(order, size)]

    assert Counter(report.can_id for page in pages for report in page) == Counter(fleet.keys())
    # Within a page the order is exact; across pages it is the index's.
    places = [sorted((coarse(order, report) for report in page), reverse=order == "fullest") for page in pages]
    met = [place for page in places for place in page]
    assert met == sorted(met, reverse=order == "fullest")


def test_a_page_that_lacks_a_can_out_of_service_asks_no_shard_again(
    fleet: dict[str, Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = [report.can_id for report in ranked("id", size=51).items]
    asked: list[str] = []
    monkeypatch.setattr(aws, "subscribers", [lambda sent: asked.append(sent.operation)])

    page = ranked("id", size=50, selective=False, keep=lambda some: {each.can_id for each in some} - {first})

    assert [report.can_id for report in page.items] == others
    assert Counter(asked) == {"Query": 8, "BatchGetItem": 1}


def test_from_80_percent_on_the_fullest_come_first_across_pages(fleet: dict[str, Report]) -> None:
    met = [int(Decimal(report.level)) for page in walk("fullest", 3) for report in page.items]

    full = [level for level in met if level >= 80]
    assert met[: len(full)] == sorted(full, reverse=True)


def test_within_a_page_the_order_is_exact(fleet: dict[str, Report]) -> None:
    (page,) = walk("fullest", 500)

    levels = [Decimal(report.level) for report in page.items]
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("order", ["fullest", "emptiest", "silent", "id"])
def test_pages_go_back_the_way_they_came(fleet: dict[str, Report], order: Order) -> None:
    there = walk(order, 20)

    back = [there[-1]]
    while len(back) < len(there):
        back.append(ranked(order, size=20, before=back[-1].first))

    ids = [[report.can_id for report in page.items] for page in there]
    assert [[report.can_id for report in page.items] for page in reversed(back)] == ids
    assert [page.more for page in back[1:]] == [True] * (len(back) - 2) + [False]


@pytest.mark.parametrize(
    ("low", "high"), [(40, 59), (0, 0), (72, 74), (79, 80), (50, 100), (85, 85), (None, 33), (80, None)]
)
def test_a_range_of_levels_is_exactly_that(fleet: dict[str, Report], low: int | None, high: int | None) -> None:
    met = {report.can_id for page in walk("emptiest", 7, low=low, high=high) for report in page.items}

    levels = {can_id: int(Decimal(report.level)) for can_id, report in fleet.items()}
    assert met == {can_id for can_id, level in levels.items() if (low or 0) <= level <= (100 if high is None else high)}


@pytest.mark.parametrize("hours", [0, 1, 5, 11, 12, 13, 24, 48, 99])
def test_those_not_heard_of_for_some_hours_are_exactly_found(fleet: dict[str, Report], hours: int) -> None:
    until = NOW - timedelta(hours=hours, minutes=17)

    met = {report.can_id for page in walk("silent", 50, until=until) for report in page.items}

    assert met == {can_id for can_id, report in fleet.items() if report.measured_at and report.measured_at <= until}


@pytest.mark.parametrize("prefix", ["1", "č", "🗑1", "\U0010ffff", "none such"])
def test_ids_are_searched_by_how_they_begin(fleet: dict[str, Report], prefix: str) -> None:
    met = [report.can_id for page in walk("id", 10, prefix=prefix) for report in page.items]

    assert met == sorted((can_id for can_id in fleet if can_id.startswith(prefix)), key=str.encode)


def test_a_filtered_page_stops_at_its_budget_and_can_be_searched_on(fleet: dict[str, Report]) -> None:
    wanted = {can_id for can_id, report in fleet.items() if report.stream == "glass"}

    def glass(reports: Sequence[Report]) -> set[str]:
        return {report.can_id for report in reports if report.stream == "glass"}

    pages = walk("fullest", 10, keep=glass, budget=15)

    assert {report.can_id for page in pages for report in page.items} == wanted
    assert any(page.stopped for page in pages)
    assert all(len(page.items) == 10 for page in pages[:-1] if not page.stopped)


@pytest.mark.parametrize(("filters", "most"), [({}, 9), ({"keep": lambda reports: set()}, 11)])
def test_a_page_costs_a_fixed_number_of_requests(
    fleet: dict[str, Report], filters: dict[str, object], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(aws, "subscribers", [lambda sent: asked.append(sent.operation)])

    ranked("fullest", size=50, **filters)

    assert 0 < len(asked) <= most


def test_what_another_service_wrote_is_found_and_mended(suffix: str) -> None:
    table = f"trash-levels-{settings.TRASH_SUFFIX}"
    for can_id, level in (("lab", "88.81585003341274"), ("odd", "full")):
        boto3.client("dynamodb").put_item(TableName=table, Item={"id": {"S": can_id}, "level": {"S": level}})
    store.put_reports([a_report("ours", "12", NOW)], now=NOW)

    lacking = lacking_cans()
    assert store.mend(lacking) == 2
    assert store.mend(lacking) == 0

    assert [report.can_id for report in ranked("fullest", size=5).items] == ["lab", "ours"]
    assert [report.can_id for report in ranked("id", size=5).items] == ["lab", "odd", "ours"]
    assert [report.can_id for report in ranked("silent", size=5).items] == ["ours"]
    assert lacking_cans() == []


def test_no_level_or_id_of_another_service_stops_the_mending(suffix: str) -> None:
    odd = ["1e200", "9" * 45, "1_0", " 5 ", "0e999"]
    for at, level in enumerate([{"S": each} for each in odd] + [{"N": "42.50"}]):
        boto3.client("dynamodb").put_item(
            TableName=f"trash-levels-{suffix}", Item={"id": {"S": str(at)}, "level": level}
        )
    too_long = {"id": {"S": "x" * 1_500}, "level": {"S": "7"}}
    boto3.client("dynamodb").put_item(TableName=f"trash-levels-{suffix}", Item=too_long)

    assert store.mend(lacking_cans()) == 6

    assert [can.report.can_id for can in lacking_cans()] == ["x" * 1_500]
    assert [report.can_id for report in ranked("id", size=9).items] == list("012345")


def lacking_cans() -> list[Met]:
    return [can for stretch in store.walk() for can in stretch.cans if can.lacking]


def test_a_page_is_bounded_by_the_bytes_of_its_attributes(suffix: str) -> None:
    said = '{"note":"' + "x" * 16_000 + '"}'
    store.put_reports([Report(f"fat-{number}", "50", NOW, NOW, said) for number in range(40)], now=NOW)

    pages = walk("id", 40)

    assert all(sum(len(report.attributes) for report in page.items) < 300_000 for page in pages)
    assert [page.stopped for page in pages] == [True, True, False]
    assert len({report.can_id for page in pages for report in page.items}) == 40
    assert [report.can_id for report in ranked("id", size=40, before=pages[2].first).items] == [
        report.can_id for report in pages[1].items
    ]


def test_a_row_tells_its_trend_of_a_day(suffix: str) -> None:
    # Of each two hours the newest; what is older than a day is forgotten.
    reports = [Report("trend", f"{turn}.9", NOW - timedelta(hours=40 - turn), NOW) for turn in range(40)]
    for report in reports[::2]:
        store.put_reports([report], now=NOW)
    # The rest of a backlog comes late, and at once.
    store.put_reports(reports[1::2], now=NOW)
    store.put_reports([a_report("young", "7", NOW)], now=NOW)

    trends = {can_id: trend(row) for can_id, row in ranked("id", size=5, with_rows=True).rows.items()}

    assert trends["trend"] == (18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 39)
    assert trends["young"] == (None,) * 11 + (7,)
