"""Batches: what is folded with what, when it waits, and that nothing is ever lost or left standing."""

from __future__ import annotations

import itertools

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trashsite.sqs.delivery import Delivery
from trashsite.sqs.dispatch import (
    BATCH,
    BATCH_BYTES,
    BATCH_REPORTS,
    FRESH_FIRST,
    LINGER_S,
    MOST_PAUSE_S,
    Batch,
    Dispatcher,
    about_reports,
    is_slow,
)

numbers = itertools.count()


def message(receive_count: int = 1, size: int = 1) -> Delivery:
    name = str(next(numbers))
    return Delivery("url", name, name, f"handle-{name}", "x" * size, receive_count, 0)


def messages(count: int, receive_count: int = 1, size: int = 1) -> Batch:
    return [message(receive_count, size) for _ in range(count)]


def arrays(count: int, reports: int) -> Batch:
    """Messages of so many reports each."""
    body = "[" + ",".join(['{"can_id":"1","level":"1"}'] * reports) + "]"
    return [message()._replace(body=body) for _ in range(count)]


def drained(dispatcher: Dispatcher, now: float = 1.0) -> list[Batch]:
    """Every batch that is to be had now."""
    return list(iter(lambda: dispatcher.next(now, more_to_come=False), None))


def test_a_quiet_queue_gives_what_it_has_at_once() -> None:
    dispatcher = Dispatcher()
    few = messages(3)
    dispatcher.add(few, 0.0)
    assert dispatcher.next(0.0, more_to_come=False) == few
    assert dispatcher.next(0.0, more_to_come=False) is None
    assert dispatcher.due(0.0) is None


def test_in_a_backlog_a_batch_waits_a_moment_for_its_last_messages_and_no_longer() -> None:
    dispatcher = Dispatcher()
    dispatcher.add(messages(10), 100.0)
    assert dispatcher.next(100.0, more_to_come=True) is None
    assert dispatcher.due(100.0) == 100.0 + LINGER_S
    dispatcher.add(messages(10), 100.04)
    assert dispatcher.next(100.04, more_to_come=True) is None
    batch = dispatcher.next(100.0 + LINGER_S, more_to_come=True)
    assert batch and len(batch) == 20


def test_a_full_batch_waits_for_nothing_and_what_is_over_starts_the_next() -> None:
    dispatcher = Dispatcher()
    sent = messages(BATCH + 7)
    dispatcher.add(sent, 0.0)
    assert dispatcher.next(0.0, more_to_come=True) == sent[:BATCH]
    assert dispatcher.next(0.0, more_to_come=True) is None
    assert dispatcher.next(LINGER_S, more_to_come=True) == sent[BATCH:]


def test_what_was_received_before_goes_alone_and_waits_for_nothing() -> None:
    dispatcher = Dispatcher()
    good, suspect = messages(2), messages(2, receive_count=2)
    dispatcher.add(suspect, 0.0)
    assert dispatcher.next(0.0, more_to_come=True) == suspect[:1]
    assert dispatcher.next(0.0, more_to_come=True) == suspect[1:]
    dispatcher.add(good, 0.0)
    assert dispatcher.next(0.0, more_to_come=True) is None
    assert dispatcher.next(0.0, more_to_come=False) == good


def test_fresh_messages_and_those_received_before_take_turns() -> None:
    dispatcher = Dispatcher()
    suspect, good = messages(40, receive_count=2), messages(6 * BATCH)
    dispatcher.add(suspect + good, 0.0)
    given = drained(dispatcher)
    batches = [good[at : at + BATCH] for at in range(0, len(good), BATCH)]
    # What waits goes first, but for one slow message after some batches of others.
    assert given[:8] == [*batches[:FRESH_FIRST], suspect[:1], *batches[FRESH_FIRST:], suspect[1:2]]
    assert sum(map(len, given)) == len(suspect) + len(good)


def test_large_arrays_wait_beside_small_messages_and_a_batch_is_bounded_by_its_reports() -> None:
    dispatcher = Dispatcher()
    large, medium, small = arrays(3, BATCH_REPORTS), arrays(12, 50), messages(3)
    dispatcher.add(large + medium + small, 0.0)
    batches = drained(dispatcher)
    assert batches == [small, large[:1], large[1:2], large[2:], medium[:10], medium[10:]]


def test_no_slow_message_takes_the_slot_of_fresh_ones_that_would_linger() -> None:
    dispatcher = Dispatcher()
    few, large = messages(3), arrays(2, BATCH_REPORTS)
    dispatcher.add(few + large, 0.0)
    given = [dispatcher.next(now / 100, more_to_come=True) for now in range(3)]
    assert given == [few, large[:1], large[1:]]
    # Where no slow one may be given, they wait for their batch as ever.
    dispatcher.add(large, 1.0)
    dispatcher.add(few, 1.0)
    assert dispatcher.next(1.0, more_to_come=True, slow_too=False) is None
    assert dispatcher.next(1.0 + LINGER_S, more_to_come=True, slow_too=False) == few


