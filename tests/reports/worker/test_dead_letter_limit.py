"""A flood of invalid reports is set aside at a limited rate; everything else is not delayed."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import LogCaptureFixture

from reports import queue, store, tasks
from reports.store import StoreUnavailable
from reports.worker.dead_letter_limit import DeadLetterLimit, RateLimit, invisible_s
from reports.worker.postponing import MOST_IN_FLIGHT, MOST_RECEIVES, MOST_WAIT
from tests.support.servers import Worker, eventually
from trashsite.sqs.delivery import Delivery

LIMIT, WITHIN_S = 100, 10.0
NOW = datetime(2026, 11, 26, tzinfo=UTC)

#: Seconds since the batch before, valid messages, invalid messages.
Batches = list[tuple[float, int, int]]
any_batches = st.lists(st.tuples(st.floats(0, 4), st.integers(0, 60), st.integers(0, 60)), max_size=120)


def rate_limit() -> RateLimit:
    return RateLimit(LIMIT, WITHIN_S, 90)


def driven(batches: Batches) -> list[tuple[float, int, int, int]]:
    """Return time, valid, invalid and how many were allowed, of each batch; a refused message does not come again."""
    limit, now, seen = rate_limit(), 0.0, []
    for pause, valid, invalid in batches:
        now += pause
        allowed = limit.allowed(valid=valid, invalid=invalid, now=now)
        limit.count(valid=valid, invalid=invalid, set_aside=allowed, now=now)
        seen.append((now, valid, invalid, allowed))
    return seen


@given(any_batches)
def test_no_more_are_set_aside_than_there_are(batches: Batches) -> None:
    assert all(0 <= allowed <= invalid for _, _, invalid, allowed in driven(batches))


@given(st.lists(st.tuples(st.floats(0.5, 4), st.integers(0, 60), st.integers(0, 4)), max_size=120))
def test_below_the_limit_every_invalid_message_is_set_aside(batches: Batches) -> None:
    assert all(allowed == invalid for *_, invalid, allowed in driven(batches))


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 60)), max_size=120))
def test_below_nine_in_ten_every_invalid_message_is_set_aside(batches: list[tuple[float, int]]) -> None:
    some_valid = [(pause, 1 + invalid // 8, invalid) for pause, invalid in batches]
    assert all(allowed == invalid for *_, invalid, allowed in driven(some_valid))


@given(st.lists(st.tuples(st.floats(0, 4), st.just(0), st.integers(1, 60)), max_size=120))
def test_in_a_flood_no_more_than_twice_the_limit_is_set_aside_in_any_window(batches: Batches) -> None:
    passed = [(at, allowed) for at, _, _, allowed in driven(batches) if allowed]
    for end, _ in passed:
        # Counted by whole seconds, the window is up to one shorter.
        assert sum(allowed for at, allowed in passed if end - (WITHIN_S - 1) < at <= end) <= 2 * LIMIT + LIMIT / 10


@given(st.integers(1, 60))
def test_in_a_flood_that_lasts_about_the_limit_is_set_aside_in_each_window(invalid: int) -> None:
    pause = invalid / (10 * LIMIT / WITHIN_S)  # ten times the limit
    seen = driven([(pause, 0, invalid)] * int(10 * WITHIN_S / pause))
    assert sum(allowed for *_, allowed in seen) == pytest.approx(10 * LIMIT, rel=0.15)


def test_it_is_active_above_the_limit_until_valid_messages_come_again() -> None:
    seen = driven([(0.1, 5, 50), (0.1, 5, 50), (0.1, 5, 50), (0.15, 5, 50), (5.0, 5, 50), (0.1, 90, 0), (0.1, 5, 50)])
    assert [allowed for *_, allowed in seen] == [50, 50, 0, 1, 10, 0, 50]


def test_a_limit_of_0_is_no_limit() -> None:
    limit = RateLimit(0, WITHIN_S, 90)
    for _ in range(100):
        limit.count(valid=0, invalid=500, set_aside=500, now=1.0)
        assert limit.allowed(valid=0, invalid=500, now=1.0) == 500


def deliveries(count: int, receive_count: int = 1, sent_at: datetime = NOW) -> list[Delivery]:
    sent_at_ms = int(sent_at.timestamp() * 1000)
    return [Delivery("", f"{n}", f"{n}", f"{n}", "x", receive_count, sent_at_ms) for n in range(count)]


@pytest.fixture
def in_flight(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages SQS says are invisible."""
    said = [0]
    monkeypatch.setattr(queue, "count_in_flight", lambda: said[0])
    return said


