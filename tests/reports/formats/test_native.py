"""The native format: every rule of a report, to the byte; nothing that a device can send raises."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reports.formats.native import dump, parse, with_stream_and_location
from reports.report import CAN_ID_RULE, InvalidReport, Report, iso

GOLDEN = Path(__file__).resolve().parent / "golden"
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

quick = settings(deadline=None, max_examples=200)


def one(**fields: object) -> Report | InvalidReport:
    """What becomes of one report with these fields, written by Python's own JSON."""
    (result,) = parse(json.dumps({"can_id": "432", "level": "70.69", **fields}), NOW)
    return result


def raw(members: str) -> Report | InvalidReport:
    """What becomes of one report whose further members are this text."""
    (result,) = parse('{"can_id":"432","level":1,' + members + "}", NOW)
    return result


def refused(result: Report | InvalidReport) -> tuple[str, str]:
    assert isinstance(result, InvalidReport), result
    return result.field, result.rule


def stored(result: Report | InvalidReport) -> Report:
    assert isinstance(result, Report), result
    return result


# -- golden messages -------------------------------------------------------------------------------------


def as_golden(result: Report | InvalidReport) -> dict[str, Any]:
    if isinstance(result, InvalidReport):
        return {"field": result.field, "rule": result.rule, "text": result.text, "index": result.index}
    assert result.measured_at
    return {
        "can_id": result.can_id,
        "level": result.level,
        "measured_at": iso(result.measured_at),
        "attributes": result.attributes,
        "stream": result.stream,
        "location": [str(part) for part in result.location] if result.location else None,
    }


@pytest.mark.parametrize("message", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_a_golden_message_is_read_to_the_digit(message: Path) -> None:
    expected = json.loads(message.with_suffix(".json").read_text())
    assert [as_golden(each) for each in parse(message.read_bytes(), NOW)] == expected
    assert [as_golden(each) for each in parse(message.read_text(), NOW)] == expected


def test_the_labs_first_report_goes_out_as_the_lab_sent_it() -> None:
    report = Report("432", "70.69237046207665", None, None)
    assert dump(report) == '{"can_id":"432","level":"70.69237046207665"}'


def test_a_report_goes_out_with_its_time_and_its_attributes_as_they_came() -> None:
    report = Report("🗑", "5.0", NOW, NOW, attributes='{"stream":"glass","raw": [ 1.50 ]}')
    assert dump(report) == (
        '{"can_id":"\\ud83d\\uddd1","level":"5.0","measured_at":"2026-11-24T09:30:00Z",'
        '"stream":"glass","raw": [ 1.50 ]}'
    )


# -- can_id ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("432", "432"), (432, "432"), (0, "0"), (-7, "-7"), (10**127, str(10**127)), ("  a b\t", "a b"),
        ("x" * 128, "x" * 128), (" " + "x" * 128 + " ", "x" * 128), ("...", "..."), ("a.b", "a.b"),
        ("🗑" * 128, "🗑" * 128), ("Z̴̡̢͚̈́a̸l̵g̷o", "Z̴̡̢͚̈́a̸l̵g̷o"), ("\u200b", "\u200b"), ("%2F", "%2F"), ("é", "é"),
        ("<script>", "<script>"), ("__proto__", "__proto__"), ("-1", "-1"),
    ],
)  # fmt: skip
def test_a_can_id_is_a_string_or_an_integer_of_1_to_128_characters(sent: object, kept: str) -> None:
    assert stored(one(can_id=sent)).can_id == kept


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        (None, "must be a string or an integer"),
        (True, "must be a string or an integer"),
        ([1], "must be a string or an integer"),
        ({"id": 1}, "must be a string or an integer"),
        (1.5, "must be an integer where it is a number"),
        (1e300, "must be an integer where it is a number"),
        ("", CAN_ID_RULE),
        (" \t", CAN_ID_RULE),
        ("x" * 129, CAN_ID_RULE),
        ("x" * 4096, CAN_ID_RULE),
        (10**128, CAN_ID_RULE),
        ("a\nb", CAN_ID_RULE),
        ("a\x1bb", CAN_ID_RULE),
        ("a\x7fb", CAN_ID_RULE),
        ("a\x9bb", CAN_ID_RULE),
        ("a\u2028b", CAN_ID_RULE),
        ("a/b", CAN_ID_RULE),
        ("/", CAN_ID_RULE),
        (".", CAN_ID_RULE),
        (" .. ", CAN_ID_RULE),
        ("a\x00b", "must not hold the character NUL"),
        ("\ud800", "must not hold a lone surrogate"),
        ("a\udfff", "must not hold a lone surrogate"),
    ],
)
def test_any_other_can_id_breaks_a_rule(sent: object, rule: str) -> None:
    assert refused(one(can_id=sent)) == ("can_id", rule)


