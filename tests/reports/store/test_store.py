"""The store on real tables: the newest wins, each report stands once in the history, nothing else is ever said."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import boto3
import pytest
from pytest_django.fixtures import Settings

from reports import store
from reports.formats.native import dump, parse
from reports.report import Report, iso
from reports.store import Heartbeat, Outcome, StoreUnavailable
from reports.store.keys import order_key
from tests.support import fault_proxy as faults
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.partial_answers import all_of_them, can_of, every, hot, statement_errors, unprocessed, unread
from trashsite import aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def raw(suffix: str) -> DynamoDBClient:
    """DynamoDB by the AWS SDK alone, as the lab's own service uses it."""
    return boto3.client("dynamodb")


def report(can_id: object = "432", minute: float = 0, level: str = "50.0", **attributes: object) -> Report:
    """A report of today, `minute` minutes after NOW; minus for before."""
    said = {"can_id": str(can_id), "level": level, "measured_at": (NOW + timedelta(minutes=minute)).isoformat()}
    (result,) = parse(json.dumps({**said, **attributes}), NOW + timedelta(hours=1))
    assert isinstance(result, Report)
    return result


def put(*reports: Report) -> Outcome:
    """Store reports, and return what became of them, but for how many cans are new."""
    outcome = store.put_reports(reports, now=NOW)
    assert outcome.stored + outcome.repeated + len(outcome.throttled) == len(reports)
    assert outcome.new <= outcome.stored
    return replace(outcome, new=0)


def whole_fleet() -> list[tuple[Report, bool]]:
    """Walk the fleet: each can, without its attributes, and whether the indexes lack it."""
    return [(can.report, can.lacking is not None) for stretch in store.walk() for can in stretch.cans]


def all_history(can_id: str, size: int = 500, newest_first: bool = False) -> list[Report]:
    return pages(can_id, size=size, newest_first=newest_first)


def pages(
    can_id: str,
    *,
    size: int,
    newest_first: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime = NOW,
) -> list[Report]:
    """Read a can's history to its end, page after page."""
    found: list[Report] = []
    after = None
    while True:
        page = store.history(
            can_id, since=since, until=until, newest_first=newest_first, after=after, size=size, now=now
        )
        assert len(page.items) <= size
        assert page.next is None or len(page.items) == size
        found += page.items
        after = page.next
        if after is None:
            return found


# -- the newest wins -------------------------------------------------------------------------------------


def test_the_newest_wins_whatever_the_order_of_arrival(suffix: str) -> None:
    for number, order in enumerate(itertools.permutations((0, 1, 2))):
        together, apart = f"together-{number}", f"apart-{number}"
        put(*(report(together, minute, f"{minute}") for minute in order))
        for minute in order:
            put(report(apart, minute, f"{minute}"))
        for can_id in (together, apart):
            assert store.latest(can_id) == report(can_id, 2, "2")
            assert all_history(can_id) == [report(can_id, minute, f"{minute}") for minute in (0, 1, 2)]


def test_two_reports_of_one_instant_end_alike_everywhere_and_both_are_kept(suffix: str) -> None:
    tied = [report("{}", 0, level) for level in ("1", "2", "3")]

    def end(can_id: str, order: Sequence[Report], at_once: bool) -> tuple[str, list[str]]:
        mine = [report(can_id, 0, each.level) for each in order]
        if at_once:
            put(*mine)
        else:
            for each in mine:
                put(each)
        latest = store.latest(can_id)
        assert latest
        assert len(all_history(can_id)) == 3
        return latest.level, [each.level for each in all_history(can_id)]

    for can_id in ("a", "b"):
        ends = []
        for number, order in enumerate(itertools.permutations(tied)):
            # The digest holds the can's id too, so that the same can is asked again in another pipeline's table.
            boto3.client("dynamodb").delete_item(TableName=f"trash-levels-{suffix}", Key={"id": {"S": can_id}})
            ends.append(end(can_id, order, at_once=number % 2 == 0))
        assert len({level for level, _ in ends}) == 1
        assert ends[0][0] == ends[0][1][-1]


