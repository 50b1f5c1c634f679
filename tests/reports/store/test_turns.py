"""Turns: who shares a can waits for who came before, nobody else does, and nobody for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reports.store import turns
from reports.store.turns import Turn
from tests.support.servers import eventually


class Batch:
    """A thread that waits for its turn and keeps it until it is told to end."""

    def __init__(self, *can_ids: str) -> None:
        self.begun, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(can_ids,))
        turns_before = len(turns._turns)
        self._thread.start()
        eventually(lambda: len(turns._turns) > turns_before)

    def _run(self, can_ids: tuple[str, ...]) -> None:
        with Turn(can_ids) as turn:
            turn.wait()
            self.begun.set()
            self._ended.wait(10)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


@contextmanager
def at_work(*can_ids: str) -> Iterator[Batch]:
    """A batch whose turn it is."""
    batch = Batch(*can_ids)
    assert batch.begun.wait(5)
    try:
        yield batch
    finally:
        batch.end()


def test_batches_that_share_a_can_go_one_after_another_in_the_order_in_which_they_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "IN_ORDER_S", 10.0)
    with at_work("a", "b") as first, at_work("c"):
        second = Batch("b", "d")
        # Its can is free, but the one before it waits for another can, too.
        third = Batch("d")
        assert not second.begun.is_set()
        assert not third.begun.is_set()
        first.end()
        assert second.begun.wait(5)
        assert not third.begun.is_set()
        second.end()
        assert third.begun.wait(5)
        third.end()
    assert not turns._turns


def test_a_batch_that_prepares_for_long_holds_up_the_others_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "IN_ORDER_S", 0.05)
    with Turn(["a"]), at_work("a"):
        pass


def test_while_a_batch_writes_none_that_shares_its_cans_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "IN_ORDER_S", 0.0)
    monkeypatch.setattr(turns, "ALONE_S", 10.0)
    with at_work("a") as first:
        second = Batch("a")
        assert not second.begun.wait(0.1)
        first.end()
        assert second.begun.wait(5)
        second.end()


def test_a_batch_that_hangs_holds_up_the_others_no_longer_than_they_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "IN_ORDER_S", 0.0)
    monkeypatch.setattr(turns, "ALONE_S", 0.05)
    with at_work("a"), Turn(["a"]) as late:
        late.wait()
        assert len(turns._turns) == 2, "the batch that hangs has ended, so nothing shows for how long it held up"