@pytest.mark.parametrize("field", ["can_id", "level"])
def test_can_id_and_level_are_required(field: str) -> None:
    fields = {"can_id": "1", "level": "1"}
    del fields[field]
    (result,) = parse(json.dumps(fields), NOW)
    assert refused(result) == (field, "is required")


# -- level -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digits",
    [
        "70.69237046207665", "0", "-0", "0.0", "100", "100." + "0" * 28, "1e2", "1E+1", "1e-400",
        "29.907124165084564", "0.10", "5e-324",
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_string", [True, False])
def test_a_level_keeps_the_digits_that_were_sent(digits: str, as_string: bool) -> None:
    sent = f'"{digits}"' if as_string else digits
    (result,) = parse(f'{{"can_id":1,"level":{sent}}}', NOW)
    assert stored(result).level == digits


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        (None, "must be a string or a number"),
        (False, "must be a string or a number"),
        ([50], "must be a string or a number"),
        ({}, "must be a string or a number"),
        ("", "must be a number in JSON's grammar"),
        ("full", "must be a number in JSON's grammar"),
        (" 7", "must be a number in JSON's grammar"),
        ("7 ", "must be a number in JSON's grammar"),
        ("7\n", "must be a number in JSON's grammar"),
        ("7.", "must be a number in JSON's grammar"),
        (".7", "must be a number in JSON's grammar"),
        ("+7", "must be a number in JSON's grammar"),
        ("07", "must be a number in JSON's grammar"),
        ("0x1F", "must be a number in JSON's grammar"),
        ("1_0", "must be a number in JSON's grammar"),
        ("1,5", "must be a number in JSON's grammar"),
        ("NaN", "must be a number in JSON's grammar"),
        ("Infinity", "must be a number in JSON's grammar"),
        ("٣", "must be a number in JSON's grammar"),
        (100.00000001, "must be from 0 to 100 percent"),
        ("100.000000000000000000000000001", "must be from 0 to 100 percent"),
        (101, "must be from 0 to 100 percent"),
        (-1, "must be from 0 to 100 percent"),
        ("-1e-30", "must be from 0 to 100 percent"),
        ("1e400", "must be from 0 to 100 percent"),
        ("1e999999", "must be from 0 to 100 percent"),
        ("1e99999999999999999999", "has an exponent out of range"),
        ("0e99999999999999999999", "has an exponent out of range"),
        ("1" * 33, "must have at most 32 characters"),
        ("0." + "0" * 31, "must have at most 32 characters"),
    ],
)
def test_any_other_level_breaks_a_rule(sent: object, rule: str) -> None:
    assert refused(one(level=sent)) == ("level", rule)


# -- measured_at -----------------------------------------------------------------------------------------


