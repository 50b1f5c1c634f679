"""Whatever is done to a published message: no exception, bounded answers, and no value that it does not hold."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import os
import random
import re
import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reports.formats import Element, parse
from reports.formats.readings import EVENTS, MAX_READINGS, Reading, Verdict
from reports.formats.verdicts import as_json, sentence
from reports.report import InvalidReport, Report
from tests.reports.formats.test_uplinks import EXPECTED, NOW, UPLINKS, body

#: `make thorough` makes all of them; the suite one or so of each member.
MUTATIONS = 10_000 if os.environ.get("THOROUGH") else 1_000
SEED = 16
REMOVED = object()
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Raw(str):
    """A number that is written as its digits are, also where no float holds it."""


def written(tree: Any) -> str:
    """JSON, in which each Raw is a number."""
    text = json.dumps(tree, default=str)
    return re.sub(r'"RAW([^"]+)"', r"\1", text)


def deep(depth: int) -> Any:
    found: Any = 7
    for _ in range(depth):
        found = [found]
    return found


#: What each member becomes in turn: something of another type,
RETYPED: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, "", " ", "7", "0", "\x00", "\ud800", "12 parsec", "No Sensor", "AAAA", "\u2028\x85",
    [], {}, [7], {"value": 7, "unit": "m"}, {"value": None}, "1970-01-01T00:00:00Z",
    Raw("RAW0.00000000000000000000001"), Raw("RAW-1e-999990"),
)  # fmt: skip
#: or something far too large.
HUGE: tuple[Any, ...] = (
    1e308, Raw("RAW1" + "0" * 400), Raw("RAW1e999990"), Raw("RAW-1e999990"), "x" * 5_000, "A" * 4_096, "9" * 400,
    "999999999 mm", [[7, 7, 7]] * 600, [{"distance": 7, "timestamp": 0}] * 600, deep(90), "9999-12-31T23:59:59Z",
    "[1,2,3,4,5,2023-08-04 09:36:36]," * 600, {str(index): index for index in range(600)},
)  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and element."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in inner:
        yield (*path, name)
        yield from places(value, (*path, name))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    *outer, name = path
    for each in outer:
        tree = tree[each]
    if value is REMOVED:
        del tree[name]
    else:
        tree[name] = value


def sources() -> dict[str, tuple[Any, str]]:
    """Each message as JSON, and the envelope in which it has to be put again."""
    found = {}
    for name in EXPECTED:
        text = body(name)
        if name.endswith(".b64"):
            found[name] = json.loads(base64.b64decode(text)), "base64"
        else:
            message = json.loads(text)
            found[name] = message, ""
            if message.__class__ is dict and message.get("Type") == "Notification":
                found[f"{name}, inside"] = json.loads(message["Message"]), "sns"
    return found


def enveloped(message: Any, envelope: str) -> str:
    text = written(message)
    if envelope == "base64":
        return base64.b64encode(text.encode()).decode()
    if envelope == "sns":
        return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": text})
    return text


def mutations(least: int = MUTATIONS) -> Iterator[tuple[str, str, tuple[Any, ...], Any]]:
    """Yield at least so many bodies, each member of each message changed, the same ones at each run."""
    chance = random.Random(SEED)
    messages = sources()
    each = [(name, path) for name, (message, _) in messages.items() for path in places(message)]
    of_each = -(-least // len(each))
    rounds = -(-of_each // 2)
    for name, path in each:
        message, envelope = messages[name]
        others = (REMOVED, *chance.sample(RETYPED, rounds), *chance.sample(HUGE, rounds))
        for other in chance.sample(others, of_each):
            changed = copy.deepcopy(message)
            put(changed, path, other)
            yield name, enveloped(changed, envelope), path, other


def numbers(tree: Any) -> set[Decimal]:
    """Return all numbers that are written somewhere in a value: as such, in a string, or in the bytes of one."""
    found: set[Decimal] = set()
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value[:700])
        elif isinstance(value, Raw):
            found.add(Decimal(value.removeprefix("RAW")))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add(Decimal(repr(value)))
        elif isinstance(value, str):
            found.update(Decimal(each) for each in re.findall(r"-?[0-9]{1,30}(?:\.[0-9]{1,12})?", value[:20_000]))
            found.update(in_bytes(value))
    return found


def in_bytes(text: str) -> set[Decimal]:
    found: set[Decimal] = set()
    for decode in (lambda: base64.b64decode(text, validate=True), lambda: bytes.fromhex(text)):
        try:
            raw = decode()[:600]
        except (binascii.Error, ValueError):
            continue
        for at in range(len(raw)):
            for size in (1, 2):
                found.add(Decimal(int.from_bytes(raw[at : at + size], "big")))
                found.add(Decimal(int.from_bytes(raw[at : at + size], "little")))
            if at + 3 <= len(raw):
                # BrighterBins packs its values by bits.
                packed = int.from_bytes(raw[at : at + 3], "big")
                found.update(Decimal(packed >> shift & mask) for shift, mask in ((2, 0x1FF), (2, 0x7F)))
            if at + 4 <= len(raw):
                (real,) = struct.unpack(">f", raw[at : at + 4])
                if abs(real) < 1e9:
                    found.add(Decimal(f"{real:.9g}"))
    return found


def values(elements: list[Element]) -> tuple[set[Decimal], set[Decimal]]:
    """Return the distances and the levels."""
    readings = [each for each in elements if isinstance(each, Reading)]
    levels = {each.level_percent for each in readings} | {Decimal(e.level) for e in elements if isinstance(e, Report)}
    return {each.distance_mm for each in readings} - {None}, levels - {None}  # type: ignore[return-value]


def test_mutations_raise_nothing_and_invent_nothing() -> None:
    was = {name: values(parse(enveloped(*source), NOW)) for name, source in sources().items()}
    count = stored = 0
    for name, text, path, other in mutations():
        count += 1
        elements = parse(text, NOW)
        verdict = as_json(elements)
        assert 1 <= len(elements) <= MAX_READINGS, (name, path, other)
        assert verdict["verdict"] in set(Verdict)
        # Nothing of a device's own writing can break a line, a page or an encoding.
        assert not CONTROL.search(json.dumps(verdict, ensure_ascii=False)), (name, path, other)
        assert not CONTROL.search("".join(sentence(element) for element in elements)), (name, path, other)
        for element in elements:
            assert isinstance(element, Report | Reading | InvalidReport)
            if isinstance(element, InvalidReport):
                assert element.field and element.rule and len(str(element)) < 500
                assert element.text, (name, path, other)
            if isinstance(element, Reading):
                assert element.measured_at <= NOW + timedelta(minutes=5)
                assert set(element.events) <= set(EVENTS) and len(set(element.events)) == len(element.events)
                assert (element.verdict is Verdict.STORE) == (
                    element.distance_mm is not None or element.level_percent is not None
                )
                assert element.reason or element.verdict is Verdict.STORE
                stored += element.verdict is Verdict.STORE
        # What a mutation yields stood in the message before, or stands in the very member that was changed.
        distances, levels = values(elements)
        new = set() if other is REMOVED else numbers(other)
        for distance in distances - was[name][0]:
            assert any(distance == number * unit for number in new for unit in (1, 10, 100, 1000, Decimal("0.1"))) or (
                is_of_another_field(name, path, distance)
            ), (name, path, other, distance)
        for level in levels - was[name][1]:
            assert any(level in (number, number * 100) for number in new) or is_of_another_field(name, path, level), (
                name, path, other, level,
            )  # fmt: skip
    assert count >= MUTATIONS
    assert stored > count / 10, "hardly a mutation was read at all"


def is_of_another_field(name: str, path: tuple[Any, ...], value: Decimal) -> bool:
    """Whether a value stood elsewhere in the message, where the changed member tells which field or unit counts."""
    message = sources()[name][0]
    return path[-1] in TELLING and any(value in (number, number * 100) for number in numbers(message))


#: Without its unit, SenML's ratio is read as the registry's percent, as the registry says.
TELLING = {"u"}


@pytest.mark.parametrize("name", EXPECTED)
def test_explaining_a_mutation_raises_nothing_either(name: str) -> None:
    message = sources()[name][0]
    steps: list[str] = []
    for path in places(message):
        for other in (REMOVED, deep(90), "x" * 5_000, Raw("RAW1e999990")):
            changed = copy.deepcopy(message)
            put(changed, path, other)
            parse(json.dumps(changed), NOW, tell=lambda step, said: steps.append(said))
    assert steps
    assert max(len(said) for said in steps) < 5_000


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "[]", "{}", "null", "7", '"x"', '"{}"', "e30=", "\ufeff{}", "NaN", '{"a":NaN}', "[" * 100_000,
        '{"a":' * 5_000, '{"Type":"Notification","TopicArn":"x"}', '{"Type":"Notification","TopicArn":7,"Message":7}',
        '{"end_device_ids":{}}', '{"end_device_ids":{},"uplink_message":{}}', '{"deviceInfo":{}}', '{"deviceInfo":7}',
        '{"PayloadData":"","WirelessDeviceId":""}', '{"DevEUI_uplink":[]}', '{"DevEUI_":1}', '{"cmd":[],"EUI":{}}',
        '{"applicationID":"1","devEUI":[]}', '{"imei":1,"frameCnt":1,"data":[7]}', '{"imei":1,"frameCnt":1,"data":[]}',
        '{"reports":[7],"registrations":[],"responses":[]}', '{"type":[],"device":{"iccid":[]}}',
        '[{"bn":7}]', '[{"n":"3435/0/2","v":1}]', '[{"bn":"a/3435/0/2","v":1},7]', '{"e":7,"bn":"a"}',
        '{"e":[],"bn":"a"}', '{"pack":{},"timestamp":1}', '{"state":{"reported":{"x":1}}}', '[7]', '[[]]', '[{}]',
        '{"subscriptionId":1,"data":[]}', '{"subscriptionId":1,"data":[7]}', '{"subscriptionId":1,"data":7}',
        '{"id":[],"type":[],"fillingLevel":[]}', '[{"id":"a","type":"WasteContainer","fillingLevel":0.5},7]',
        '{"transformed_payload":7,"lns_payload":7}',
    ],
)  # fmt: skip
def test_what_is_almost_a_message_raises_nothing(text: str) -> None:
    for sent in (text, text.encode(errors="surrogatepass")):
        elements = parse(sent, NOW)
        assert elements
        as_json(elements)


def test_an_array_that_nests_almost_too_deep_to_be_parsed_is_invalid() -> None:
    # Its elements are parsed once more, from some frames further in.
    limit = sys.getrecursionlimit()
    for depth in range(limit - 150, limit + 2):
        (found,) = parse("[" * depth + "]" * depth, NOW)
        assert isinstance(found, InvalidReport)


def test_bytes_that_are_no_utf_8_are_invalid() -> None:
    (found,) = parse(b"\xff\xfe{}", NOW)
    assert isinstance(found, InvalidReport) and found.rule.startswith("must be UTF-8")


def test_readings_of_one_message_are_bounded() -> None:
    entity = '{"id":"a","type":"WasteContainer","fillingLevel":{"value":0.5}}'
    for text, field in (
        ('{"subscriptionId":"s","data":[' + ",".join([entity] * 501) + "]}", "data"),
        ("[" + ",".join(f'{{"bn":"can{index}/3435/0/","n":"2","v":1}}' for index in range(501)) + "]", "message"),
        ("[" + ",".join(['{"n":"x","v":1}'] * 4_001) + "]", "message"),
    ):
        (found,) = parse(text, NOW)
        assert isinstance(found, InvalidReport)
        assert (found.field, found.text) == (field, text)


def test_work_is_bounded_where_a_message_is_as_large_as_sqs_takes() -> None:
    # Not a timing: each of these took minutes or all memory where a step were not bounded.
    huge = 1_000_000
    tts = json.loads((UPLINKS / "tts-dds04-lb.json").read_text())
    for value in ("A" * huge, "[1,2,3,4,5,6]," * (huge // 14), [{"distance1_cm": 1}] * (huge // 20)):
        for member in ("frm_payload", "decoded_payload", "f_cnt", "received_at"):
            tts["uplink_message"][member] = value
            assert parse(json.dumps(tts), NOW)
    assert parse("A" * huge, NOW) and parse('"' + "\\" * huge + '"', NOW)


def test_four_envelopes_are_refused_and_three_are_opened() -> None:
    text = '{"can_id":"432","level":"70.69"}'
    for _ in range(3):
        text = json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": text})
    (report,) = parse(text, NOW)
    assert isinstance(report, Report) and (report.can_id, report.level) == ("432", "70.69")
    (refused,) = parse(json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": text}), NOW)
    assert isinstance(refused, InvalidReport)
    assert (refused.field, refused.rule) == ("message", "must have at most 3 envelopes")


def test_no_mutation_is_the_same_at_another_time_of_day() -> None:
    # The queue's time counts only where the message tells none.
    later = datetime(2027, 1, 1, tzinfo=UTC)
    for name in EXPECTED:
        found, again = as_json(parse(body(name), NOW)), as_json(parse(body(name), later))
        assert found == again, name


def test_the_files_are_there() -> None:
    assert len(sources()) == len(EXPECTED) + 1 and Path(UPLINKS).is_dir()
