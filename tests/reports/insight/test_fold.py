"""The fold: whatever the order, and however often, reports end in one row."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reports.formats.native import parse
from reports.insight import fold as folding
from reports.insight.cycles import Emptied, Reading
from reports.insight.fold import (
    LastKnown,
    Row,
    caught_up,
    fold,
    fold_again,
    fold_all,
    hold,
    last_known,
    reading_in,
    trend,
    trend_begins,
)
from reports.insight.state import Rules, rebuild
from reports.report import Report
from reports.store.keys import Keyed, order_key
from reports.store.row_items import row_of, row_values
from tests.reports.insight.cans import a_can

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def a_report(minute: float = 0, level: str = "50", **attributes: object) -> Keyed:
    """A report of can 432, `minute` minutes after NOW; minus for before."""
    said = {"can_id": "432", "level": level, "measured_at": (NOW + timedelta(minutes=minute)).isoformat()}
    (report,) = parse(json.dumps({**said, **attributes}), NOW + timedelta(days=1))
    assert isinstance(report, Report)
    return Keyed(report, order_key(report))


def folded(*reports: Keyed) -> Row:
    row = fold_all(None, reports)
    assert row
    return row


def whole(row: Row, sent: Iterable[Keyed]) -> Row:
    """The row once it has caught up with what came late."""
    return caught_up(row, None, readings(sent))[0] if row.late else row


def readings(sent: Iterable[Keyed]) -> list[Reading]:
    found = [reading_in(each.report.measured_at or NOW, each.report.level) for each in sent]
    return [reading for reading in found if reading]


def made_sure(found: Iterable[Reading], rules: Rules) -> list[Emptied]:
    """The emptyings that readings confirm or take back, by the pure rules."""
    return [each for each in rebuild(sorted(found), rules)[1] if each.stage != "PROVISIONAL"]


#: Few instants, of which some lie in one second: so that reports meet.
minutes = st.sampled_from([-3000, -1441, -1440, -1300, -119, -30, -0.01, 0, 0.005, 0.5, 60])
names = st.sampled_from([*"abcdefghijklmno", "stream", "location", "n" * 41])
values = st.sampled_from([1, "x", "glass", None, [1, 2], "y" * 60, {"lat": 50.1, "lon": 14.2}])
reports = st.builds(
    lambda minute, level, attributes: a_report(minute, level, **attributes),
    minutes,
    st.sampled_from(["0", "1", "99.9", "100"]),
    st.dictionaries(names, values, max_size=14),
)


@hypothesis_settings(deadline=None, max_examples=300)
@given(st.lists(reports, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_arrival_and_repeats_make_no_other_row(sent: list[Keyed], chance: random.Random) -> None:
    in_order = folded(*sorted({each.key: each for each in sent}.values(), key=lambda each: each.key))

    arrived = [*sent, *chance.choices(sent, k=len(sent))]
    chance.shuffle(arrived)

    assert whole(folded(*arrived), sent) == whole(in_order, sent)


#: What is sent of a can: reports, and measurements of which no report comes: the minute, and what they tell.
alarms = st.tuples(minutes, st.sampled_from([(), ("tilt",), ("fire", "reset")]))


@hypothesis_settings(deadline=None)
@given(st.lists(reports, min_size=1, max_size=6), st.lists(alarms, max_size=4), st.randoms(use_true_random=False))
def test_the_last_measurement_says_whether_there_is_fire_or_tilt_whatever_the_order(
    sent: list[Keyed], told: list[tuple[float, tuple[str, ...]]], chance: random.Random
) -> None:
    first, *others = sorted(sent, key=lambda each: each.key)
    row = folded(first)
    for each in chance.sample([*others, *told, *others, *told], k=2 * len(others) + 2 * len(told)):
        if isinstance(each, Keyed):
            row = fold(row, each.report, each.key)
        else:
            row = hold(row, NOW + timedelta(minutes=each[0]), each[1])

    known = [(minute, tuple(each for each in ("fire", "tilt") if each in events)) for minute, events in told]
    last = max((NOW + timedelta(minutes=minute), len(events), events) for minute, events in [(-9999, ()), *known])
    newest = row.report.measured_at
    assert newest
    expected = list(last[2]) if last[0] > newest else []
    assert list(row.told.events) == expected
    assert row_of({"id": {"S": "432"}, **row_values(row)}) == row


@hypothesis_settings(deadline=None)
@given(st.lists(reports, min_size=1, max_size=12), st.integers(1, 12))
def test_what_comes_late_is_caught_up_from_any_state_before_it(sent: list[Keyed], cut: int) -> None:
    in_order = sorted({each.key: each for each in sent}.values(), key=lambda each: each.key)
    row = whole(folded(*in_order), sent)
    before = whole(folded(*in_order[:cut]), in_order[:cut])
    start = before.state and (before.state.at, before.state.level)
    if before.rules == row.rules and start and all(each > start for each in readings(in_order[cut:])):
        later, decided = caught_up(row, before.state, readings(in_order))
        assert later.state == row.state and not later.late
        # By their number: several may be known in one second.
        were = len(made_sure(readings(in_order[:cut]), row.rules))
        assert [event for event, _ in decided] == made_sure(readings(sent), row.rules)[were:]


@hypothesis_settings(deadline=None)
@given(st.lists(reports, min_size=1, max_size=12))
def test_a_row_comes_back_from_its_item_as_it_was(sent: list[Keyed]) -> None:
    row = folded(*sent)

    assert row_of({"id": {"S": "432"}, **row_values(row)}) == row


@hypothesis_settings(deadline=None)
@given(st.lists(reports, min_size=1, max_size=12))
def test_what_is_folded_again_is_the_same(sent: list[Keyed]) -> None:
    row = folded(*sent)

    of_its_day = [each for each in sent if (each.report.measured_at or NOW) >= trend_begins(row)]

    assert whole(fold_again(row, of_its_day), sent) == whole(row, sent)


def test_the_newest_report_is_the_rows_whatever_came_last() -> None:
    row = folded(a_report(5, "5"), a_report(4, "4"))

    assert (row.report.level, row.key) == ("5", a_report(5, "5").key)


def test_a_report_that_changes_nothing_gives_an_equal_row() -> None:
    row = folded(a_report(0, "5", a=1), a_report(60, "6", a=2))

    assert fold(row, *a_report(60, "6", a=2)) == row
    late = a_report(-3000, "9")
    assert fold(row, *late) == replace(row, late=late.key)


def test_stream_and_location_stay_where_a_newer_report_does_not_say_them() -> None:
    place = {"lat": 50.1, "lon": 14.2}
    said, silent = a_report(0, stream="glass", location=place), a_report(60)

    for row in (folded(said, silent), folded(silent, said)):
        assert (row.report.stream, row.report.location) == ("glass", said.report.location)
        assert row.report.attributes == "{}"

    late = a_report(-60, stream="paper")
    assert folded(said, silent, late).report.stream == "glass"
    assert folded(late, silent).report.stream == "paper"


def test_the_last_value_of_each_attribute_is_known_with_its_time() -> None:
    row = folded(a_report(0, battery=3.60, t=[1, 2]), a_report(60, t=5), a_report(120, rssi=-97))

    assert last_known(row) == [
        LastKnown("rssi", "-97", NOW + timedelta(minutes=120)),
        LastKnown("t", "5", NOW + timedelta(minutes=60)),
        LastKnown("battery", "3.6", NOW),
    ]
    assert row.report.attributes == '{"rssi":-97}'


@pytest.mark.parametrize("text", ["1e999999", "-0", "123456789012345678901234567890", '"x"'])
def test_a_value_is_known_with_the_digits_that_were_sent(text: str) -> None:
    (report,) = parse(f'{{"can_id":"432","level":1,"x":{text},"measured_at":"2026-11-24T09:00:00Z"}}', NOW)
    assert isinstance(report, Report)

    row = folded(Keyed(report, order_key(report)), a_report(0), a_report(60))

    assert [(each.name, each.text) for each in last_known(row)] == [("x", text)]


def test_what_is_known_has_bounds() -> None:
    many = [a_report(minute, **{f"name-{minute}": minute}) for minute in range(30)]
    long = a_report(40, **{"n" * 41: 1, "text": "x" * 200})

    row = folded(*many, long, a_report(50))

    known = last_known(row)
    assert len(known) == folding.MOST_KNOWN
    assert [each.name for each in known] == ["text", *(f"name-{minute}" for minute in range(29, 20, -1))]
    assert known[0].text == ""
    assert len(json.dumps(row_values(row))) < 1600


def test_a_row_of_what_sensors_send_fits_one_write_unit() -> None:
    place = {"lat": 50.08804, "lon": 14.42076}
    states = a_report(0, "12.5", battery=3.6, firmware="1.4.2", temperature=11.5, tilt=False)

    row = folded(states, a_report(120, "70.69237046207665", stream="paper", location=place), a_report(240))
    largest, _ = rebuild(a_can(700), row.rules)
    row = replace(row, state=largest, late="")

    assert size_of({"id": {"S": "A81758FFFE0A1B2C"}, **row_values(row), "version": {"N": "123456"}}) < 1024


def test_a_row_of_a_bought_sensor_fits_one_write_unit() -> None:
    said = {"sensor": "lorawan:a81758fffe0a1b2c", "model": "Milesight EM310-UDL", "frame": 65535, "distance_mm": 1234}
    said |= {"calibration": 12, "temperature_c": 21.5, "tilt_deg": 3, "battery": {"value": 100, "unit": "%"}}
    place = {"lat": 50.08804, "lon": 14.42076}
    turns = [a_report(60 * turn, "41.128205", **said, **({} if turn else {"location": place})) for turn in range(14)]
    row = folded(a_report(-10, stream="glass"), *turns)
    largest, _ = rebuild(a_can(700, every_days=4, per_hour=2), row.rules)
    row = replace(row, state=largest, late="", asks=False)

    assert size_of({"id": {"S": "waste-bin-0123456789"}, **row_values(row), "version": {"N": "123456"}}) < 1024


def size_of(item: dict[str, dict[str, str]]) -> int:
    """What DynamoDB counts: names and values, bytes without their base64."""
    sizes = [
        len(name) + (len(value["B"]) * 3 // 4 if "B" in value else len(next(iter(value.values())).encode()))
        for name, value in item.items()
    ]
    return sum(sizes)


def test_a_backlog_fills_the_trend_at_once() -> None:
    backlog = [a_report(-120 * turn, f"{turn}.9") for turn in range(20)]
    random.Random(1).shuffle(backlog)

    assert trend(folded(*backlog)) == tuple(range(11, -1, -1))


def test_a_trend_has_the_last_level_of_each_two_hours() -> None:
    at = datetime(2026, 11, 24, 8, tzinfo=UTC)
    early, late = ((at - NOW) / timedelta(minutes=1) + minutes for minutes in (0, 119))

    for order in ((early, late), (late, early)):
        row = folded(*(a_report(minute, "1" if minute == early else "2") for minute in order))
        assert trend(row) == (None,) * 11 + (2,)
    assert trend(folded(a_report(early, "1"), a_report(late + 600, "3"))) == (
        *(None,) * 6,
        1,
        None,
        None,
        None,
        None,
        3,
    )


def test_a_can_at_the_edge_of_the_calendar_is_folded() -> None:
    # No device may say so any more, but version 0.1 stored it.
    report = Report("old", "1", datetime(1, 1, 1, tzinfo=UTC), NOW)

    row = folded(Keyed(report, order_key(report)))

    assert trend(row)[-1] == 1
    assert trend_begins(row) == datetime(1, 1, 1, tzinfo=UTC)
    assert row_of({"id": {"S": "old"}, **row_values(row)}) == row


def test_what_another_service_wrote_without_a_time_gives_way() -> None:
    lab = Row(Report("432", "88.8", None, None), "")

    ours = a_report(-100_000)
    assert whole(fold(lab, *ours), [ours]) == folded(ours)


@pytest.mark.parametrize("history", [True, False])
def test_a_row_that_version_0_1_wrote_over_is_made_whole(history: bool) -> None:
    place = {"lat": 50.1, "lon": 14.2}
    ours = [a_report(-240, "10", location=place, a=1), a_report(-120, "20", a=2, b=3)]
    theirs = [a_report(-60, "30", a=4), a_report(0, "40", stream="glass")]
    item = {"id": {"S": "432"}, **row_values(folded(*ours))}
    newest = theirs[-1].report
    item |= {"order_key": {"S": theirs[-1].key}, "level": {"S": "40"}, "attributes": {"S": newest.attributes}}
    item |= {"stream": {"S": "glass"}, "location": {"S": ""}}

    row = row_of(item)
    assert row and not row.is_whole

    made = fold_again(row, [*ours, *theirs] if history else None)
    if history:
        assert whole(made, [*ours, *theirs]) == whole(folded(*ours, *theirs), [*ours, *theirs])
    else:
        assert made.is_whole
        assert trend(made)[-1] == 40
        assert [each.name for each in last_known(made)] == ["stream", "location"]
