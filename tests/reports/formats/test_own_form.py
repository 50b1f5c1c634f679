"""Our own form stays what it is: the same elements as without the other formats, whatever is sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.formats import native, parse
from reports.formats.readings import Reading
from reports.report import InvalidReport, Report

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
GOLDEN = Path(__file__).resolve().parent / "golden"


def alike(body: str | bytes) -> None:
    for found, expected in zip(parse(body, NOW), native.parse(body, NOW), strict=True):
        if isinstance(expected, Report):
            assert found == expected
        else:
            assert isinstance(found, InvalidReport)
            assert (found.field, found.rule, found.text, found.index) == (
                expected.field, expected.rule, expected.text, expected.index,
            )  # fmt: skip


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_a_golden_message_is_judged_as_before(path: Path) -> None:
    alike(path.read_bytes())


@pytest.mark.parametrize(
    "body",
    [
        '{"can\\u005fid":"432","level":5}', '[{"can\\u005fid":"432","level":5},{"level":5}]', '{"level":5}', "[]",
        "[[]]",
        '[{"can_id":"1","level":5},{"level":5},7]', "not json", '"text"', "7", "", "null", b"\xff", '{"can_id":"1"',
        '{"can_id":"1","level":5}{"can_id":"2","level":5}', '{"can_id":"1","can_id":"2","level":5}', "NaN",
        '{"can_id":"1","level":5,"deviceInfo":{}}', '{"can_id":"1","level":5,"data":{"a":[1,2]},"fPort":85}',
        "[" * 2_000,
    ],
)  # fmt: skip
def test_what_looks_like_our_own_form_is_judged_as_before(body: str | bytes) -> None:
    alike(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.fixed_dictionaries({"can_id": json_values, "level": json_values}, optional={"measured_at": json_values}))
def test_any_object_with_a_can_id_is_judged_as_before(report: dict[str, object]) -> None:
    alike(json.dumps(report))
    alike(json.dumps([report, {"level": 1}]))


@settings(deadline=None, max_examples=300)
@given(json_values)
def test_any_other_json_is_refused_as_before_or_is_a_servers(value: object) -> None:
    body = json.dumps(value)
    if not any(isinstance(each, Reading) for each in parse(body, NOW)):
        alike(body)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300) | st.text(max_size=300))
def test_anything_at_all_is_judged(body: bytes | str) -> None:
    assert parse(body, NOW)
