"""Version 0.1 and this one on one queue and one table: nothing is lost, and its rows are taken as they are."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from reports import queue, store
from reports.formats.native import dump, parse
from reports.insight.fold import caught_up, fold_all, reading_in, trend
from reports.report import Report
from reports.store import Order, Outcome, ranked, row_statements
from reports.store.keys import order_key
from tests.reports.store import old_version
from tests.reports.store.old_version import OldWorker
from tests.support.ledger import Ledger, stored
from tests.support.servers import Worker, eventually

NOW = datetime.now(UTC).replace(microsecond=0)
BRISK = ("-I", "tests.reports.worker.brisk")


def a_report(can_id: str, minutes_ago: float, level: str = "50", **attributes: object) -> Report:
    at = NOW - timedelta(minutes=minutes_ago)
    (report,) = parse(json.dumps({"can_id": can_id, "level": level, "measured_at": at.isoformat(), **attributes}), NOW)
    assert isinstance(report, Report)
    return report


PLACE = {"lat": 50.1, "lon": 14.2}


def asked(can_id: str) -> Any:
    """A can's row as before it had asked what was entered of it."""
    row = store.latest_row(can_id)
    return row and replace(row, asks=True)


def in_order(*reports: Report) -> Any:
    """The row to which reports fold in the order of measurement."""
    row = fold_all(None, sorted(((each, order_key(each)) for each in reports), key=lambda each: each[1]))
    found = [reading_in(each.measured_at, each.level) for each in reports if each.measured_at]
    return caught_up(row, None, [reading for reading in found if reading])[0] if row and row.late else row


def test_a_row_of_the_old_version_is_taken_as_it_is(suffix: str) -> None:
    old = [a_report("1", 300 - 60 * turn, f"{turn}", stream="glass", location=PLACE) for turn in range(5)]
    old_version.put_reports(suffix, old)

    assert store.latest("1") == old[-1]
    (shown,) = ranked("id", size=5).items
    assert shown == old[-1]
    before = trend(ranked("id", size=5, with_rows=True).rows["1"])
    assert len(before) == 12
    assert before[-1] == 4

    assert store.put_reports([old[-1], old[0]], now=NOW) == Outcome(stored=1, older=1, repeated=1)
    newest = a_report("1", 0, "9")
    assert store.put_reports([newest], now=NOW) == Outcome(stored=1)
    latest = store.latest("1")
    assert latest and (latest.level, latest.stream, latest.location) == ("9", "glass", old[-1].location)
    assert trend(ranked("id", size=5, with_rows=True).rows["1"])[-1] == 9


def test_a_row_that_the_old_version_wrote_over_is_folded_again_by_the_next_write(suffix: str) -> None:
    ours = [a_report("1", 600, "10", stream="glass", location=PLACE, battery=3.6), a_report("1", 480, "20")]
    theirs = [a_report("1", 360, "30"), a_report("1", 240, "40", battery=3.5)]
    store.put_reports(ours, now=NOW)
    old_version.put_reports(suffix, theirs)
    blanked = store.latest("1")
    assert blanked and blanked.location is None

    last = a_report("1", 0, "50")
    store.put_reports([last], now=NOW)

    assert asked("1") == in_order(*ours, *theirs, last)