def test_a_report_without_a_time_was_measured_when_the_queue_took_it() -> None:
    assert stored(one()).measured_at == NOW
    assert stored(one()).received_at == NOW


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("2026-11-24T09:30:00Z", NOW),
        ("2026-11-24T10:30:00+01:00", NOW),
        ("2026-11-24 03:00:00.000-06:30", NOW),
        ("20261124T093000Z", NOW),
        ("2026-W48-2T09:30Z", NOW),
        ("2026-11-24T09:29:59.999999Z", NOW - timedelta(microseconds=1)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("1999-12-31T23:00:00-01:00", datetime(2000, 1, 1, tzinfo=UTC)),
        (1795512600, NOW),
        ("1795512600", NOW),
        (1795512600000, NOW),
        (1.7955126e9, NOW),
        # From 1e11 on an epoch counts milliseconds.
        (946_684_800, datetime(2000, 1, 1, tzinfo=UTC)),
        (946_684_800_000, datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_iso_8601_with_a_zone_or_an_epoch(sent: object, instant: datetime) -> None:
    result = stored(one(measured_at=sent))
    assert result.measured_at == instant
    assert result.measured_at.tzinfo is UTC
    assert result.received_at == NOW


EARLY = "must be 2000-01-01 or later: the device's clock is not set"
AHEAD = "must be at most 5 minutes after the message was received"


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ("2026-11-24T09:30:00", "must name its zone, as Z or +01:00"),
        ("2026-11-24", "must name its zone, as Z or +01:00"),
        ("yesterday", "must be ISO 8601 with a zone"),
        ("", "must be ISO 8601 with a zone"),
        ("2026-13-01T00:00:00Z", "must be ISO 8601 with a zone"),
        ("2026-02-29T00:00:00Z", "must be ISO 8601 with a zone"),
        ("0001-01-01T00:00:00+01:00", "must be ISO 8601 with a zone"),
        ("\uff12\uff10\uff12\uff16-11-24T09:30:00Z", "must be ISO 8601 with a zone"),
        (True, "must be ISO 8601 with a zone, or an epoch in seconds or milliseconds"),
        ([1], "must be ISO 8601 with a zone, or an epoch in seconds or milliseconds"),
        ("1" * 65, "must be ISO 8601 with a zone, or an epoch in seconds or milliseconds"),
        ("0001-01-01T00:00:00Z", EARLY),
        ("0001-01-02T03:04:05-11:00", EARLY),
        ("1999-12-31T23:59:59.999999Z", EARLY),
        ("2000-01-01T00:59:59+01:00", EARLY),
        (0, EARLY),
        (-1, EARLY),
        (100_000_000_000, EARLY),
        (-62135596800, EARLY),
        (99_999_999_999, AHEAD),
        (-62135596801, "is out of range"),
        (-99_999_999_999, "is out of range"),
        (10**20, "is out of range"),
        ("1e400", "is out of range"),
    ],
)
def test_any_other_time_breaks_a_rule(sent: object, rule: str) -> None:
    assert refused(one(measured_at=sent)) == ("measured_at", rule)


@pytest.mark.parametrize("received_at", [NOW, NOW - timedelta(days=4), NOW + timedelta(days=400)])
def test_a_clock_may_run_5_minutes_ahead_of_the_queues_and_not_a_microsecond_more(
    received_at: datetime,
) -> None:
    def judged(ahead: timedelta) -> Report | InvalidReport:
        sent = iso(received_at + ahead)
        (result,) = parse(f'{{"can_id":1,"level":1,"measured_at":"{sent}"}}', received_at)
        return result

    assert stored(judged(timedelta(minutes=5))).measured_at == received_at + timedelta(minutes=5)
    assert refused(judged(timedelta(minutes=5, microseconds=1))) == ("measured_at", AHEAD)


@pytest.mark.parametrize("sent", ["1e999990", "-1e999990", '"1e999990"', "9.9e63999", "1e999999999"])
def test_a_short_epoch_with_a_huge_exponent_costs_no_time(sent: str) -> None:
    began = time.process_time()
    result = raw(f'"measured_at":{sent}')
    assert time.process_time() - began < 0.5
    assert refused(result) == ("measured_at", "is out of range")


