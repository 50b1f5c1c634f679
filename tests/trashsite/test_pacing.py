"""When a receive begins, and how many are in flight, after each kind of answer."""

from __future__ import annotations

import itertools

import pytest

from trashsite.sqs.delivery import Delivery
from trashsite.sqs.pacing import BACKLOG_ANSWERS, BEHIND_S, GATHER_S, IN_FLIGHT, STEADY_PER_S, Pace

numbers = itertools.count()


def messages(count: int, *, at: float, waited_s: float = 0.0, receive_count: int = 1) -> list[Delivery]:
    """Return messages that are received at this time, in seconds, and were sent so long before."""
    sent_at_ms = int((at - waited_s) * 1000)
    names = [str(next(numbers)) for _ in range(count)]
    return [Delivery("url", name, name, name, "{}", receive_count, sent_at_ms) for name in names]


def answer(pace: Pace, count: int, at: float, waited_s: float = 0.0, receive_count: int = 1) -> None:
    pace.answered(messages(count, at=at, waited_s=waited_s, receive_count=receive_count), at, at * 1000)


def steady() -> Pace:
    """Return a pace whose queue has just been emptied, at second 100, and gets more than enough to gather."""
    pace = Pace()
    answer(pace, STEADY_PER_S + 1, 100.0)
    return pace


def test_a_quiet_queue_always_has_one_receive_in_flight() -> None:
    pace = Pace()
    for second in range(20):
        answer(pace, second % 2, 100.0 + second)
        assert pace.receives(100.0 + second) == 1
        assert pace.gathers_for(100.0 + second) is None


def test_where_messages_come_steadily_the_next_receive_waits_and_no_longer() -> None:
    pace = steady()
    assert pace.receives(100.0) == 0
    assert pace.gathers_for(100.0) == pytest.approx(GATHER_S)
    assert pace.receives(100.0 + GATHER_S / 2) == 0
    assert pace.receives(100.0 + GATHER_S) == 1
    assert pace.gathers_for(100.0 + GATHER_S) is None


def test_an_answer_that_comes_while_messages_gather_makes_them_wait_no_longer() -> None:
    pace = steady()
    answer(pace, 1, 100.0 + GATHER_S / 2)
    assert pace.receives(100.0 + GATHER_S) == 1


@pytest.mark.parametrize("count", [10, pytest.param(13, id="some of them twice")])
def test_a_full_answer_is_followed_by_a_receive_at_once(count: int) -> None:
    pace = Pace()
    for at in range(3):
        answer(pace, count, 100.0 + at / 100)
        assert pace.receives(100.0 + at / 100) == 1


def test_an_answer_that_is_not_full_although_messages_waited_is_followed_by_a_receive_at_once() -> None:
    pace = Pace()
    answer(pace, STEADY_PER_S + 1, 100.0, waited_s=2 * BEHIND_S)
    assert pace.receives(100.0) == 1
    answer(pace, STEADY_PER_S + 1, 100.1, waited_s=GATHER_S)
    assert pace.receives(100.1) == 0


def test_messages_that_come_again_waited_for_another_reason() -> None:
    pace = steady()
    answer(pace, 1, 101.0 - 0.01, waited_s=2 * BEHIND_S, receive_count=2)
    assert pace.more_in_a_row == 0


def test_in_a_backlog_several_receives_are_in_flight_until_one_finds_the_queue_empty() -> None:
    pace = Pace()
    for at in range(BACKLOG_ANSWERS):
        assert pace.receives(100.0) == 1
        # Also where SQS gives fewer than ten.
        answer(pace, 10 if at % 2 else 4, 100.0, waited_s=60.0)
    assert pace.receives(100.0) == IN_FLIGHT
    answer(pace, 0, 100.0)
    assert pace.receives(100.0) == 1
