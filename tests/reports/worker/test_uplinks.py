"""Uplinks of bought sensors through the real queue, worker and store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import boto3
import pytest
from celery.exceptions import Reject
from django.core.management import call_command
from pytest_django.fixtures import Settings

from reports import mounting_changes, publishing, queue, register_sources, store
from reports.formats import mounting as mountings
from reports.formats import registered, sensor_state
from reports.formats.mounting import Calibration
from reports.insight.standing import standing
from reports.insight.status import status
from reports.report import Report
from reports.sensor_models import Mounting, Sensor
from reports.store import CanList, LowBattery, StoreUnavailable
from reports.tasks import store_messages
from reports.worker import counters, register, storing, uplinks, waiting
from reports.worker.new_can_limit import RULE, NewCanLimit, Turns
from tests.reports.formats.test_uplinks import EXPECTED, body
from tests.support.servers import Worker, eventually
from trashsite import telemetry
from trashsite.sqs.delivery import Delivery

LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
#: A distance of 1234 mm is 87.66 %, and none is far beyond.
DEEP = Calibration(version=7, empty_mm=Decimal(10_000), full_mm=Decimal(0), blind_mm=Decimal(20))
NOW = datetime.now(UTC)


def mount(*keys: str, **named: Any) -> None:
    """Enter that each of these sensors is mounted in the can of its name, since long ago."""
    texts = {key: registered.to_text(named.get("model", ""), [mounting(f"can of {key}", **named)]) for key in keys}
    store.write_entries("sensor", keys, lambda _: texts, NOW)


def mounting(can_id: str, since: datetime = LONG_AGO, until: datetime | None = None, **_: Any) -> mountings.Mounting:
    return mountings.Mounting(
        can_id=can_id.replace("/", " "), since=since, until=until, calibration=DEEP, holds_tilted=False
    )


def reports_of(can_id: str) -> list[Report]:
    return list(store.history(can_id, size=300, now=datetime.now(UTC)).items)


def wanted_of(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The readings of one message that have to become reports."""
    for reading in (row, *row["more"]):
        if reading["distance_mm"] is not None or reading["level_percent"] is not None:
            yield {"can_key": row["can_key"], **reading}


def level_of(reading: dict[str, Any]) -> float:
    if reading["level_percent"] is not None:
        return float(reading["level_percent"])
    return round(100 - reading["distance_mm"] / 100, 6)


def test_all_published_messages_end_as_they_should(worker: Callable[..., Worker], suffix: str) -> None:
    stored = {name: row for name, row in EXPECTED.items() if row["verdict"] == "store" and not row["duplicate_of"]}
    keys = {reading["can_key"] for row in EXPECTED.values() for reading in (row, *wanted_of(row)) if reading["can_key"]}
    mount(*sorted(keys - {"432"}))
    started = worker().ready()

    queue.publish([body(name) for name in EXPECTED])
    eventually(lambda: queue.depth() == queue.Depth(waiting=0, in_flight=0, dead=0), 30)

    wanted = [(name, reading) for name, row in stored.items() for reading in wanted_of(row)]
    found = {key: reports_of(can_of(key)) for key in keys}
    missing = [
        (name, each) for name, each in wanted if not any(is_told(each, report) for report in found[each["can_key"]])
    ]
    assert missing == []
    surplus = [
        (key, report)
        for key, reports in found.items()
        for report in reports
        if not any(each["can_key"] == key and is_told(each, report) for _, each in wanted)
    ]
    assert surplus == []
    assert sum(map(len, found.values())) == len(wanted)
    assert started.stop() == 0
    assert "ERROR" not in started.log


def can_of(key: str) -> str:
    return key if key == "432" else f"can of {key}".replace("/", " ")


def is_told(reading: dict[str, Any], report: Report) -> bool:
    """Whether a report is the one that a reading has to become."""
    attributes = json.loads(report.attributes)
    assert report.measured_at and report.received_at
    at = datetime.fromisoformat(reading["measured_at"]) if reading["measured_at"] else report.received_at
    return (
        abs(report.measured_at - at) <= timedelta(seconds=2)
        and abs(float(report.level) - level_of(reading)) < 0.001
        and (attributes.get("distance_mm") == reading["distance_mm"] or reading["can_key"] == "432")
        and attributes.get("channel") == reading["channel"]
    )


