"""A flood of invalid reports is set aside at a limited rate; everything else is not delayed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import LogCaptureFixture

from reports import queue, store, tasks
from reports.store import StoreUnavailable
from reports.worker.dead_letter_limit import DeadLetterLimit, DeadLettersLimited, RateLimit
from tests.support.servers import Worker, eventually
from trashsite.sqs.delivery import Delivery

LIMIT, WITHIN_S = 100, 10.0

#: Seconds since the batch before, valid reports, invalid reports.
Batches = list[tuple[float, int, int]]
any_batches = st.lists(st.tuples(st.floats(0, 4), st.integers(0, 60), st.integers(0, 60)), max_size=120)


def rate_limit() -> RateLimit:
    return RateLimit(LIMIT, WITHIN_S, 90)


def driven(batches: Batches) -> list[tuple[float, int, int, bool]]:
    """Return time, valid, invalid and whether it was allowed, of each batch; a refused one does not ask again."""
    limit, now, seen = rate_limit(), 0.0, []
    for pause, valid, invalid in batches:
        now += pause
        allowed = limit.allows(valid=valid, invalid=invalid, now=now)
        if allowed:
            limit.count(valid=valid, invalid=invalid, now=now)
        seen.append((now, valid, invalid, allowed))
    return seen


@given(any_batches)
def test_a_batch_without_an_invalid_report_is_never_refused(batches: Batches) -> None:
    assert all(allowed for _, _, invalid, allowed in driven(batches) if not invalid)


@given(st.lists(st.tuples(st.floats(0.5, 4), st.integers(0, 60), st.integers(0, 4)), max_size=120))
def test_below_the_limit_poison_delays_nothing(batches: Batches) -> None:
    assert all(allowed for *_, allowed in driven(batches))


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 60)), max_size=120))
def test_below_nine_in_ten_poison_delays_nothing(batches: list[tuple[float, int]]) -> None:
    assert all(allowed for *_, allowed in driven([(pause, 1 + invalid // 8, invalid) for pause, invalid in batches]))


@given(st.lists(st.tuples(st.floats(0, 4), st.just(0), st.integers(1, 60)), max_size=120))
def test_of_nothing_but_poison_no_more_than_twice_the_limit_passes_in_any_window(batches: Batches) -> None:
    passed = [(at, invalid) for at, _, invalid, allowed in driven(batches) if allowed]
    for end, _ in passed:
        # Counted by whole seconds, the window is up to one shorter.
        assert sum(invalid for at, invalid in passed if end - (WITHIN_S - 1) < at <= end) <= 2 * LIMIT + 60


@given(any_batches, st.integers(1, 10_000))
def test_a_batch_that_is_refused_is_allowed_within_the_window_whatever_its_size(batches: Batches, invalid: int) -> None:
    limit, now = rate_limit(), 0.0
    for pause, valid, bad in batches:
        now += pause
        if limit.allows(valid=valid, invalid=bad, now=now):
            limit.count(valid=valid, invalid=bad, now=now)
    if not limit.allows(valid=0, invalid=invalid, now=now):
        assert limit.allows(valid=0, invalid=invalid, now=now + WITHIN_S)


def test_it_is_active_above_the_limit_until_valid_reports_come_again() -> None:
    seen = driven([(0.1, 5, 50), (0.1, 5, 50), (0.1, 5, 50), (0.1, 5, 50), (5.0, 5, 50), (0.1, 50, 0), (0.1, 5, 50)])
    assert [allowed for *_, allowed in seen] == [True, True, False, False, True, True, True]


def test_a_limit_of_0_is_no_limit() -> None:
    limit = RateLimit(0, WITHIN_S, 90)
    for _ in range(100):
        limit.count(valid=0, invalid=500, now=1.0)
        assert limit.allows(valid=0, invalid=500, now=1.0)


def test_it_logs_once_what_to_do_and_again_once_a_minute(caplog: LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    now = 0.0
    limit = DeadLetterLimit(rate_limit(), clock=lambda: now)
    for _ in range(1500):
        now += 0.1
        try:
            limit.check(valid=0, invalid=10)
        except DeadLettersLimited:
            continue
        limit.count(valid=0, invalid=10)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "WARNING"]
    assert "manage.py dead-letters" in caplog.text
    now += 60
    limit.check(valid=0, invalid=10)
    assert caplog.records[-1].getMessage() == (
        "dead letters are no longer limited: 0 of 0 reports were invalid in the last 10 s"
    )


# -- in the worker ---------------------------------------------------------------------------------------


def test_an_outage_of_the_store_sets_nothing_aside_twice(pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = queue.publish(["not JSON", '{"can_id":"1","level":"5"}'])
    batch = [
        Delivery("", message_id, message_id, "", body, 1, 1_700_000_000_000).fields()
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
def test_a_flood_of_poison_is_limited_loses_nothing_and_delays_no_valid_report_that_was_received(
    pool: str, pipeline: str, worker: Callable[..., Worker]
) -> None:
    good = {str(number): f'{{"can_id":"{number}","level":"5"}}' for number in range(15)}
    bodies = [json.dumps({"can_id": str(number)}) for number in range(600)]
    for number, body in enumerate(good.values()):
        bodies.insert(number * 10, body)
    queue.publish(bodies)
    started = worker("-P", pool, "-c", "2", TRASH_BRAKE_SET_ASIDE="100", TRASH_BRAKE_WITHIN_S="60").ready()
    eventually(lambda: "dead letters are limited" in started.log, 60)
    eventually(lambda: all(store.latest(can_id) for can_id in good), 60)
    assert started.stop() == 0
    depth = eventually(lambda: (found := queue.depth()).in_flight == 0 and found, 60)
    # 100 at once, then 100 a minute; a process of a prefork pool has its share of that, and a solo one all.
    assert (0 if pool == "prefork" else 60) < depth.dead <= 250
    assert depth.waiting + depth.dead == 600
    alarms = re.findall("ERROR reports.worker.dead_letter_limit: dead letters are limited", started.log)
    assert 1 <= len(alarms) <= (2 if pool == "prefork" else 1)
