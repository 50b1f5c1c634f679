"""The same measurement twice is one, and two are two, as the worker tells them apart."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

from reports.formats import parse
from reports.formats.identity import fingerprint
from reports.formats.readings import Reading
from reports.formats.sensor_state import folded, from_text, is_known, to_text
from tests.reports.formats.test_uplinks import EXPECTED, NOW, body


def readings(name: str, **changed: Any) -> list[Reading]:
    message = json.loads(body(name))
    message.get("uplink_message", message).update(changed)
    found = parse(json.dumps(message), NOW)
    assert all(isinstance(each, Reading) for each in found)
    return [each for each in found if isinstance(each, Reading)]


def is_same(one: Reading, other: Reading) -> bool:
    """Whether `other`, which comes after `one`, is stored as the same report, or known as the same frame."""
    state = folded(None, one, str(one.verdict), one.reason, NOW)
    is_equal = fingerprint(one) == fingerprint(other) and one.measured_at == other.measured_at
    return is_equal or is_known(state, other)


def test_of_all_published_messages_only_the_told_copies_are_one() -> None:
    known: dict[str, list[tuple[str, Reading]]] = defaultdict(list)
    copies = {}
    for name in sorted(EXPECTED, key=lambda name: (EXPECTED[name]["duplicate_of"] is not None, name)):
        for element in parse(body(name), NOW):
            if isinstance(element, Reading) and not element.frame.ignored:
                of_sensor = known[element.frame.key or ""]
                for other, reading in of_sensor:
                    if other != name and is_same(reading, element):
                        copies[name] = other
                of_sensor.append((name, element))
    assert copies == {name: row["duplicate_of"] for name, row in EXPECTED.items() if row["duplicate_of"]}


def test_other_gateways_do_not_make_another_reading() -> None:
    (one,) = readings("tts-em310-udl.json")
    (other,) = readings("tts-em310-udl.json", rx_metadata=[{"rssi": -120}], consumed_airtime="0.2s")
    assert is_same(one, other)


def test_an_envelope_does_not_make_another_reading() -> None:
    (one,) = readings("tts-em310-udl.json")
    text = json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": body("tts-em310-udl.json")})
    (other,) = parse(text, NOW)
    assert isinstance(other, Reading)
    assert is_same(one, other)


def test_a_retransmission_48_seconds_later_is_a_repeat() -> None:
    (one,) = readings("tts-em310-udl.json")
    later = one._replace(measured_at=one.measured_at + timedelta(seconds=48))
    assert is_same(one, later) and is_same(later, one)


def test_a_counter_that_restarted_makes_another_reading() -> None:
    (one,) = readings("tts-em310-udl.json")
    days_later = one._replace(measured_at=one.measured_at + timedelta(days=2))
    assert not is_same(one, days_later)


def test_another_counter_or_channel_is_another_reading() -> None:
    (one,) = readings("tts-em310-udl.json")
    (other,) = readings("tts-em310-udl.json", f_cnt=1325)
    assert not is_same(one, other)
    channels = readings("tts-dds04-lb.json")
    assert len({fingerprint(each) for each in channels}) == 4


def test_without_a_counter_only_the_same_instant_repeats() -> None:
    (one,) = readings("iotcreators-ndds75.json")
    assert is_same(one, one)
    assert not is_same(one, one._replace(measured_at=one.measured_at + timedelta(seconds=48)))


def test_a_past_row_that_comes_again_in_a_later_frame_is_the_same() -> None:
    first = readings("chirpstack-em500-udl-history.json")
    again = readings("chirpstack-em500-udl-history.json", fCnt=10, time="2026-11-24T13:00:12.404859+00:00")
    assert all(is_same(one, other) for one, other in zip(first, again, strict=True))


def test_a_state_is_read_as_it_was_written() -> None:
    elements = [each for name in EXPECTED for each in parse(body(name), NOW) if isinstance(each, Reading)]
    states = [folded(None, each, str(each.verdict), each.reason, NOW) for each in elements]
    # The first frame of all has the number 0.
    states += [state._replace(counter=0) for state in states]
    assert [from_text(to_text(state)) for state in states] == states