def test_an_older_report_never_replaces_a_newer_one(suffix: str) -> None:
    assert put(report(minute=5, level="5")) == Outcome(stored=1)
    assert put(report(minute=4, level="4")) == Outcome(stored=1, older=1)
    assert put(report(minute=-100_000, level="1")) == Outcome(stored=1, older=1)
    assert store.latest("432") == report(minute=5, level="5")
    assert [each.level for each in all_history("432")] == ["1", "4", "5"]


def test_a_report_that_comes_again_is_counted_as_repeated_and_stands_once(suffix: str) -> None:
    first = report(minute=1, level="1", note="x")
    again = report(minute=1, level="1", note="x")
    assert put(first, first) == Outcome(stored=1, repeated=1)
    assert put(again) == Outcome(repeated=1)
    put(report(minute=2, level="2"))
    assert put(first) == Outcome(stored=1, older=1)
    assert [each.level for each in all_history("432")] == ["1", "2"]


def test_everything_of_a_report_comes_back_as_it_was_sent(suffix: str) -> None:
    body = (
        '{"can_id":"🗑 Žižkov","level":70.69237046207665000,"measured_at":"2026-11-24T09:30:00.000001Z",'
        '"stream":" glass ","location":{"lat":50.088040,"lon":-0.10},"big":123456789012345678901234567890,'
        '"deep":[1.50,{"null":null,"":"\\u001b<script>"}]}'
    )
    (sent,) = parse(body, NOW + timedelta(microseconds=2))
    assert isinstance(sent, Report)
    put(sent)
    assert store.latest("🗑 Žižkov") == sent
    assert sent.location == (Decimal("50.088040"), Decimal("-0.10"))
    (row,) = all_history("🗑 Žižkov")
    assert (row.level, row.measured_at, row.received_at, row.attributes) == (
        "70.69237046207665000", sent.measured_at, sent.received_at, sent.attributes,
    )  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 25, 26, 60, 500])
def test_any_number_of_reports_is_stored_and_counted(size: int, suffix: str) -> None:
    reports = [report(at, at % 7, str(at % 101)) for at in range(size)]
    assert put(*reports) == Outcome(stored=size)
    assert put(*reversed(reports)) == Outcome(repeated=size)
    found = [each for each, _ in whole_fleet()]
    assert sorted(each.can_id for each in found) == sorted(each.can_id for each in reports)
    assert all(store.latest(each.can_id) == each for each in reports[:30])


def test_one_can_may_stand_in_a_batch_many_times(suffix: str) -> None:
    mine = [report("1", minute, str(minute)) for minute in range(60)]
    others = [report(f"other-{at}") for at in range(7)]
    assert put(*mine, *others, mine[3], mine[59]) == Outcome(stored=67, older=59, repeated=2)
    assert store.latest("1") == mine[-1]
    assert all_history("1") == mine


def test_a_can_whose_reports_came_at_the_edge_of_the_calendar_is_in_order(suffix: str) -> None:
    times = ["0001-01-01T00:00:00Z", "0999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"]
    for at, time in enumerate(times):
        # No report is accepted with such a time any more, but some are stored.
        put(replace(report("old", level=str(at)), measured_at=datetime.fromisoformat(time)))
    assert [each.level for each in all_history("old")] == ["0", "1", "2", "3"]
    latest = store.latest("old")
    assert latest and latest.measured_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert [iso(each.measured_at) for each in all_history("old") if each.measured_at] == times


def test_what_is_sent_on_by_the_wire_is_the_same_report_to_the_store(suffix: str) -> None:
    sent = report("1", 0, "5.0", stream="glass", location={"lat": 1, "lon": 2})
    put(sent)
    stored = store.latest("1")
    assert stored
    assert order_key(stored) == order_key(sent)
    assert parse(dump(stored), stored.received_at or NOW) == [sent]


# -- beside the lab's own service ------------------------------------------------------------------------