# -- attributes ------------------------------------------------------------------------------------------


def test_further_members_are_kept_as_the_text_that_came() -> None:
    report = stored(raw('"b":1.500, "a" : [ 1,2 ],"c":"\\u017e","d":{"x":null , "y":true}'))
    assert report.attributes == '{"b":1.500,"a":[ 1,2 ],"c":"\\u017e","d":{"x":null , "y":true}}'


def test_a_number_of_5000_digits_is_kept_to_the_digit() -> None:
    digits = "7" * 5000
    assert stored(raw(f'"big":{digits}')).attributes == f'{{"big":{digits}}}'


def test_a_stream_and_a_place_are_lifted_out_and_stay_attributes() -> None:
    report = stored(raw('"stream":" Glass ","location":{"lat":50.08804,"lon":"14.42"}'))
    assert report.stream == "Glass"
    assert report.location == (Decimal("50.08804"), Decimal("14.42"))
    assert json.loads(report.attributes)["stream"] == " Glass "


@pytest.mark.parametrize("stream", ["5", '""', '"  "', '"' + "x" * 65 + '"', '"a\\nb"', "null", "[]", "{}"])
def test_a_stream_that_cannot_be_used_stays_an_attribute_only(stream: str) -> None:
    report = stored(raw(f'"stream":{stream}'))
    assert report.stream is None
    assert json.loads(report.attributes)["stream"] == json.loads(stream)


@pytest.mark.parametrize(
    "place",
    [
        "null", "[50,14]", '"50,14"', '{"lat":50}', '{"lon":14}', '{"lat":90.01,"lon":0}', '{"lat":0,"lon":-180.1}',
        '{"lat":"north","lon":0}', '{"lat":true,"lon":0}', '{"lat":[1],"lon":0}',
        '{"lat":1e99999999999999999999,"lon":0}', '{"lat":1e400,"lon":0}', f'{{"lat":{"1" * 33},"lon":0}}',
    ],
)  # fmt: skip
def test_a_place_that_is_none_stays_an_attribute_only(place: str) -> None:
    report = stored(raw(f'"location":{place}'))
    assert report.location is None
    assert report.attributes == f'{{"location":{place}}}'


def test_the_poles_and_the_date_line_are_places() -> None:
    assert stored(raw('"location":{"lat":-90,"lon":180}')).location == (Decimal(-90), Decimal(180))


def padded(size: int) -> str:
    """A report of exactly so many bytes, its characters of two bytes each where that goes."""
    frame = '{"can_id":"1","level":1,"pad":""}'
    left = size - len(frame)
    return frame.replace('""', '"' + "é" * (left // 2) + "x" * (left % 2) + '"')


def test_a_report_may_have_16_kib_and_not_a_byte_more() -> None:
    fits, too_big = padded(16 * 1024), padded(16 * 1024 + 1)
    assert len(fits.encode()) == 16 * 1024
    assert [type(each) for each in parse(f"[{fits},{fits}]", NOW)] == [Report, Report]
    good, bad = parse(f"[{fits},{too_big}]", NOW)
    stored(good)
    assert refused(bad) == ("report", "must be at most 16384 bytes")
    assert isinstance(bad, InvalidReport)
    assert (bad.index, bad.text) == (1, too_big)


@pytest.mark.parametrize("innermost", ["", "1", '"x"'])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_a_report_may_nest_8_deep_itself_included_and_not_9(innermost: str, pair: str) -> None:
    def nested(depth: int) -> Report | InvalidReport:
        # The report is the first level.
        value = innermost
        for at in range(depth - 1):
            value = f"[{value}]" if pair == "[]" else ('{"k":' + value + "}" if value or at else "{}")
        return raw(f'"deep":{value}')

    stored(nested(8))
    assert refused(nested(9)) == ("deep", "must not nest deeper than 8")


@pytest.mark.parametrize("depth", [9, 400, 900, 8000])
def test_deep_nesting_is_a_rule_and_not_a_crash(depth: int) -> None:
    field, rule = refused(raw('"deep":' + "[" * depth + "]" * depth))
    assert (field, rule) in {("deep", "must not nest deeper than 8"), ("message", "must not nest deeper than 8")}


# -- strict JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ('"level":2', "level"), ('"a":1,"a":1', "a"), ('"a":{"b":1,"b":2}', "b"), ('"a":[{"c":{"d":0,"d":0}}]', "d"),
        ('"can_id":"432"', "can_id"), ('"\\u0061":1,"a":2', "a"),
    ],
)  # fmt: skip
def test_a_name_that_stands_twice_in_one_object_is_refused_at_any_depth(members: str, field: str) -> None:
    assert refused(raw(members)) == (field, "must not appear twice in one object")


