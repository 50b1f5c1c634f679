"""However many new cans report at once, a worker takes so many a minute; cans that are known never wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import accumulate

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import LogCaptureFixture

from reports import queue, store, tasks
from reports.report import Report
from reports.worker import counters, storing
from reports.worker.new_can_limit import RULE, NewCanLimit, Turns
from reports.worker.postponing import MOST_IN_FLIGHT, MOST_RECEIVES
from tests.support.servers import eventually
from trashsite.sqs.delivery import Delivery

LIMIT = 60
NOW = datetime(2026, 11, 26, tzinfo=UTC)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 90), st.booleans()), max_size=60))
def test_no_more_places_are_taken_than_there_are(wanted: list[tuple[float, int, bool]]) -> None:
    turns, now, taken = Turns(LIMIT), 0.0, 0
    for pause, count, is_again in wanted:
        now += pause
        mine = turns.take(count, now, is_again=is_again)
        assert 0 <= mine <= count
        taken += mine
        if mine < count:
            assert turns.wait_s(count - mine, now, is_again=is_again) > 0
        # What is left of a minute, and what has come since the beginning.
        assert taken <= LIMIT + now * LIMIT / 60


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 40)), min_size=1, max_size=60))
def test_whoever_waits_has_a_place_at_their_turn_and_none_is_lost(wanted: list[tuple[float, int]]) -> None:
    turns = Turns(LIMIT)
    times = accumulate(pause for pause, _ in wanted)
    # In the order of time; who has waited is there before who comes in that moment.
    coming = [(at, True, count) for at, (_, count) in zip(times, wanted, strict=True)]
    heapify(coming)
    while coming:
        now, is_new, count = heappop(coming)
        taken = turns.take(count, now, is_again=not is_new)
        assert is_new or taken == count
        if taken < count:
            heappush(coming, (now + turns.wait_s(count - taken, now, is_again=False), False, count - taken))


def test_those_who_come_later_stand_behind_those_who_wait() -> None:
    turns = Turns(LIMIT)
    assert turns.take(LIMIT, 0.0, is_again=False) == LIMIT
    assert turns.take(10, 0.0, is_again=False) == 0
    assert turns.wait_s(10, 0.0, is_again=False) == 10
    assert turns.take(1, 5.0, is_again=False) == 0
    assert turns.wait_s(1, 5.0, is_again=False) == 6
    assert turns.take(10, 10.0, is_again=True) == 10
    assert turns.take(1, 11.5, is_again=False) == 1


def test_a_limit_of_0_is_no_limit() -> None:
    assert Turns(0).take(10_000, 0.0, is_again=False) == 10_000


def test_it_logs_what_to_do_once_a_minute_and_the_end(
    caplog: LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(queue, "count_in_flight", lambda: 0)
    now = 0.0
    limit = NewCanLimit(Turns(LIMIT), clock=lambda: now)
    for _ in range(1000):
        now += 0.1
        if not limit.admit(["1"] * 10, is_again=False):
            assert limit.wait_s(Delivery("", "1", "1", "1", "x", 1, int(NOW.timestamp() * 1000)), 1, NOW)
    now += 3600
    assert limit.admit(["1"], is_again=False)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "INFO"]
    assert "TRASH_NEW_CANS" in caplog.text
    assert counters.counters()["new_cans_wait_until_s"]


# -- the store ---------------------------------------------------------------------------------------------------------


def report(can_id: str, minute: int = 0) -> Report:
    return Report(can_id, str(minute), NOW + timedelta(minutes=minute), NOW)


def test_nothing_is_stored_of_new_cans_that_are_not_admitted_and_known_ones_go_on(suffix: str) -> None:
    asked: list[set[str]] = []

    def admit(can_ids: object) -> list[str]:
        asked.append(set(can_ids))  # type: ignore[call-overload]
        return ["admitted"]

    assert store.put_reports([report("known")], now=NOW).new == 1
    mine = [report("known", 1), report("admitted"), report("refused"), report("refused", 1), report("refused")]
    outcome = store.put_reports(mine, now=NOW, admit=admit)

    assert (outcome.stored, outcome.repeated, outcome.new) == (2, 0, 1)
    assert outcome.refused == tuple(mine[2:])
    assert asked == [{"admitted", "refused"}]
    assert store.latest("refused") is None
    assert not store.history("refused", size=5, now=NOW).items
    assert [each.level for each in store.history("known", size=5, now=NOW).items] == ["1", "0"]
    # A can that was admitted once is known.
    assert store.put_reports([report("admitted", 1)], now=NOW, admit=lambda _: []).refused == ()


# -- in the worker -----------------------------------------------------------------------------------------------------


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> NewCanLimit:
    """A limit of two new cans a minute, of which one is left."""
    limit = NewCanLimit(Turns(2))
    limit.admit(["another"], is_again=False)
    monkeypatch.setattr(storing, "new_can_limit", limit)
    return limit


def body(*can_ids: str) -> str:
    return json.dumps([{"can_id": can_id, "level": "5"} for can_id in can_ids])


def work(*bodies: str, **changed: int) -> None:
    """Do what a worker does with messages that it has received; changed: what SQS tells of them."""
    queue.publish(bodies)
    url = queue.url_of(queue.REPORTS)
    received: list[Delivery] = []

    def receive() -> bool:
        answer = boto3.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["SentTimestamp"]
        )
        received.extend(Delivery.received(url, message) for message in answer.get("Messages", ()))
        return len(received) == len(bodies)

    eventually(receive)
    in_order = sorted(received, key=lambda each: bodies.index(each.body))
    tasks.store_messages([each._replace(**changed) for each in in_order])


def test_reports_of_new_cans_over_the_limit_stay_in_the_queue_and_others_are_stored(
    suffix: str, limit: NewCanLimit
) -> None:
    store.put_reports([report("known")], now=NOW)
    before = counters.counters()

    work(body("known", "new-1"), body("known"), body("known", "new-2"))

    assert len([each for each in ("new-1", "new-2") if store.latest(each)]) == 1
    latest = store.latest("known")
    assert latest
    assert latest.level == "5"
    depth = queue.depth()
    assert (depth.waiting, depth.in_flight, depth.dead) == (0, 1, 0)
    after = counters.counters()
    assert {name: after[name] - before[name] for name in ("messages", "postponed", "new_cans", "set_aside")} == {
        "messages": 2, "postponed": 1, "new_cans": 1, "set_aside": 0,
    }  # fmt: skip


@pytest.mark.parametrize("in_flight", [0, MOST_IN_FLIGHT])
def test_what_cannot_wait_any_longer_is_set_aside_with_the_rule_and_the_rest_is_stored(
    suffix: str, limit: NewCanLimit, monkeypatch: pytest.MonkeyPatch, in_flight: int
) -> None:
    store.put_reports([report("known")], now=NOW)
    limit.admit(["another"], is_again=False)
    monkeypatch.setattr(queue, "count_in_flight", lambda: in_flight)

    work(body("known", "new", "known"), **({} if in_flight else {"receive_count": MOST_RECEIVES}))

    latest = store.latest("known")
    assert latest
    assert latest.level == "5"
    assert store.latest("new") is None
    (letter,) = queue.sample_letters()
    assert (letter.field, letter.error, letter.index) == ("can_id", RULE, 1)
    assert letter.body == '{"can_id": "new", "level": "5"}'
    assert (queue.depth().waiting, queue.depth().in_flight) == (0, 0)