def test_what_the_labs_service_wrote_is_read_and_gives_way_to_ours(suffix: str, raw: DynamoDBClient) -> None:
    raw.put_item(TableName=f"trash-levels-{suffix}", Item={"id": {"S": "420"}, "level": {"S": "88.81585003341274"}})
    assert store.latest("420") == Report("420", "88.81585003341274", None, None)
    assert whole_fleet() == [(Report("420", "88.81585003341274", None, None), True)]

    ours = report("420", -100_000, "12.5")
    assert put(ours) == Outcome(stored=1)
    assert store.latest("420") == ours


def test_the_labs_service_reads_what_ours_wrote_and_may_write_over_it(suffix: str, raw: DynamoDBClient) -> None:
    put(report("420", 0, "70.69237046207665"))
    name, key = f"trash-levels-{suffix}", {"id": {"S": "420"}}
    assert raw.get_item(TableName=name, Key=key)["Item"]["level"] == {"S": "70.69237046207665"}
    raw.put_item(TableName=name, Item={**key, "level": {"S": "1.5"}})
    assert store.latest("420") == Report("420", "1.5", None, None)
    assert put(report("420", 0, "70.69237046207665")) == Outcome(stored=1)


@pytest.mark.parametrize("level", [{"NULL": True}, {"M": {}}, None])
def test_an_item_without_a_level_is_no_report(
    level: dict[str, object] | None, suffix: str, raw: DynamoDBClient
) -> None:
    raw.put_item(TableName=f"trash-levels-{suffix}", Item={"id": {"S": "1"}, **({"level": level} if level else {})})
    assert store.latest("1") is None
    assert whole_fleet() == []
    assert put(report("1")) == Outcome(stored=1)
    assert store.latest("1") == report("1")


def test_a_level_that_somebody_wrote_as_a_number_is_read(suffix: str, raw: DynamoDBClient) -> None:
    raw.put_item(TableName=f"trash-levels-{suffix}", Item={"id": {"S": "1"}, "level": {"N": "42"}})
    assert store.latest("1") == Report("1", "42", None, None)


def test_a_can_that_was_never_heard_of_has_no_latest_and_no_history(suffix: str) -> None:
    assert store.latest("nobody") is None
    assert all_history("nobody") == []


# -- the history -----------------------------------------------------------------------------------------


def test_the_history_is_paged_in_both_directions(suffix: str) -> None:
    reports = [report("1", minute, str(minute)) for minute in range(30)]
    put(*reports, report("2"), report("12"))
    for size in (1, 7, 30, 100):
        assert all_history("1", size) == reports
        assert all_history("1", size, newest_first=True) == reports[::-1]


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_history_from_an_instant_on_and_before_another(newest_first: bool, suffix: str) -> None:
    put(*(report("1", minute, str(minute)) for minute in range(10)))

    def levels(since: float | None, until: float | None) -> list[int]:
        instants = [None if each is None else NOW + timedelta(minutes=each) for each in (since, until)]
        found = pages("1", size=3, newest_first=newest_first, since=instants[0], until=instants[1])
        return sorted(int(each.level) for each in found)

    assert levels(None, None) == list(range(10))
    assert levels(3, None) == [3, 4, 5, 6, 7, 8, 9]
    assert levels(None, 3) == [0, 1, 2]
    assert levels(3, 4) == [3]
    assert levels(3.00001, 6) == [4, 5]
    assert levels(20, 30) == []


def test_what_has_expired_is_skipped_although_it_is_still_there(suffix: str, settings: Settings) -> None:
    settings.TRASH_HISTORY_DAYS = 10
    received = [NOW + timedelta(days=day) for day in range(20)]
    put(*(Report("1", str(at), NOW - timedelta(minutes=100 - at), when) for at, when in enumerate(received)))
    now = NOW + timedelta(days=15, seconds=1)
    for newest_first in (True, False):
        for size in (1, 3, 100):
            found = pages("1", size=size, newest_first=newest_first, now=now)
            assert sorted(int(each.level) for each in found) == list(range(6, 20))
    assert len(pages("1", size=100, now=NOW)) == 20


