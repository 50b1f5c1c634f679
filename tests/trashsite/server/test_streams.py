"""Pieces of a streamed answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trashsite.server import streams
from trashsite.server.streams import next_piece


def test_a_maker_that_finds_nothing_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PIECE_S", 0.001)

    def pieces() -> Iterator[bytes]:
        yield b"a"
        while True:
            yield b""

    made = pieces()

    assert [next_piece(made) for _ in range(3)] == [b"a", b"", b""]


def test_the_end_is_told_from_a_pause() -> None:
    made = iter([b"a", b"b"])

    assert [next_piece(made) for _ in range(2)] == [b"ab", None]
