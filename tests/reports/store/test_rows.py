"""Rows on a real store: whatever the order, the repeats, the workers and the crashes, each ends as the fold says."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from django.conf import settings
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reports import store
from reports.formats.native import dump, parse
from reports.insight.cycles import Emptied, Stage
from reports.insight.fold import Row, caught_up, fold_all, reading_in
from reports.insight.state import rebuild
from reports.insight.status import may_be_suspect
from reports.report import Report
from reports.store import CanList, Outcome, batches, behind, row_statements, rows, turns
from reports.store.keys import index_keys, order_key
from tests.support.kind import KIND
from trashsite import aws

pytestmark = pytest.mark.usefixtures("shared_suffix")

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
runs = itertools.count()


def a_report(can_id: str, minute: float, level: str = "50", attributes: str = "{}") -> Report:
    """A report of today as the worker reads it, `minute` minutes after NOW."""
    at = NOW + timedelta(minutes=minute)
    (report,) = parse(dump(Report(can_id, level, at, at, attributes)), NOW + timedelta(hours=2))
    assert isinstance(report, Report)
    return report


def folded(reports: Sequence[Report]) -> Row | None:
    """What the reports fold to in the order of measurement."""
    unique = {order_key(each): each for each in reports}
    row = fold_all(None, [(unique[key], key) for key in sorted(unique)])
    return caught_up(row, None, readings(reports))[0] if row and row.late else row


def readings(reports: Sequence[Report]) -> list[tuple[int, float]]:
    found = [reading_in(each.measured_at, each.level) for each in reports if each.measured_at]
    return [reading for reading in found if reading]


def confirmed(events: Sequence[Emptied]) -> list[Emptied]:
    return sorted((event for event in events if event.stage is Stage.CONFIRMED), key=lambda event: event.at)


def item_of(can_id: str) -> dict[str, Any]:
    answer = boto3.client("dynamodb").get_item(
        TableName=f"trash-levels-{settings.TRASH_SUFFIX}", Key={"id": {"S": can_id}}, ConsistentRead=True
    )
    return dict(answer["Item"])


class Crash(BaseException):
    """A worker dies where it stands."""


class Dying:
    """Lets calls of a function die before they do their work, after it, or not at all."""

    def __init__(self, real: Callable[..., Any], chance: random.Random, share: float) -> None:
        self.real, self.chance, self.share = real, chance, share
        self.lock = threading.Lock()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        with self.lock:
            fate = self.chance.random()
        if fate < self.share:
            raise Crash
        result = self.real(*arguments, **named)
        if fate < 2 * self.share:
            raise Crash
        return result


said = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from([-4000, -1300, -125, -30, -0.005, 0, 0.005, 1, 70]),
    st.sampled_from(["0", "7.5", "100"]),
    st.sampled_from(
        [
            "{}",
            '{"t":1}',
            '{"t":2.50,"stream":"glass"}',
            '{"stream":"paper","location":{"lat":50.1,"lon":14.2}}',
            '{"location":{"lat":1,"lon":2},"battery":3.6}',
        ]
    ),
)


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(said=st.lists(said, min_size=1, max_size=14), seed=st.integers(0, 2**32))
def test_rows_end_as_the_fold_of_what_was_sent(said: list[tuple[str, float, str, str]], seed: int) -> None:
    # How often chance is asked depends on the threads.
    chance = random.Random(seed)
    run = f"{next(runs)}-"
    reports = [a_report(run + can, minute, level, rest) for can, minute, level, rest in said]
    sent = [*reports, *chance.choices(reports, k=len(reports) // 2)]
    chance.shuffle(sent)
    chunks = [sent[at : at + 3] for at in range(0, len(sent), 3)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_statements, "execute_once", Dying(batches.execute_once, chance, 0.15))
        patch.setattr("reports.store.writing.put_once", Dying(batches.put_once, chance, 0.1))
        patch.setattr("reports.store.emptying_rows.execute_once", Dying(batches.execute_once, chance, 0.1))
        patch.setattr(behind, "CATCH_UP_EVERY", timedelta())
        with ThreadPoolExecutor(3) as workers:
            outcomes = list(workers.map(delivered_until_stored, chunks))

    for can_id in {each.can_id for each in reports}:
        mine = [each for each in reports if each.can_id == can_id]
        row = store.latest_row(can_id)
        # A can that reported once only has not asked again what was entered of it.
        assert row and replace(row, asks=True) == folded(mine)
        assert row
        keys = index_keys(can_id, row.report.level, row.report.measured_at)
        assert {name: item_of(can_id)[name] for name in keys} == keys
        assert may_be_suspect(item_of(can_id)["status"]["S"]) <= (can_id in suspects(run))
        assert len(store.history(can_id, size=50, now=NOW).items) == len({order_key(each) for each in mine})
        _, events = rebuild(readings(mine), row.rules)
        assert confirmed(store.emptyings(can_id, size=50, now=NOW).items) == confirmed(events)
    assert all(each.stored + each.repeated == len(chunk) for each, chunk in zip(outcomes, chunks, strict=True))


def suspects(run: str) -> list[str]:
    """Return the cans of a run that are on the list of those whose level is not to be trusted."""
    return [report.can_id for report in store.ranked("id", among=CanList.SUSPECT, prefix=run, size=9).items]


def test_a_can_is_on_the_list_of_suspects_while_its_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    can_id, writes = f"{next(runs)}-doubt", list[str]()
    real = aws.Client.call

    def seen(self: aws.Client, operation: str, *arguments: Any, **named: Any) -> Any:
        writes.append(operation)
        return real(self, operation, *arguments, **named)

    def sent(minute: float, level: str) -> tuple[bool, set[str]]:
        """Store a report; return whether its can is listed then, and which single writes that took."""
        writes.clear()
        store.put_reports([a_report(can_id, minute, level)], now=NOW)
        took = {"PutItem", "DeleteItem"}.intersection(writes)
        return suspects(can_id) == [can_id], took

    monkeypatch.setattr(aws.Client, "call", seen)
    day = 24 * 60
    assert sent(-10 * day, "91.5") == (False, set())
    # Seven days without a change: FULL, and suspect, too.
    assert sent(-2 * day, "91.5") == (True, {"PutItem"})
    assert sent(-2 * day + 5, "91.5") == (True, set())
    assert sent(-1 * day, "91.5") == (True, {"PutItem"})
    assert sent(0, "60") == (False, {"DeleteItem"})
    assert sent(5, "61") == (False, set())


def delivered_until_stored(reports: list[Report]) -> Outcome:
    """Deliver reports as SQS does, until a worker gets to the end."""
    while True:
        try:
            return store.put_reports(reports, now=NOW)
        except Crash:
            continue


def test_each_write_of_a_row_raises_its_version_and_what_changes_nothing_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(behind, "CATCH_UP_EVERY", timedelta())
    can_id = f"version-{next(runs)}"
    newest = a_report(can_id, 0, "5", '{"t":1}')
    for reports, version in (
        ([newest], "1"),
        ([newest], "1"),
        ([a_report(can_id, -4000)], "2"),
        ([a_report(can_id, -4000)], "2"),
        ([a_report(can_id, -300)], "3"),
        ([a_report(can_id, 60)], "4"),
    ):
        store.put_reports(reports, now=NOW)
        assert item_of(can_id)["version"] == {"N": version}


def test_a_statement_is_the_same_in_whatever_order_dynamodb_gives_an_item() -> None:
    item = {"id": {"S": "1"}, "order_key": {"S": "a"}, "version": {"N": "1"}, "level": {"S": "5"}}
    other = dict(reversed(item.items()))
    changed = {"order_key": {"S": "b"}, "version": {"N": "2"}, "level": {"S": "6"}}
    first, second = (row_statements.statement_of(each, {**each, **changed}) for each in (item, other))
    assert first == second


def test_an_uneventful_report_moves_no_index_row() -> None:
    can_id = f"calm-{next(runs)}"
    for minute in (0, 30):
        store.put_reports([a_report(can_id, minute, str(10 + minute))], now=NOW)
    keys = {name: item_of(can_id)[name] for name in ("level_key", "heard_key")}

    store.put_reports([a_report(can_id, 60, "49.9")], now=NOW)

    assert item_of(can_id)["level_key"] == keys["level_key"] == {"S": f"000#{can_id}"}
    assert item_of(can_id)["heard_key"]["S"].partition("#")[0] <= f"{NOW + timedelta(minutes=60):%Y-%m-%dT%H:%M}"


def operations(patch: pytest.MonkeyPatch) -> list[str]:
    """The operations that are asked of AWS from now on, in a list that grows."""
    asked: list[str] = []
    plain = aws.Client.call

    def call(client: Any, operation: str, request: Any, **how: Any) -> Any:
        asked.append(operation)
        return plain(client, operation, request, **how)

    patch.setattr(aws.Client, "call", call)
    return asked


def test_the_steady_state_costs_three_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(runs)
    for minute in (0, 30, 60):
        with monkeypatch.context() as patch:
            asked = operations(patch)
            store.put_reports([a_report(f"steady-{run}-{at}", minute) for at in range(25)], now=NOW)

    assert sorted(asked) == ["BatchExecuteStatement", "BatchGetItem", "BatchWriteItem"]


def test_many_workers_at_one_can_are_no_outage() -> None:
    can_id = f"hot-{next(runs)}"
    reports = [a_report(can_id, minute, str(minute)) for minute in range(48)]
    random.Random(2).shuffle(reports)

    def stored(mine: list[Report]) -> None:
        while mine:
            mine = list(store.put_reports(mine, now=NOW).throttled)

    with ThreadPoolExecutor(12) as workers:
        list(workers.map(stored, [reports[at::12] for at in range(12)]))
    # What came late within a minute waits for the next report.
    store.put_reports(reports[:1], now=NOW + timedelta(minutes=2))

    row = store.latest_row(can_id)
    assert row and replace(row, asks=True) == folded(reports)


def test_batches_of_one_process_that_meet_at_a_can_cost_no_request_more(monkeypatch: pytest.MonkeyPatch) -> None:
    can_id, at_once = f"met-{next(runs)}", threading.Barrier(4)
    # Whoever is ready first writes first, and each takes its time.
    monkeypatch.setattr(turns, "IN_ORDER_S", 0.0)
    monkeypatch.setattr(turns, "ALONE_S", 30.0)
    monkeypatch.setattr(
        row_statements, "execute_once", lambda statements: (time.sleep(0.05), batches.execute_once(statements))[1]
    )
    store.put_reports([a_report(can_id, -1)], now=NOW)
    asked = operations(monkeypatch)

    def put(minute: int) -> None:
        at_once.wait(10)
        store.put_reports([a_report(can_id, minute)], now=NOW)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(put, range(4)))

    assert asked.count("BatchExecuteStatement") <= 4
    assert store.latest(can_id) == a_report(can_id, 3)


def test_a_batch_of_one_can_is_one_write_of_its_row() -> None:
    can_id = f"backlog-{next(runs)}"
    reports = [a_report(can_id, -120 * turn, str(turn)) for turn in range(20)]

    assert store.put_reports(reports, now=NOW) == Outcome(stored=20, older=19, new=1)

    assert item_of(can_id)["version"] == {"N": "1"}
    row = store.latest_row(can_id)
    assert row and replace(row, asks=True) == folded(reports)


def test_a_can_whose_reports_come_late_is_caught_up_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    can_id = f"late-{next(runs)}"
    reports = [a_report(can_id, -60 * turn, "90" if turn % 4 else "3") for turn in range(12)]
    asked: list[str] = []

    for turn, report in enumerate(reports):
        if turn == 2:
            asked = operations(monkeypatch)
        store.put_reports([report], now=NOW)

    row = store.latest_row(can_id)
    assert row and row.late and "Query" not in asked
    reports.append(a_report(can_id, 60, "5"))
    store.put_reports(reports[-1:], now=NOW + timedelta(minutes=2))
    row = store.latest_row(can_id)
    assert row and replace(row, asks=True) == folded(reports)


def test_what_came_late_of_many_cans_is_taken_in_without_a_further_report(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests' cans may be marked, too.
    monkeypatch.setattr(behind, "_behind", {})
    can_ids = [f"behind-{next(runs)}" for _ in range(6)]
    reports = [a_report(can_id, -60 * turn, f"{turn * 20}") for can_id in can_ids for turn in range(3)]
    for turn in range(3):
        store.put_reports(reports[turn::3], now=NOW)

    def marked() -> list[str]:
        return [can_id for can_id in can_ids if (row := store.latest_row(can_id)) and row.late]

    assert marked()
    store.catch_up_some(NOW + timedelta(minutes=2), within_s=30)

    assert not marked()
    for at, can_id in enumerate(can_ids):
        row = store.latest_row(can_id)
        assert row and replace(row, asks=True) == folded(reports[at * 3 : at * 3 + 3])
    assert store.catch_up_some(NOW + timedelta(minutes=4), within_s=30) == 0


def test_late_reports_cost_no_second_look_at_the_whole_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "CATCH_UP_EVERY", timedelta())
    can_id = f"long-{next(runs)}"
    reports = [a_report(can_id, turn, f"{turn % 20 * 4}") for turn in range(60)]
    for report in reports:
        store.put_reports([report], now=NOW)
    read: list[int] = []
    query = rows.query_history

    def counted(*arguments: Any, **named: Any) -> Any:
        for answer in query(*arguments, **named):
            read.append(len(answer["Items"]))
            yield answer

    monkeypatch.setattr(rows, "query_history", counted)
    reports.append(a_report(can_id, 50.5, "40"))
    store.put_reports(reports[-1:], now=NOW)

    row = store.latest_row(can_id)
    assert row and replace(row, asks=True) == folded(reports)
    assert 0 < sum(read) < 25


def test_an_emptying_that_a_late_report_explains_away_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "CATCH_UP_EVERY", timedelta())
    can_id = f"dip-{next(runs)}"
    seen = [a_report(can_id, turn, level) for turn, level in enumerate(["70", "72", "74", "2"])]
    for report in [*seen, a_report(can_id, 6, "8")]:
        store.put_reports([report], now=NOW)
    (event,) = store.emptyings(can_id, size=5, now=NOW).items
    assert (event.stage, event.before, event.after) == (Stage.CONFIRMED, 72, 2)

    store.put_reports([a_report(can_id, 4, "75"), a_report(can_id, 5, "76")], now=NOW)

    found = store.emptyings(can_id, size=5, now=NOW).items
    assert [each.stage for each in found] == [Stage.TAKEN_BACK]
    row = store.latest_row(can_id)
    assert row and row.state and row.state.emptied is None


def test_a_worker_that_dies_before_it_keeps_an_emptying_has_it_kept_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    can_id = f"dead-{next(runs)}"
    seen = [a_report(can_id, turn, level) for turn, level in enumerate(["70", "72", "74", "2", "5"])]
    for report in seen[:-1]:
        store.put_reports([report], now=NOW)

    def dies(*_: Any) -> Any:
        raise Crash

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr("reports.store.emptying_rows.execute_once", dies)
        store.put_reports(seen[-1:], now=NOW)
    assert not store.emptyings(can_id, size=5, now=NOW).items
    store.put_reports(seen[-1:], now=NOW)

    assert [each.stage for each in store.emptyings(can_id, size=5, now=NOW).items] == [Stage.CONFIRMED]


def test_a_worker_that_dies_before_it_keeps_what_a_catch_up_decided_has_it_decided_again() -> None:
    can_id = f"dead-late-{next(runs)}"
    seen = [a_report(can_id, *each) for each in ((0, "70"), (10, "72"), (20, "74"), (60, "80"), (30, "75"))]
    # The first that comes late is caught up at once; these two within a minute of it are not.
    for report in [*seen, a_report(can_id, 40, "3"), a_report(can_id, 45, "4")]:
        store.put_reports([report], now=NOW)
    newest, later = a_report(can_id, 120, "10"), NOW + timedelta(minutes=2)

    def dies(*_: Any) -> Any:
        raise Crash

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
        patch.setattr("reports.store.emptying_rows.execute_once", dies)
        store.put_reports([newest], now=later)
    assert not store.emptyings(can_id, size=5, now=NOW).items
    store.put_reports([newest], now=later)

    (event,) = store.emptyings(can_id, size=5, now=NOW).items
    assert (event.stage, event.before, event.after) == (Stage.CONFIRMED, 74, 3)
    row = store.latest_row(can_id)
    assert row and not row.late


@pytest.mark.parametrize("first", [0, 1])
def test_an_emptying_told_by_two_reports_of_one_second_is_kept_whichever_comes_first(first: int) -> None:
    can_id = f"second-{first}-{next(runs)}"
    before = [a_report(can_id, turn, "100") for turn in range(3)]
    of_one_second = [a_report(can_id, 5.005, "0"), a_report(can_id, 5, "7.5")]
    sent = [*before, of_one_second[first], of_one_second[1 - first]]

    for report in sent:
        store.put_reports([report], now=NOW)

    row, wanted = store.latest_row(can_id), folded(sent)
    assert row and wanted
    assert (row.state, row.decided, row.late) == (wanted.state, wanted.decided, "")
    (event,) = store.emptyings(can_id, size=5, now=NOW).items
    assert (event.stage, event.after) == (Stage.CONFIRMED, 0)


@pytest.mark.skipif(KIND == "java", reason="DynamoDB Local does not state the units of a BatchExecuteStatement")
def test_an_uneventful_report_takes_two_write_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless an index row moves: one for the history, one for the row, state and all."""
    can_id = f"units-{next(runs)}"
    for turn in range(30):
        store.put_reports([a_report(can_id, turn, f"{turn % 5 + 10}.3", '{"battery":3.6,"rssi":-97}')], now=NOW)
    units: list[float] = []
    plain = aws.Client.call

    def counting(client: Any, operation: str, request: Any, **how: Any) -> Any:
        answer = plain(client, operation, {**request, "ReturnConsumedCapacity": "TOTAL"}, **how)
        if "Write" in operation or "Execute" in operation:
            units.extend(each["CapacityUnits"] for each in answer.get("ConsumedCapacity") or ())
        return answer

    monkeypatch.setattr(aws.Client, "call", counting)
    store.put_reports([a_report(can_id, 31, "12.9", '{"battery":3.6,"rssi":-95}')], now=NOW)

    assert sum(units) == 2