def test_without_a_history_the_newest_is_kept_all_the_same(suffix: str, settings: Settings) -> None:
    settings.TRASH_HISTORY_DAYS = 0
    assert put(report(minute=2, level="2"), report(minute=1, level="1")) == Outcome(stored=2, older=1)
    assert store.latest("432") == report(minute=2, level="2")
    assert all_history("432") == []


# -- what goes wrong -------------------------------------------------------------------------------------


@pytest.fixture
def proxy(suffix: str, proxy_to: Callable[[str], FaultProxy]) -> FaultProxy:
    return proxy_to("dynamodb")


def unsaved(*reports: Report) -> list[Report]:
    with pytest.raises(StoreUnavailable) as caught:
        store.put_reports(reports, now=NOW)
    return list(caught.value.unsaved)


SIXTY = [report(at, 0, str(at)) for at in range(60)]


@pytest.mark.parametrize(
    "fault",
    [
        faults.reset, faults.hang_up, faults.cut_short, faults.lose_answer, faults.html, faults.expired_token,
        faults.throttled, faults.unavailable, faults.answer(500, "{}"), faults.slow(0.1),
        faults.error("ProvisionedThroughputExceededException"), faults.answer(200, "["), faults.answer(200, "null"),
    ],
)  # fmt: skip
def test_a_fault_that_passes_is_not_even_seen(fault: Fault, proxy: FaultProxy) -> None:
    proxy.inject(fault, "BatchWriteItem", times=2)
    proxy.inject(fault, "BatchExecuteStatement", times=2)
    proxy.inject(fault, "BatchGetItem", times=1)
    put(*SIXTY[:30])
    assert [store.latest(each.can_id) for each in SIXTY[:30]] == SIXTY[:30]
    assert [all_history(each.can_id) for each in SIXTY[:30]] == [[each] for each in SIXTY[:30]]
    assert proxy.spoilt["BatchWriteItem"] == 2
    assert proxy.spoilt["BatchExecuteStatement"] == 2


def test_while_nothing_answers_nothing_is_saved(proxy: FaultProxy, impatient: None) -> None:
    proxy.refuse()
    assert unsaved(*SIXTY) == SIXTY
    with pytest.raises(StoreUnavailable):
        store.ping()
    with pytest.raises(StoreUnavailable):
        store.latest("1")
    with pytest.raises(StoreUnavailable):
        whole_fleet()
    with pytest.raises(StoreUnavailable):
        all_history("1")
    with pytest.raises(StoreUnavailable):
        store.beat(Heartbeat("w", NOW, {}))
    proxy.heal()
    assert put(*SIXTY) == Outcome(stored=60)