def limited() -> DeadLetterLimit:
    """A limit that allows nothing more for a while."""
    limit = DeadLetterLimit(rate_limit(), clock=lambda: 5.0)
    limit.count(valid=0, set_aside=LIMIT, limited=0)
    assert limit.split(deliveries(1), valid=0, now=NOW) == ([], deliveries(1))
    return limit


def test_what_is_over_the_limit_comes_again_unless_it_has_waited_for_two_days(in_flight: list[int]) -> None:
    limit = limited()
    fresh, often = deliveries(3), deliveries(2, receive_count=queue.MAX_RECEIVES - 2)
    old = deliveries(2, sent_at=NOW - timedelta(days=2, seconds=1))
    assert limit.split([*fresh, *often, *old], valid=0, now=NOW) == ([*often, *old], fresh)


def test_with_too_many_messages_invisible_everything_is_set_aside(in_flight: list[int]) -> None:
    limit = DeadLetterLimit(rate_limit(), clock=lambda: 5.0)
    in_flight[0] = MOST_IN_FLIGHT
    limit.count(valid=0, set_aside=LIMIT, limited=0)
    assert limit.split(deliveries(3), valid=0, now=NOW) == (deliveries(3), ())


def test_a_limited_message_waits_44_hours_before_sqs_could_move_it_or_its_retention_ends() -> None:
    waits = [invisible_s(receive) for receive in range(1, MOST_RECEIVES)]
    assert waits[:9] == [60, 120, 240, 480, 960, 1920, 3840, 7680, 4 * 3600]
    assert MOST_RECEIVES < queue.MAX_RECEIVES
    assert 40 < sum(waits) / 3600 < 48
    # Received for the last time just before two days are over, it waits four hours more; SQS keeps it for four days.
    assert MOST_WAIT + timedelta(seconds=max(waits)) < timedelta(days=3)


def test_it_logs_once_what_to_do_and_again_once_a_minute(caplog: LogCaptureFixture, in_flight: list[int]) -> None:
    caplog.set_level("INFO")
    now = 0.0
    limit = DeadLetterLimit(rate_limit(), clock=lambda: now)
    for _ in range(1500):
        now += 0.1
        set_aside, later = limit.split(deliveries(10), valid=0, now=NOW)
        limit.count(valid=0, set_aside=len(set_aside), limited=len(later))
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "WARNING"]
    assert "manage.py dead-letters" in caplog.text
    now += 60
    limit.split(deliveries(10), valid=0, now=NOW)
    assert caplog.records[-1].getMessage() == (
        "dead letters are no longer limited: 10 of 10 messages were invalid in the last 10 s"
    )


# -- in the worker ---------------------------------------------------------------------------------------


