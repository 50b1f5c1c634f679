"""The sort key of a report: equal where it says the same, and in the order of measurement."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reports.report import Report
from reports.store.keys import order_key
from tests.support.cans import a_report

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

attribute = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(st.text(max_size=4), attribute, max_size=4)


def keyed(text: str) -> str:
    return order_key(a_report("1", "5", NOW, attributes=text))


def shuffled(value: object) -> object:
    if isinstance(value, dict):
        return {name: shuffled(member) for name, member in reversed(value.items())}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@hypothesis_settings(deadline=None)
@given(attributes)
def test_white_space_and_the_order_of_members_make_no_other_report(sent: dict[str, object]) -> None:
    plain = keyed(json.dumps(sent))
    assert keyed(json.dumps(sent, indent=3)) == plain
    assert keyed(json.dumps(sent, separators=(",", ":"), ensure_ascii=False)) == plain
    assert keyed(json.dumps(shuffled(sent))) == plain


@hypothesis_settings(deadline=None)
@given(attributes, attributes)
def test_reports_that_say_different_things_have_different_keys(
    one: dict[str, object], other: dict[str, object]
) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (keyed(json.dumps(one)) == keyed(json.dumps(other))) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":1.0}'),
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":null}', "{}"),
        ('{"a":true}', '{"a":"true"}'),
        ('{"a":null}', '{"a":"null"}'),
        ('{"a":{"b":1}}', '{"a":{"b":-1}}'),
    ],
)
def test_a_small_difference_makes_another_report(one: str, other: str) -> None:
    assert keyed(one) != keyed(other)


def test_can_level_and_instant_make_another_report_and_the_time_of_receipt_does_not() -> None:
    base = a_report("1", "5", NOW)
    assert order_key(base) == order_key(Report("1", "5", NOW, NOW + timedelta(days=3)))
    others = [
        a_report("2", "5", NOW),
        a_report("1", "5.0", NOW),
        Report("1", "5", NOW + timedelta(microseconds=1), NOW),
        a_report("15", "", NOW),
    ]
    assert len({order_key(each) for each in (base, *others)}) == 5


@hypothesis_settings(deadline=None)
@given(st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), min_size=2, max_size=5))  # noqa: DTZ001
def test_keys_sort_as_their_instants_do_and_begin_with_a_digit(instants: list[datetime]) -> None:
    reports = [Report("1", "5", each.replace(tzinfo=UTC), NOW) for each in instants]
    by_key = sorted(reports, key=order_key)
    assert [each.measured_at for each in by_key] == sorted(each.measured_at for each in reports if each.measured_at)
    assert all(order_key(each)[0].isdigit() and order_key(each).index("#") == 27 for each in reports)
