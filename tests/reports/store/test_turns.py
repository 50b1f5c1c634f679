"""Turns: who shares a can waits for who came before, nobody else does, and nobody for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reports.store import turns
from reports.store.turns import turn
from tests.support.servers import eventually


@contextmanager
def waiting(*can_ids: str) -> Iterator[threading.Event]:
    """Take a turn in a thread, and keep it until the end; the event is set while it lasts."""
    begun, ended = threading.Event(), threading.Event()

    def take() -> None:
        with turn(can_ids):
            begun.set()
            ended.wait(10)

    thread, tickets = threading.Thread(target=take), len(turns._tickets)
    thread.start()
    eventually(lambda: len(turns._tickets) > tickets)
    try:
        yield begun
    finally:
        ended.set()
        thread.join()


def test_batches_that_share_a_can_go_one_after_another_in_the_order_in_which_they_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "WITHIN_S", 10.0)
    with waiting("a", "b") as other, waiting("c") as stranger:
        assert other.wait(5)
        assert stranger.wait(5)
        with waiting("d") as later:
            assert later.wait(5)
            first = threading.Thread(target=lambda: order.append(1) if _took("b", "d") else None)
            order: list[int] = []
            first.start()
            eventually(lambda: len(turns._tickets) == 4)
            second = threading.Thread(target=lambda: order.append(2) if _took("d") else None)
            second.start()
            eventually(lambda: len(turns._tickets) == 5)
        # Its can is free now, but the one before it waits for another can, too.
        assert not order
    first.join()
    second.join()
    assert order == [1, 2]
    assert not turns._tickets


def _took(*can_ids: str) -> bool:
    with turn(can_ids):
        return True


def test_a_batch_that_hangs_holds_up_the_others_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WITHIN_S", 0.05)
    with waiting("a") as hanging:
        assert hanging.wait(5)
        assert _took("a")