def test_the_same_name_in_two_objects_is_no_fault() -> None:
    stored(raw('"a":{"x":1},"b":{"x":1,"level":5,"can_id":7}'))


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ["{}", "[{}]", '{{"b":[{}]}}'])
def test_what_is_no_number_in_json_is_refused_at_any_depth(constant: str, place: str) -> None:
    rule = f"must be JSON, which {constant} is not"
    assert refused(raw('"a":' + place.format(constant))) == ("a", rule)
    assert refused(one(level=float(constant))) == ("level", rule)
    assert refused(parse(constant, NOW)[0]) == ("report", rule)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ('"a":"\\u0000"', "a"), ('"a":["x",{"b":"\\u0000"}]', "a"), ('"a":{"\\u0000":1}', "a"),
        ('"\\u0000":1', "report"),
    ],
)  # fmt: skip
def test_the_character_nul_is_refused_at_any_depth(members: str, field: str) -> None:
    assert refused(raw(members)) == (field, "must not hold the character NUL")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ('"a":"\\ud800"', "a"), ('"a":["x",{"b":"\\udc00\\ud800"}]', "a"), ('"a":{"\\udfff":1}', "a"),
        ('"\\ud800":1', "report"), ('"a":"\ud800"', "a"),
    ],
)  # fmt: skip
def test_a_lone_surrogate_is_refused_at_any_depth(members: str, field: str) -> None:
    assert refused(raw(members)) == (field, "must not hold a lone surrogate")


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert stored(one(can_id="\U0001f5d1")).can_id == "\U0001f5d1"
    assert stored(raw('"a":"\\ud83d\\uddd1"')).attributes == '{"a":"\\ud83d\\uddd1"}'


@pytest.mark.parametrize(
    "body",
    [
        "", " ", "not JSON", "{", '{"can_id":"1"', '{"can_id":"1","level":1}x', '{"can_id":"1","level":1}{}', "[1,]",
        '{"a":1,}', "{'a':1}", '{"can_id":"1","level":01}', '{"can_id":"1","level":+1}', '{"can_id":"1","level":1.}',
        '{"can_id":"a\nb","level":1}', '\ufeff{"can_id":"1","level":1}', "// x\n{}", '{"level":1 "can_id":2}', "nul",
        '"\\x"', '{"can_id":"1","level":1}\x00', "\x00", "\x0b1", "eyJjYW5faWQiOjF9",
    ],
)  # fmt: skip
def test_what_is_no_json_is_one_fault_of_the_message_with_its_text(body: str) -> None:
    (result,) = parse(body, NOW)
    field, rule = refused(result)
    assert field == "message"
    assert rule.startswith("must be JSON: ")
    assert isinstance(result, InvalidReport)
    assert (result.index, result.text) == (None, body)


@pytest.mark.parametrize("body", ["null", "true", "7", '"x"', "-0.5", '"[1,2]"', "9" * 5000])
def test_what_is_json_and_no_object_is_no_report(body: str) -> None:
    (result,) = parse(body, NOW)
    assert refused(result) == ("report", "must be a JSON object")