def test_an_outage_of_the_store_sets_nothing_aside_twice(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = queue.publish(["not JSON", '{"can_id":"1","level":"5"}'])
    batch = [
        Delivery("", message_id, message_id, "", body, 1, 1_700_000_000_000)
        for message_id, body in zip(ids, ["not JSON", '{"can_id":"1","level":"5"}'], strict=True)
    ]
    monkeypatch.setattr(queue, "delete", lambda deliveries: None)
    with monkeypatch.context() as patch:

        def refused(reports: list[object], **_: object) -> None:
            raise StoreUnavailable("down", reports)  # type: ignore[arg-type]

        patch.setattr(store, "put_reports", refused)
        for _ in range(3):
            with pytest.raises(tasks.Reject):
                tasks.store_messages(batch)
    assert queue.depth().dead == 0
    tasks.store_messages(batch)
    assert queue.depth().dead == 1


@pytest.mark.parametrize("pool", ["threads", "prefork", "solo"])
def test_a_flood_of_poison_is_limited_loses_nothing_and_delays_no_valid_report(
    pool: str, suffix: str, worker: Callable[..., Worker]
) -> None:
    good = {str(number): f'{{"can_id":"{number}","level":"5"}}' for number in range(15)}
    bodies = [json.dumps({"can_id": str(number)}) for number in range(600)]
    for number, body in enumerate(good.values()):
        bodies.insert(number * 40, body)
    queue.publish(bodies)
    began = time.monotonic()
    started = worker("-P", pool, "-c", "2", TRASH_BRAKE_SET_ASIDE="100", TRASH_BRAKE_WITHIN_S="60").ready()
    eventually(lambda: "dead letters are limited" in started.log, 60)
    eventually(lambda: all(store.latest(can_id) for can_id in good), 60)
    # The receiver goes on: what comes behind the flood is stored, and what is over the limit becomes invisible.
    queue.publish(['{"can_id":"behind","level":"5"}'])
    eventually(lambda: store.latest("behind"), 60)
    eventually(lambda: queue.depth().waiting == 0, 60)
    assert started.stop() == 0
    minutes = (time.monotonic() - began) / 60
    depth = queue.depth()
    # 100 at once, then 100 a minute; a process of a prefork pool has its share of that, and a solo one all. A batch
    # that another thread sets aside meanwhile is not counted yet.
    assert (0 if pool == "prefork" else 60) < depth.dead <= 100 + 100 * minutes + 130
    assert depth.waiting + depth.in_flight + depth.dead == 600
    alarms = re.findall("ERROR reports.worker.dead_letter_limit: dead letters are limited", started.log)
    assert 1 <= len(alarms) <= (2 if pool == "prefork" else 1)
    assert started.log.count(" set aside message ") <= (2 if pool == "prefork" else 1) * 60 * math.ceil(minutes)


def test_an_array_of_which_most_is_invalid_is_one_dead_letter_and_its_valid_reports_are_stored(
    suffix: str, caplog: LogCaptureFixture
) -> None:
    body = '[1, {"can_id":"good","level":"5"}, {"can_id":"9"}, 2, {"can_id":"9","level":"x"}]'
    work(body)
    (letter,) = queue.sample_letters()
    assert (letter.body, letter.index, letter.field, letter.error) == (body, None, "report", "must be a JSON object")
    assert letter.summary == "4 of 5 reports, the first at index 0: report 2, level 2"
    latest = store.latest("good")
    assert latest is not None
    assert caplog.text.count("set aside message") == 1
    # What was valid comes again as a repeat, also without measured_at: the letter keeps the first time.
    assert queue.redrive([letter]).done == [letter.message_id]
    work()
    assert store.latest("good") == latest
    assert len(store.history("good", size=10, now=NOW).items) == 1
    assert [each.body for each in queue.sample_letters()] == [body]


@pytest.mark.parametrize(("valid", "invalid", "letters"), [(500 - 10, 10, 10), (500 - 11, 11, 1), (1, 1, 1), (0, 1, 1)])
def test_one_message_makes_ten_dead_letters_at_most(suffix: str, valid: int, invalid: int, letters: int) -> None:
    work(json.dumps([{"can_id": str(number), "level": "5"} for number in range(valid)] + [1] * invalid))
    found = queue.sample_letters(most=20)
    assert len(found) == letters
    assert all(letter.body == "1" and letter.index is not None for letter in found) == (letters == invalid)


def test_a_field_with_a_long_name_fills_neither_the_log_nor_a_summary(suffix: str, caplog: LogCaptureFixture) -> None:
    work(json.dumps([{"can_id": "1", "level": "5", f"{number}" * 9000: "\0"} for number in range(9)]))
    (letter,) = queue.sample_letters()
    assert letter.summary is not None
    assert len(letter.summary) <= 256
    assert letter.summary.endswith("other fields 5")
    assert max(len(record.getMessage()) for record in caplog.records) < 500


@pytest.mark.usefixtures("suffix")
def test_the_line_of_a_report_that_is_set_aside_names_its_can_where_it_names_one(caplog: LogCaptureFixture) -> None:
    work('{"can_id":" 432 ","level":"140"}', '{"can_id":"4/2","level":"5"}', "7")
    assert sorted(record.__dict__["can_id"] for record in caplog.records if "set aside message" in record.msg) == [
        "", "", "432",
    ]  # fmt: skip


def work(*bodies: str) -> None:
    """Send messages, and do with them what a worker does."""
    queue.publish(bodies)
    answer = boto3.client("sqs").receive_message(
        QueueUrl=queue.url_of(queue.REPORTS), MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )  # fmt: skip
    received = [Delivery.received(queue.url_of(queue.REPORTS), each) for each in answer["Messages"]]
    tasks.store_messages(received)