@pytest.fixture
def batch(suffix: str) -> Callable[..., None]:
    """Do a worker's part with messages that really came through the queue, as one batch."""
    uplinks.SENSORS.forget()
    uplinks.WAITING.forget()
    register.forget_versions()

    def do(*bodies: str) -> None:
        if bodies:
            queue.publish(bodies)
        received = receive(max(1, len(bodies)))
        store_messages(received)

    return do


def receive(count: int) -> list[Delivery]:
    sqs, url = boto3.client("sqs"), queue.url_of(queue.REPORTS)
    received: list[Delivery] = []

    def all_came() -> bool:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        )
        received.extend(Delivery.received(url, message) for message in answer.get("Messages", ()))
        return len(received) >= count

    eventually(all_came)
    return received


EM310, LORIOT = "24E124713B492011", "24E124716D311123"


def uplink(name: str, **changed: Any) -> str:
    message = json.loads(body(name))
    message.get("uplink_message", message).update(changed)
    return json.dumps(message)


def test_a_frame_that_is_sent_again_48_seconds_later_is_stored_once(batch: Callable[..., None]) -> None:
    mount(EM310)
    batch(uplink("tts-em310-udl.json"))
    batch(uplink("tts-em310-udl.json", received_at="2026-11-24T06:13:19.5Z"))
    batch(uplink("tts-em310-udl.json"))
    assert len(reports_of(can_of(EM310))) == 1

    batch(uplink("tts-em310-udl.json", received_at="2026-11-24T06:13:20Z", f_cnt=1325))
    assert len(reports_of(can_of(EM310))) == 2


def test_a_swap_keeps_the_history_of_each_can(batch: Callable[..., None]) -> None:
    swapped = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
    text = registered.to_text("", [mounting("old", until=swapped), mounting("new", since=swapped)])
    store.write_entries("sensor", [EM310], lambda _: {EM310: text}, NOW)

    batch(uplink("tts-em310-udl.json", received_at="2026-11-24T06:45:00Z", f_cnt=1326), uplink("tts-em310-udl.json"))

    assert [len(reports_of(can_id)) for can_id in ("old", "new")] == [1, 1]