def test_large_arrays_leave_a_slot_to_others_where_they_are_told_to() -> None:
    dispatcher = Dispatcher()
    large = arrays(2, BATCH_REPORTS)
    dispatcher.add(large, 0.0)
    assert dispatcher.next(0.0, more_to_come=False, slow_too=False) is None
    # It must not be asked again and again until a slot is free.
    assert dispatcher.due(0.0, slow_too=False) is None
    small = messages(2)
    dispatcher.add(small, 0.0)
    assert dispatcher.next(1.0, more_to_come=False, slow_too=False) == small
    assert drained(dispatcher) == [large[:1], large[1:]]


def test_while_the_store_is_down_a_large_array_that_may_not_be_tried_stops_no_later_try() -> None:
    dispatcher = Dispatcher()
    small, large = messages(2), arrays(1, BATCH_REPORTS)
    dispatcher.add(small + large, 0.0)
    assert dispatcher.next(0.0, more_to_come=False) == small
    dispatcher.failed(small, 0.0)
    assert dispatcher.next(60.0, more_to_come=False) == small
    dispatcher.given_back()
    assert dispatcher.next(120.0, more_to_come=False, slow_too=False) is None
    assert dispatcher.next(120.0, more_to_come=False) == large


def test_reports_are_counted_without_parsing_and_what_holds_none_is_not_slow() -> None:
    assert about_reports(message()._replace(body=f"[{','.join(['1'] * 500)}]")) == 1
    assert [about_reports(each) for each in (*arrays(1, 12), *arrays(1, 9000), *messages(1))] == [12, 500, 1]
    assert [is_slow(each) for each in (*arrays(1, 11), *arrays(1, 10), *messages(1, receive_count=2))] == [
        True, False, True,
    ]  # fmt: skip