def test_bytes_that_are_no_utf_8_are_a_fault_of_the_message() -> None:
    (result,) = parse(b'{"can_id":"\xff","level":1}', NOW)
    assert refused(result) == ("message", "must be UTF-8 (byte 11 is not)")


@pytest.mark.parametrize("body", ["[" * 200_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_a_message_of_brackets_alone_is_refused_quickly(body: str) -> None:
    began = time.process_time()
    (result,) = parse(body, NOW)
    assert time.process_time() - began < 0.5
    assert refused(result) == ("message", "must not nest deeper than 8")
    assert isinstance(result, InvalidReport)
    assert result.text == body


# -- arrays ----------------------------------------------------------------------------------------------


def test_an_array_may_hold_500_reports_and_not_501() -> None:
    report = '{"can_id":1,"level":1}'
    assert len(parse(f"[{','.join([report] * 500)}]", NOW)) == 500
    (result,) = parse(f"[{','.join([report] * 501)}]", NOW)
    assert refused(result) == ("message", "an array must hold 1 to 500 reports")
    assert refused(parse("[]", NOW)[0]) == ("message", "an array must hold 1 to 500 reports")


def test_one_bad_report_among_499_good_ones_is_found_in_its_place() -> None:
    texts = [f'{{"can_id": {at}, "level": {at % 101}}}' for at in range(500)]
    texts[250] = '{ "can_id" : 250 , "level" : "x" }'
    results = parse("[ " + " ,\n".join(texts) + " ]", NOW)
    assert [each.can_id for each in results] == [str(at) for at in range(500)]
    assert [at for at, each in enumerate(results) if not isinstance(each, Report)] == [250]
    bad = results[250]
    assert isinstance(bad, InvalidReport)
    assert (bad.field, bad.index, bad.text) == ("level", 250, texts[250])


def test_an_array_in_an_array_is_no_report() -> None:
    (result,) = parse('[[{"can_id":1,"level":1}]]', NOW)
    assert refused(result) == ("report", "must be a JSON object")


# -- properties ------------------------------------------------------------------------------------------

text = st.text(max_size=20)
ordinary = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\u2028\u2029"), min_size=1, max_size=20
)
odd_text = st.text(st.characters(codec=None), max_size=10)
scalar = st.none() | st.booleans() | st.integers() | st.floats() | odd_text | st.just(10**300)
anything = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_text, inner, max_size=4), max_leaves=12
)
decent = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ordinary,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ordinary, inner, max_size=3),
    max_leaves=6,
)
can_ids = ordinary.filter(lambda sent: sent.strip() not in {"", ".", ".."})
levels = st.decimals(0, 100, places=6).map(str) | st.integers(0, 100) | st.floats(0, 100)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2026, 11, 24), timezones=st.just(UTC))  # noqa: DTZ001
near_reports = st.fixed_dictionaries(
    {},
    optional={
        "can_id": can_ids | anything,
        "level": levels | anything,
        "measured_at": instants.map(iso) | st.integers(-(10**13), 10**13) | anything,
        "stream": anything,
        "location": st.fixed_dictionaries({"lat": st.floats(-91, 91) | anything, "lon": anything}) | anything,
        "properties": anything,
    },
)
good_reports = st.builds(
    lambda fields, extra: {**extra, **fields},
    st.fixed_dictionaries(
        {"can_id": can_ids, "level": levels}, optional={"measured_at": instants.map(iso), "stream": ordinary}
    ),
    st.dictionaries(ordinary, decent, max_size=3),
)