def test_an_entry_of_another_version_counts_as_it_was_and_where_it_never_did_its_messages_come_again(
    batch: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    mount(EM310)
    batch(uplink("tts-em310-udl.json"))
    theirs = '{"form":2}'
    store.write_entries("sensor", [EM310, LORIOT], lambda keys: dict.fromkeys(keys, theirs), NOW)
    register.forget_versions()

    batch(
        uplink("tts-em310-udl.json", received_at="2026-11-24T07:12:31Z", f_cnt=1325),
        body("loriot-em400-tld-rx.json"),
        '{"can_id":"7","level":"1"}',
    )

    assert [len(reports_of(each)) for each in (can_of(EM310), "7", can_of(LORIOT))] == [2, 1, 0]
    # Once a minute, whatever the entry.
    assert caplog.text.count("in the form of another version: sensor") == 1
    assert store.waiting_sensors(datetime.now(UTC)) == []
    mount(LORIOT)
    register.forget_versions()
    batch()
    assert len(reports_of(can_of(LORIOT))) == 1


def test_a_sensor_that_nobody_knows_waits_and_its_past_is_stored_when_it_is_mounted(
    batch: Callable[..., None], django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(publishing, "SENT_AFTER_S", 0)
    batch(uplink("tts-em310-udl.json"), uplink("tts-em310-udl.json", received_at="2026-11-24T07:12:31Z", f_cnt=1325))
    (waits,) = store.waiting_sensors(datetime.now(UTC))
    assert (waits.key, waits.messages) == (EM310, 2)
    told = sensor_state.from_text(waits.told)
    assert (told.model, told.facts["distance"].text, told.rssi_dbm) == ("Milesight EM310-UDL", "2116 mm", "-97")
    assert queue.depth() == queue.Depth(waiting=0, in_flight=0, dead=0)
    assert store.latest("432") is None

    with django_capture_on_commit_callbacks(execute=True):
        sensor = Sensor.objects.create(key=EM310)
        mounted = Mounting.objects.create(
            sensor=sensor, can_id="432", since=datetime(2026, 11, 24, 7, tzinfo=UTC), empty_mm=4000, full_mm=0,
            holds_tilted=False,
        )  # fmt: skip
    publishing.publish_noted()
    assert store.waiting_sensors(datetime.now(UTC)) == []
    register.forget_versions()
    store_messages(receive(2))
    assert len(reports_of("432")) == 1

    # Its begin was entered wrong: what it measured since the right one follows.
    with django_capture_on_commit_callbacks(execute=True):
        mounting_changes.change(mounted, {"since": LONG_AGO})
    publishing.publish_noted()
    register.forget_versions()
    store_messages(receive(2))

    found = reports_of("432")
    assert [report.level for report in found] == ["47.1", "47.1"]
    assert found[-1].measured_at and found[-1].measured_at.isoformat()[:19] == "2026-11-24T06:12:31"
    # Received when the queue took it first.
    assert all(report.received_at and report.received_at <= waits.last_at for report in found)


def test_a_flood_of_invented_keys_fills_neither_the_list_nor_the_levels(
    batch: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST", 3)
    before = counters.counters()["unlisted"]
    for at in range(8):
        batch(uplink("chirpstack-em400-tld.json", deviceInfo={"devEui": f"24e12471{at:08d}"}))

    assert len(store.waiting_sensors(datetime.now(UTC))) == 3
    assert counters.counters()["unlisted"] - before == 5
    assert [stretch for stretch in store.walk() if stretch.cans] == []
    # Who is listed already goes on.
    batch(uplink("chirpstack-em400-tld.json", deviceInfo={"devEui": "24e1247100000000"}, fCnt=312))
    assert {each.key: each.messages for each in store.waiting_sensors(datetime.now(UTC))}["24E1247100000000"] == 2


def test_what_is_held_notes_the_sensors_state_and_stores_no_level(batch: Callable[..., None]) -> None:
    teneo = "70B3D5E75E0101A4"
    mount(teneo)
    batch(body("tts-teneo-filling-degree.json"), body("tts-teneo-filling-degree-error.json"))

    (report,) = reports_of(can_of(teneo))
    state = sensor_state.from_text(store.sensor_states([teneo])[teneo].text)
    assert (state.verdict, state.active) == ("hold", ("sensor_error",))
    assert state.facts["distance"].text == "1200 mm"
    assert state.facts["distance"].at == report.measured_at
    assert queue.depth().dead == 0


def refuse(*_: Any) -> None:
    raise StoreUnavailable("away")


def test_a_tilted_sensor_is_its_cans_status_until_a_measurement_says_otherwise(
    batch: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    can_id = can_of(EM310)
    upright = mountings.Mounting(can_id=can_id, since=LONG_AGO, calibration=DEEP)
    text = registered.to_text("", [upright])
    store.write_entries("sensor", [EM310], lambda _: {EM310: text}, NOW)

    def send(counter: int, **decoded: Any) -> str:
        message = json.loads(body("tts-em310-udl.json"))
        message["uplink_message"]["f_cnt"] = counter
        message["uplink_message"]["decoded_payload"].update(decoded)
        at = NOW - timedelta(hours=9 - counter)
        message["received_at"] = message["uplink_message"]["received_at"] = at.isoformat().replace("+00:00", "Z")
        batch(json.dumps(message))
        row = store.latest_row(can_id)
        assert row
        (same,) = store.ranked("fullest", size=9).items
        assert status(same, NOW) == standing(row, NOW).status
        return f"{standing(row, NOW).status} {row.report.level}"

    first = send(1, position="normal")
    assert first.startswith("NEW ")
    with monkeypatch.context() as patch, pytest.raises(Reject):
        patch.setattr(uplinks.store, "hold_in_rows", refuse)
        send(2, position="tilt")
    assert send(2, position="tilt") == first.replace("NEW", "TILT")
    assert send(3, position="normal") == first


def test_a_low_battery_is_listed_until_a_frame_says_that_it_was_changed(batch: Callable[..., None]) -> None:
    def frame(hour: int, percent: int) -> str:
        fields = {"battery": percent, "distance": 2116, "position": "normal"}
        return uplink(
            "tts-em310-udl.json", received_at=f"2026-11-24T{hour:02}:00:00Z", f_cnt=hour, decoded_payload=fields
        )

    def listed() -> list[str]:
        return [report.can_id for report in store.ranked("id", among=CanList.LOW_BATTERY, size=10).items]

    mount(EM310)
    batch(frame(6, 92))
    assert listed() == []
    batch(frame(8, 20))
    assert listed() == [can_of(EM310)]
    # An older frame that comes late tells nothing of the battery as it is now.
    batch(frame(7, 92))
    assert listed() == [can_of(EM310)]
    batch(frame(9, 100))
    assert listed() == []


def test_a_battery_that_stays_low_is_written_once_a_day_and_after_a_move(batch: Callable[..., None]) -> None:
    def frame(hour: int) -> str:
        fields = {"battery": 14, "distance": 2116, "position": "normal"}
        return uplink(
            "tts-em310-udl.json", received_at=f"2026-11-24T{hour:02}:00:00Z", f_cnt=hour, decoded_payload=fields
        )

    def listed_again(hour: int) -> list[str]:
        store.forget_low_batteries([LowBattery(can_id, EM310) for can_id in (can_of(EM310), "another")])
        batch(frame(hour))
        return [report.can_id for report in store.ranked("id", among=CanList.LOW_BATTERY, size=10).items]

    def yesterday(_: str, text: str) -> str:
        state = sensor_state.from_text(text)
        return sensor_state.to_text(state._replace(heard_at=state.heard_at - timedelta(days=1)))

    mount(EM310)
    assert listed_again(6) == [can_of(EM310)]
    assert listed_again(7) == []
    store.change_states(store.sensor_states([EM310]), yesterday)
    assert listed_again(8) == [can_of(EM310)]
    # A can is listed once it has reported.
    batch('{"can_id":"another","level":"5"}')
    moved_at = datetime.now(UTC)
    moved = [mounting(can_of(EM310), until=moved_at), mounting("another", since=moved_at)]
    store.write_entries("sensor", [EM310], lambda _: {EM310: registered.to_text("", moved)}, NOW)
    uplinks.SENSORS.forget()
    register.forget_versions()
    assert listed_again(9) == ["another"]


def test_a_registered_model_counts_over_what_a_message_looks_like(batch: Callable[..., None]) -> None:
    mount(EM310, model="Decentlab DL-MBX")
    batch(uplink("tts-em310-udl.json"))

    (report,) = reports_of(can_of(EM310))
    assert json.loads(report.attributes)["model"] == "Decentlab DL-MBX"


@pytest.fixture
def no_new_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of one new can a minute, which is taken."""
    limit = NewCanLimit(Turns(1))
    limit.admit(["another"], is_again=False)
    monkeypatch.setattr(storing, "new_can_limit", limit)


def test_a_reading_whose_report_has_to_wait_is_not_known_when_it_comes_again(
    batch: Callable[..., None], no_new_can: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(EM310)
    batch(uplink("tts-em310-udl.json"))
    assert reports_of(can_of(EM310)) == []

    monkeypatch.setattr(storing, "new_can_limit", NewCanLimit(Turns(0)))
    batch(uplink("tts-em310-udl.json"))
    assert len(reports_of(can_of(EM310))) == 1


def test_a_reading_of_a_new_can_that_cannot_wait_is_set_aside(
    batch: Callable[..., None], no_new_can: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(EM310)
    monkeypatch.setattr(queue, "count_in_flight", lambda: 1_000_000)
    batch(uplink("tts-em310-udl.json"))

    (letter,) = queue.sample_letters()
    assert (letter.field, letter.error) == ("can_id", RULE)


def test_a_sender_reports_no_can_that_it_may_not_report(batch: Callable[..., None], settings: Settings) -> None:
    settings.TRASH_SENDERS = {"somebody": ("north-",)}
    mount(EM310)
    batch(uplink("tts-em310-udl.json"))
    assert reports_of(can_of(EM310)) == []
    assert queue.depth().dead == 1


def test_a_sender_reports_none_beside_a_reading_either_that_is_read_again(
    batch: Callable[..., None], settings: Settings
) -> None:
    settings.TRASH_SENDERS = {"somebody": ("north-",)}
    # Of another model than its message looks like: so the message is read twice.
    mount(EM310, model="Decentlab DL-MBX")
    batch(f'[{{"can_id":"432","level":1}},{uplink("tts-em310-udl.json")}]')
    assert reports_of("432") == reports_of(can_of(EM310)) == []
    assert queue.depth().dead == 1


def test_a_can_that_is_calibrated_later_gets_what_its_sensor_sent_before(
    batch: Callable[..., None], django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(publishing, "SENT_AFTER_S", 0)
    with django_capture_on_commit_callbacks(execute=True):
        sensor = Sensor.objects.create(key=EM310)
        mounted = Mounting.objects.create(sensor=sensor, can_id="432", since=LONG_AGO, holds_tilted=False)
    publishing.publish_noted()
    batch(uplink("tts-em310-udl.json"))
    assert reports_of("432") == []

    with django_capture_on_commit_callbacks(execute=True):
        mounted.empty_mm, mounted.full_mm = 4000, 0
        mounted.save()
    publishing.publish_noted()
    register.forget_versions()
    ages: list[float] = []
    monkeypatch.setattr(telemetry.REPORT_AGE_SECONDS, "observe_all", ages.extend)
    store_messages(receive(1))
    assert [report.level for report in reports_of("432")] == ["47.1"]
    # It waited for people: that is no delay of the pipeline.
    assert ages == []


def test_a_corrected_calibration_is_applied_to_the_history(batch: Callable[..., None], db: None) -> None:
    """The can ends as if it had been calibrated so from the beginning, its own reports and others' untouched."""
    now = datetime.now(UTC).replace(microsecond=0)
    sensor = Sensor.objects.create(key=EM310)
    mounted = Mounting.objects.create(
        sensor=sensor, can_id="432", since=LONG_AGO, empty_mm=3000, full_mm=0, holds_tilted=False
    )
    publishing.publish_noted()
    sent = [
        uplink("tts-em310-udl.json", received_at=(now - timedelta(hours=at)).isoformat(), f_cnt=at)
        for at in (50, 26, 3, 2, 1)
    ]
    batch(*sent, json.dumps({"can_id": "432", "level": "7", "measured_at": (now - timedelta(hours=4)).isoformat()}))
    store.hourly_history("432", since=None, now=now)
    mounted.empty_mm = 4000
    mounted.save()
    publishing.publish_noted()
    said = StringIO()

    for _ in range(2):
        call_command("recalibrate", "432", stdout=said, stderr=StringIO())

    assert said.getvalue() == "changed 5 reports of 1 cans\nchanged 0 reports of 1 cans\n"
    found = reports_of("432")
    assert [report.level for report in found] == ["47.1", "47.1", "47.1", "7", "47.1", "47.1"]
    assert {json.loads(report.attributes).get("calibration") for report in found} == {2, None}
    hours = store.hourly_history("432", since=None, now=now).hours
    assert [hour.last for hour in hours] == ["47.1", "47.1", "7", "47.1", "47.1", "47.1"]

    # The same reports in another can, calibrated so from the beginning.
    text = registered.to_text("", [replace_can(each, "twin") for each in mounting_values(EM310)])
    store.write_entries("sensor", [EM310], lambda _: {EM310: text}, now)
    twin = [
        uplink("tts-em310-udl.json", received_at=(now - timedelta(hours=at)).isoformat(), f_cnt=at + 100)
        for at in (50, 26, 3, 2, 1)
    ]
    register.forget_versions()
    batch(*twin, json.dumps({"can_id": "twin", "level": "7", "measured_at": (now - timedelta(hours=4)).isoformat()}))
    rows = [store.latest_row(can_id) for can_id in ("432", "twin")]
    assert rows[0] and rows[1]
    assert rows[0].samples == rows[1].samples
    assert rows[0].state == rows[1].state
    assert rows[0].report.level == rows[1].report.level == "47.1"


def mounting_values(key: str) -> tuple[mountings.Mounting, ...]:
    return registered.from_text(register_sources.sensor_texts([key])[key]).mountings


def replace_can(value: mountings.Mounting, can_id: str) -> mountings.Mounting:
    return replace(value, can_id=can_id)