def test_a_batch_is_bounded_in_bytes_and_one_large_message_goes_all_the_same() -> None:
    dispatcher = Dispatcher()
    large = messages(3, size=BATCH_BYTES // 2)
    huge = messages(1, size=BATCH_BYTES * 2)
    small = messages(2)
    dispatcher.add(large + huge + small, 0.0)
    assert drained(dispatcher) == [large[:2], large[2:], huge, small]


def test_while_the_store_is_down_one_batch_at_a_time_is_tried_after_growing_pauses() -> None:
    dispatcher = Dispatcher()
    dispatcher.add(messages(BATCH * 3), 0.0)
    one, two, three = drained(dispatcher, 0.0)
    dispatcher.failed(one, 0.0)
    dispatcher.failed(two, 0.0)
    pauses = []
    now = 0.0
    for _ in range(8):
        due = dispatcher.due(now)
        assert due is not None
        assert dispatcher.next(due - 0.001, more_to_come=False) is None
        pauses.append(due - now)
        now = due
        probe = dispatcher.next(now, more_to_come=False)
        assert probe is not None
        # Nothing beside the probe.
        assert dispatcher.next(now, more_to_come=False) is None
        assert dispatcher.due(now) is None
        dispatcher.failed(probe, now)
    assert pauses == sorted(pauses)
    assert max(pauses) == MOST_PAUSE_S
    assert dispatcher.failures == 10
    dispatcher.succeeded()  # the third, which was in work all along
    assert sorted(map(id, drained(dispatcher, now))) == sorted(map(id, (one, two)))
    assert three not in dispatcher.to_retry


def test_the_first_batch_that_passes_ends_the_outage() -> None:
    dispatcher = Dispatcher()
    dispatcher.add(messages(BATCH * 2), 0.0)
    one, two = drained(dispatcher, 0.0)
    for each in (one, two):
        dispatcher.failed(each, 0.0)
    assert dispatcher.next(60.0, more_to_come=False) == one
    dispatcher.succeeded()
    assert dispatcher.failures == 0
    assert dispatcher.next(60.0, more_to_come=False) == two


def test_a_retry_that_was_given_back_allows_the_next_one() -> None:
    dispatcher = Dispatcher()
    dispatcher.add(messages(BATCH * 2), 0.0)
    one, two = drained(dispatcher, 0.0)
    for each in (one, two):
        dispatcher.failed(each, 0.0)
    assert dispatcher.next(60.0, more_to_come=False) == one
    dispatcher.given_back()
    assert dispatcher.next(60.0, more_to_come=False) == two


def test_the_last_retry_given_back_ends_the_outage_or_nothing_would_be_received_again() -> None:
    # Its messages went back to the queue: with nothing left to try, receiving must go on.
    dispatcher = Dispatcher()
    dispatcher.add(messages(1), 0.0)
    (only,) = drained(dispatcher, 0.0)
    dispatcher.failed(only, 0.0)
    assert dispatcher.next(60.0, more_to_come=False) == only
    dispatcher.given_back()
    assert dispatcher.failures == 0
    assert dispatcher.due(60.0) is None
    fresh = messages(2)
    dispatcher.add(fresh, 61.0)
    assert dispatcher.next(61.0, more_to_come=False) == fresh


def test_at_the_end_everything_that_waits_is_given_back() -> None:
    dispatcher = Dispatcher()
    first, second = messages(BATCH), messages(5)
    dispatcher.add(first, 0.0)
    (batch,) = drained(dispatcher, 0.0)
    dispatcher.add(second, 0.0)
    dispatcher.failed(batch, 0.0)
    assert dispatcher.remove_all() == first + second
    assert dispatcher.remove_all() == []
    assert dispatcher.due(0.0) is None


class AnyCourse(RuleBasedStateMachine):
    """Messages come, slots free themselves, batches end in each way: the rules hold after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatcher = Dispatcher()
        self.now = 0.0
        self.inside: set[Delivery] = set()
        self.given: list[Batch] = []

    @rule(counts=st.lists(st.tuples(st.integers(1, 2), st.sampled_from([1, 1, 60_000, 600_000])), max_size=12))
    def arrive(self, counts: list[tuple[int, int]]) -> None:
        came = [message(count, size) for count, size in counts]
        self.inside.update(came)
        self.dispatcher.add(came, self.now)

    @rule(many=st.integers(11, 120))
    def arrive_in_a_backlog(self, many: int) -> None:
        came = messages(many)
        self.inside.update(came)
        self.dispatcher.add(came, self.now)

    @rule(counts=st.lists(st.sampled_from([2, 11, 60, 500]), min_size=1, max_size=12))
    def arrays_arrive(self, counts: list[int]) -> None:
        came = [each for reports in counts for each in arrays(1, reports)]
        self.inside.update(came)
        self.dispatcher.add(came, self.now)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.05, 0.5, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(more_to_come=st.booleans())
    def a_slot_is_free(self, more_to_come: bool) -> None:
        failing, due = self.dispatcher.failures, self.dispatcher.due(self.now)
        batch = self.dispatcher.next(self.now, more_to_come=more_to_come)
        if batch is None:
            # Either there is a time at which to ask again, or only an end or an arrival can help.
            again = self.dispatcher.due(self.now)
            assert again is None or again > self.now or more_to_come
            assert again is not None or self.given or not self.inside
            return
        assert set(batch) <= self.inside
        assert batch and len(batch) <= BATCH
        assert len(batch) == 1 or all(each.receive_count == 1 for each in batch)
        assert len(batch) == 1 or sum(len(each.body) for each in batch) <= BATCH_BYTES
        assert sum(map(about_reports, batch)) <= BATCH_REPORTS
        assert len(set(map(is_slow, batch))) == 1
        assert not failing or (due is not None and due <= self.now)
        self.given.append(batch)

    @precondition(lambda self: self.given)
    @rule(which=st.integers(0, 10), how=st.sampled_from(["passed", "failed", "abandoned"]))
    def a_batch_ends(self, which: int, how: str) -> None:
        batch = self.given.pop(which % len(self.given))
        if how == "failed":
            self.dispatcher.failed(batch, self.now)
            return
        self.inside -= set(batch)
        if how == "passed":
            self.dispatcher.succeeded()
        else:
            self.dispatcher.given_back()

    @invariant()
    def each_message_is_in_one_place(self) -> None:
        places = [each for batch in [*self.given, *self.dispatcher.to_retry] for each in batch]
        places += [each for each, _ in (*self.dispatcher.fresh.messages, *self.dispatcher.slow.messages)]
        assert len(places) == len(self.inside)
        assert set(places) == self.inside

    def teardown(self) -> None:
        """However it stood: once the store is well, everything is given out in bounded time."""
        for batch in self.given:
            self.dispatcher.succeeded()
            self.inside -= set(batch)
        for _ in range(2000):
            if not self.inside:
                break
            following = self.dispatcher.next(self.now, more_to_come=False)
            if following is None:
                due = self.dispatcher.due(self.now)
                assert due is not None
                # Sums of fractions differ in their last digits.
                assert due - self.now <= MOST_PAUSE_S + 1e-6
                self.now = max(due, self.now)
                continue
            self.inside -= set(following)
            self.dispatcher.succeeded()
        assert not self.inside
        assert self.dispatcher.failures == 0


TestAnyCourse = AnyCourse.TestCase
TestAnyCourse.settings = hypothesis_settings(max_examples=80, stateful_step_count=40, deadline=None)