def accounted(body: str | bytes, elements: int | None) -> list[Report | InvalidReport]:
    """Parse, and hold every result against the promise of `parse`."""
    results = parse(body, NOW)
    if elements is None:
        assert len(results) == 1
    else:
        assert len(results) == elements
    for at, each in enumerate(results):
        if isinstance(each, InvalidReport):
            assert each.field is not None
            assert each.rule
            assert each.index == (None if elements is None else at)
            assert each.text in body if isinstance(body, str) else each.text is not None
        else:
            assert each.measured_at is not None
            assert datetime(2000, 1, 1, tzinfo=UTC) <= each.measured_at <= NOW + timedelta(minutes=5)
            assert 0 <= Decimal(each.level) <= 100
            assert 1 <= len(each.can_id) <= 128
            assert isinstance(json.loads(each.attributes), dict)
    return results


@quick
@given(st.text() | st.text(st.characters(codec=None)))
@example("\ud800")
@example("[\ud800]")
def test_no_text_raises(body: str) -> None:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        sent = None
    count = len(sent) if isinstance(sent, list) and sent else None
    accounted(body, count)


@quick
@given(st.binary())
def test_no_bytes_raise(body: bytes) -> None:
    parse(body, NOW)


@quick
@given(anything | near_reports, st.booleans())
def test_no_json_raises(sent: object, ascii_only: bool) -> None:
    body = json.dumps(sent, ensure_ascii=ascii_only)
    count = len(sent) if isinstance(sent, list) and sent else None
    accounted(body, count)


@quick
@given(st.lists(near_reports | good_reports, min_size=1, max_size=6), st.sampled_from([None, 0, 3]))
def test_every_element_of_an_array_is_accounted_for_in_its_place(sent: list[object], indent: int | None) -> None:
    body = json.dumps(sent, indent=indent)
    alone = [parse(json.dumps(each, indent=indent), NOW)[0] for each in sent]
    together = accounted(body, len(sent))
    for single, each in zip(alone, together, strict=True):
        assert type(single) is type(each)
        if isinstance(each, InvalidReport):
            assert isinstance(single, InvalidReport)
            assert (each.field, each.rule) == (single.field, single.rule)
            # Written again with another indent it is still what was sent.
            assert json.dumps(json.loads(each.text)) == json.dumps(sent[together.index(each)])


@quick
@given(good_reports.map(json.dumps), st.data())
def test_a_report_that_lost_or_gained_a_character_never_raises(body: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    instead = data.draw(st.sampled_from(["", "\x00", '"', "{", "[", "]", "9", "\\", ",", "\ud800"]))
    broken = body[:at] + instead + body[at + 1 :]
    results = parse(broken, NOW)
    assert results
    assert all(isinstance(each, Report) or (each.text in broken and each.text) for each in results)


@quick
@given(good_reports)
def test_a_report_that_is_sent_on_arrives_as_the_same_report(sent: dict[str, Any]) -> None:
    report = stored(parse(json.dumps(sent), NOW)[0])
    assert parse(dump(report), NOW) == [report]
    # What the queue says of a later delivery changes nothing but the time of receipt.
    later = NOW + timedelta(days=3)
    assert parse(dump(report), later) == [replace(report, received_at=later)]


@quick
@given(good_reports)
def test_what_is_stored_without_stream_and_location_gets_them_back(sent: dict[str, Any]) -> None:
    report = stored(parse(json.dumps(sent), NOW)[0])
    assert with_stream_and_location(replace(report, stream=None, location=None)) == report


@pytest.mark.parametrize("attributes", ["", "{", "[]", '{"stream":"a","stream":"b"}', "[" * 100_000])
def test_what_another_service_stored_as_attributes_tells_neither(attributes: str) -> None:
    report = Report("432", "1", NOW, NOW, attributes)
    assert with_stream_and_location(report) == report


@quick
@given(good_reports)
def test_a_verdict_depends_on_nothing_but_text_and_time_of_receipt(sent: dict[str, Any]) -> None:
    body = json.dumps(sent)
    assert parse(body, NOW) == parse(body.encode(), NOW) == parse(body, NOW)
