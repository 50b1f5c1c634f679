"""The place where a fleet's last run ended is found again, and a broken file is none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from simulator.bookmark import Bookmark
from simulator.fleet import Fleet, Place
from tests.simulator.scene import NOW


def test_each_fleet_has_its_own_place(tmp_path: Path) -> None:
    first, other = Bookmark.of(Fleet(1, 500), tmp_path), Bookmark.of(Fleet(1, 20), tmp_path)

    first.write(Place(NOW, 7))
    other.write(Place(NOW + timedelta(microseconds=1), 3))

    assert Bookmark.of(Fleet(1, 500), tmp_path).read() == Place(NOW, 7)
    assert other.read() == Place(NOW + timedelta(microseconds=1), 3)
    assert Bookmark.of(Fleet(2, 500), tmp_path).read() is None
    assert [path.name for path in tmp_path.iterdir()] == ["simulator.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"seed 1, 500 cans":',
        '{"seed 1, 500 cans": 3}',
        '{"seed 1, 500 cans": {"measured_at": "2026-11-24T03:00:00", "can": 1}}',
        '{"seed 1, 500 cans": {"measured_at": "yesterday", "can": 1}}',
    ],
)
def test_a_file_that_cannot_be_read_is_no_place_and_is_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "simulator.json").write_text(text)
    bookmark = Bookmark.of(Fleet(1, 500), tmp_path)

    assert bookmark.read() is None
    bookmark.write(Place(NOW, 7))
    assert bookmark.read() == Place(NOW, 7)
