"""The published messages of 46 kinds end as they should, member by member."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reports.formats import parse
from reports.formats.verdicts import as_json

UPLINKS = Path(__file__).parent / "uplinks"
EXPECTED: dict[str, dict[str, Any]] = json.loads((UPLINKS / "expected.json").read_text())
NOW = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
#: Told by people in sentences of their own, and by comparing two messages.
TOLD = {"uncertain", "source", "duplicate_of"}


def body(name: str) -> str:
    return (UPLINKS / name).read_text().strip()


def close(found: str | None, expected: str | None) -> bool:
    if found is None or expected is None:
        return found is expected
    apart = datetime.fromisoformat(found) - datetime.fromisoformat(expected)
    return abs(apart) <= timedelta(seconds=2)


def alike(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the members that differ."""
    apart = {}
    for name in expected.keys() - TOLD:
        a, b = found[name], expected[name]
        if name == "measured_at":
            same = close(a, b)
        elif name == "more":
            same = len(a) == len(b) and not any(alike(x, y) for x, y in zip(a, b, strict=True))
        elif name == "events":
            same = sorted(a) == sorted(b)
        elif isinstance(b, float):
            same = a == pytest.approx(b)
        else:
            same = a == b
        if not same:
            apart[name] = (a, b)
    return apart


@pytest.mark.parametrize("name", EXPECTED)
def test_a_published_message_ends_as_expected(name: str) -> None:
    found = as_json(parse(body(name), NOW))
    assert found.keys() == EXPECTED[name].keys()
    assert alike(found, EXPECTED[name]) == {}
    assert isinstance(found["uncertain"], list) and isinstance(found["source"], list)


def test_every_file_is_expected() -> None:
    assert {path.name for path in UPLINKS.iterdir()} - {"expected.json"} == set(EXPECTED)