def test_a_write_of_the_old_version_between_our_read_and_our_write_is_not_lost(
    suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_reports([a_report("1", 600, "10")], now=NOW)
    theirs = [a_report("1", 400, "60", battery=3.6), a_report("1", 270, "70")]
    in_between = iter([[each] for each in theirs])
    execute = row_statements.execute_once

    def late(statements: Any) -> Any:
        for reports in in_between:
            old_version.put_reports(suffix, reports)
            break
        return execute(statements)

    monkeypatch.setattr(row_statements, "execute_once", late)
    newest, older = a_report("1", 0, "80", stream="glass"), a_report("1", 140, "65")
    assert store.put_reports([older, newest], now=NOW) == Outcome(stored=2, older=1)

    assert asked("1") == in_order(a_report("1", 600, "10"), *theirs, older, newest)


@pytest.mark.parametrize("order", ["fullest", "emptiest", "silent", "id"])
def test_keys_of_both_versions_stand_in_one_order(order: Order, suffix: str) -> None:
    chance = random.Random(3)
    cans = {str(at): a_report(str(at), chance.randrange(3000), str(chance.randrange(10_001) / 100)) for at in range(80)}
    old_version.put_reports(suffix, [each for can_id, each in cans.items() if int(can_id) % 2])
    store.put_reports([each for can_id, each in cans.items() if not int(can_id) % 2], now=NOW)

    met: list[Report] = []
    after = None
    while True:
        page = ranked(order, size=7, after=after)
        met += page.items
        after = page.last
        if not page.more:
            break

    assert sorted(each.can_id for each in met) == sorted(cans)
    if order == "fullest":
        levels = [int(float(each.level)) for each in met]
        full = [level for level in levels if level >= 80]
        assert levels[: len(full)] == sorted(full, reverse=True)
    for low, high in ((55, 72), (80, 100), (0, 12)):
        found = {each.can_id for each in ranked("emptiest", low=low, high=high, size=100).items}
        assert found == {can_id for can_id, each in cans.items() if low <= int(float(each.level)) <= high}
    for hours in (1, 7, 30):
        until = NOW - timedelta(hours=hours)
        found = {each.can_id for each in ranked("silent", until=until, size=100).items}
        assert found == {can_id for can_id, each in cans.items() if each.measured_at and each.measured_at <= until}


@pytest.fixture
def old_workers(suffix: str) -> Iterator[list[OldWorker]]:
    """Two workers of version 0.1 on the fresh pipeline."""
    workers = [OldWorker(suffix), OldWorker(suffix)]
    threads = [threading.Thread(target=each.run) for each in workers]
    for thread in threads:
        thread.start()
    yield workers
    for each in workers:
        each.stopping.set()
    for thread in threads:
        thread.join()


def test_workers_of_both_versions_lose_nothing_on_one_queue_and_one_table(
    suffix: str, worker: Callable[..., Worker], old_workers: list[OldWorker]
) -> None:
    chance = random.Random(5)
    ledger = Ledger()
    reports = [
        a_report(str(can), chance.randrange(2880) / 2, str(chance.randrange(101)), **(
            {"location": PLACE} if chance.random() < 0.3 else {"battery": chance.random()}
        ))
        for can in range(12) for _ in range(30)
    ]  # fmt: skip
    bodies = [dump(each) for each in [*reports, *chance.choices(reports, k=60)]]
    chance.shuffle(bodies)
    # What a killed worker held is back in seconds.
    started = worker(*BRISK).ready()
    for at, body in enumerate(bodies):
        ledger.sent(body)
        queue.publish([body])
        if at == len(bodies) // 2:
            started.kill()
            started = worker(*BRISK)
    eventually(lambda: queue.depth() == queue.Depth(waiting=0, in_flight=0, dead=0), 90)

    assert not ledger.judge(stored(suffix))
    assert all(each.messages for each in old_workers)
    assert sum(each.messages for each in old_workers) < len(bodies)

    # What version 0.1 stored as older is in the history, and not in the row, which it left alone.
    for can in range(12):
        last = a_report(str(can), -1, "1")
        store.put_reports([last], now=NOW)
        row = store.latest_row(str(can))
        assert row and row.is_whole
        assert (row.key, trend(row)[-1]) == (order_key(last), 1)


@pytest.mark.parametrize("written_over", [False, True])
def test_the_labs_own_service_may_write_beside_ours(written_over: bool, suffix: str) -> None:
    table = boto3.resource("dynamodb").Table(f"trash-levels-{suffix}")
    if written_over:
        store.put_reports([a_report("420", 60, "12")], now=NOW)
    table.put_item(Item={"id": "420", "level": "88.81585003341274"})
    assert store.latest("420") == Report("420", "88.81585003341274", None, None)

    ours = a_report("420", 30, "13")
    assert store.put_reports([ours], now=NOW) == Outcome(stored=1)
    assert store.latest("420") == ours