def test_a_worker_that_stops_leaves_to_others_what_it_cannot_finish_soon(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where the history took so long.
    with monkeypatch.context() as patch:
        patch.setattr(aws.stopping, "lasts_s", lambda: 60.0 if proxy.seen["BatchWriteItem"] else 0.0)
        assert unsaved(*SIXTY) == SIXTY
        assert not proxy.seen["BatchExecuteStatement"]
    assert put(*SIXTY) == Outcome(stored=60)


def test_only_those_whose_history_failed_are_unsaved(proxy: FaultProxy, impatient: None) -> None:
    # Of 60, the first 25 and the last 10 pass; nothing is in a can's row that is not in the history.
    def of_the_second_batch(call: faults.Call) -> faults.Reply:
        return call.forward() if b'"25"' not in call.body else faults.unavailable(call)

    proxy.inject(of_the_second_batch, "BatchWriteItem")
    left = unsaved(*SIXTY)
    assert left == SIXTY[25:50]
    stored = [each for each in SIXTY if all_history(each.can_id)]
    assert stored == SIXTY[:25] + SIXTY[50:]
    assert [each for each in SIXTY if store.latest(each.can_id)] == stored
    proxy.heal()
    assert put(*left) == Outcome(stored=25)
    assert all(all_history(each.can_id) == [each] for each in SIXTY)


def test_only_cans_whose_row_failed_are_unsaved_with_all_of_their_reports(proxy: FaultProxy, impatient: None) -> None:
    older = [report(at, -1, "0") for at in range(60)]

    def of_the_second_batch(call: faults.Call) -> faults.Reply:
        return faults.unavailable(call) if "25" in map(can_of, call.request["Statements"]) else call.forward()

    proxy.inject(of_the_second_batch, "BatchExecuteStatement")
    left = unsaved(*older, *SIXTY, SIXTY[30])
    assert left == [*older[25:50], *SIXTY[25:50], SIXTY[30]]
    proxy.heal()
    assert put(*left) == Outcome(stored=50, older=25, repeated=1)
    assert all(all_history(str(at)) == [older[at], SIXTY[at]] for at in range(60))


def test_a_store_that_cannot_be_read_takes_nothing(proxy: FaultProxy, impatient: None) -> None:
    proxy.inject(faults.unavailable, "BatchGetItem")
    assert unsaved(*SIXTY) == SIXTY
    proxy.heal()
    assert put(*SIXTY) == Outcome(stored=60)


def test_only_cans_whose_changed_row_cannot_be_read_again_are_unsaved(proxy: FaultProxy, impatient: None) -> None:
    # A can's first two reports read more.
    for minute in (-2, -1):
        put(*(report(at, minute, "0") for at in range(5)))

    def for_the_first_time(call: faults.Call) -> faults.Reply:
        (wanted,) = call.request["RequestItems"].values()
        return faults.unavailable(call) if wanted["ConsistentRead"] else call.forward()

    proxy.inject(for_the_first_time, "BatchGetItem")
    proxy.inject(statement_errors(every(3), "ConditionalCheckFailed"), "BatchExecuteStatement", times=1)
    left = unsaved(*SIXTY[:5])
    assert left == [SIXTY[0], SIXTY[3]]
    proxy.heal()
    assert put(*left) == Outcome(stored=2)
    assert [store.latest(each.can_id) for each in SIXTY[:5]] == SIXTY[:5]


def test_rows_that_are_handed_back_unprocessed_are_written_in_the_end(proxy: FaultProxy) -> None:
    proxy.inject(unprocessed(every(3)), "BatchWriteItem", times=2)
    proxy.inject(unprocessed(all_of_them), "BatchWriteItem", times=1)
    assert put(*SIXTY[:25]) == Outcome(stored=25)
    assert all(all_history(each.can_id) == [each] for each in SIXTY[:25])


def test_rows_that_stay_unprocessed_are_exactly_the_throttled_ones(proxy: FaultProxy, impatient: None) -> None:
    def odd_ones(call: faults.Call) -> faults.Reply:
        (items,) = call.request["RequestItems"].values()
        ids = [int(item["PutRequest"]["Item"]["id"]["S"]) for item in items]
        return unprocessed(lambda at: ids[at] % 2 == 1)(call)

    proxy.inject(odd_ones, "BatchWriteItem")
    assert store.put_reports(SIXTY[:25], now=NOW).throttled == tuple(SIXTY[1:25:2])


@pytest.mark.parametrize(
    "code", ["ThrottlingError", "ProvisionedThroughputExceeded", "InternalServerError", "TransactionConflict"]
)
def test_statements_that_are_throttled_one_by_one_pass_in_the_end(code: str, proxy: FaultProxy) -> None:
    put(*(report(at, -1, "0") for at in range(20)))
    proxy.inject(statement_errors(every(3), code), "BatchExecuteStatement", times=2)
    proxy.inject(statement_errors(all_of_them, code), "BatchExecuteStatement", times=1)
    assert put(*SIXTY[:25]) == Outcome(stored=25)
    assert [store.latest(each.can_id) for each in SIXTY[:25]] == SIXTY[:25]


def test_statements_that_stay_throttled_are_of_exactly_the_throttled_ones(proxy: FaultProxy, impatient: None) -> None:
    put(*(report(at, -1, "0") for at in range(25)))

    def odd_ones(call: faults.Call) -> faults.Reply:
        ids = [int(can_of(each)) for each in call.request["Statements"]]
        return statement_errors(lambda at: ids[at] % 2 == 1)(call)

    proxy.inject(odd_ones, "BatchExecuteStatement")
    assert put(*SIXTY[:25]).throttled == tuple(SIXTY[1:25:2])
    assert [store.latest(each.can_id) for each in SIXTY[:25:2]] == SIXTY[:25:2]


def test_what_is_throttled_is_told_and_the_rest_is_stored(proxy: FaultProxy) -> None:
    of_hot = [report(7, minute, "1") for minute in range(1, 6)]
    proxy.inject(hot("7"), "BatchWriteItem", "BatchExecuteStatement")
    assert put(*SIXTY[:25], *of_hot) == Outcome(stored=24, throttled=(SIXTY[7], *of_hot))
    assert [store.latest(each.can_id) for each in SIXTY[:25] if each.can_id != "7"] == SIXTY[:7] + SIXTY[8:25]
    asked = proxy.seen.total()
    assert store.put_reports(of_hot, now=NOW, tries=1).throttled == tuple(of_hot)
    assert proxy.seen.total() == asked + 2
    proxy.heal()
    assert put(*of_hot, SIXTY[7]).throttled == ()
    assert all_history("7") == [SIXTY[7], *of_hot]


@pytest.mark.parametrize("code", sorted(aws.THROTTLED))
def test_what_is_throttled_as_a_whole_is_no_outage(code: str, proxy: FaultProxy, impatient: None) -> None:
    proxy.inject(faults.error(code), "BatchWriteItem", "BatchExecuteStatement")
    assert put(*SIXTY[:3]) == Outcome(throttled=tuple(SIXTY[:3]))


def test_late_reports_are_stored_beside_one_that_is_throttled(proxy: FaultProxy) -> None:
    days_old = [report(at, -3 * 24 * 60, "1") for at in range(12)]
    proxy.inject(hot("7"), "BatchWriteItem", "BatchExecuteStatement")
    assert put(*days_old).throttled == (days_old[7],)
    assert [bool(all_history(str(at))) for at in range(12)] == [at != 7 for at in range(12)]


def test_our_own_write_whose_answer_was_lost_is_known_as_ours(proxy: FaultProxy) -> None:
    put(*(report(at, -1, "0") for at in range(25)))
    for _ in range(2):
        proxy.inject(faults.lose_answer, "BatchExecuteStatement", times=1)
    assert put(*SIXTY[:25]) == Outcome(repeated=25)
    assert [store.latest(each.can_id) for each in SIXTY[:25]] == SIXTY[:25]


def test_lost_answers_to_the_first_writes_of_new_cans_are_known_as_ours(proxy: FaultProxy) -> None:
    # More than one request can read again.
    new, lost = [report(at, 0, "5") for at in range(110)], set[bytes]()

    def lose_the_first(call: faults.Call) -> faults.Reply:
        if b"INSERT" not in call.body or call.body in lost:
            return call.forward()
        lost.add(call.body)
        return faults.lose_answer(call)

    proxy.inject(lose_the_first, "BatchExecuteStatement")
    assert put(*new) == Outcome(repeated=110)
    assert len(lost) == 5
    assert [store.latest(each.can_id) for each in new] == new


def test_keys_that_are_handed_back_unread_are_read_in_the_end(proxy: FaultProxy) -> None:
    put(*SIXTY[:25])
    proxy.inject(unread(every(2)), "BatchGetItem", times=2)
    proxy.inject(unread(all_of_them), "BatchGetItem", times=1)
    assert put(*(report(at, -1, "0") for at in range(25))) == Outcome(stored=25, older=25)


def test_a_missing_table_is_an_outage_and_its_return_the_end_of_it(
    suffix: str, raw: DynamoDBClient, impatient: None
) -> None:
    raw.delete_table(TableName=f"trash-levels-{suffix}")
    assert store.missing() == [f"trash-levels-{suffix}"]
    assert unsaved(*SIXTY[:3]) == SIXTY[:3]
    with pytest.raises(StoreUnavailable):
        store.ping()
    list(store.provision())
    assert put(*SIXTY[:3]) == Outcome(stored=3)
