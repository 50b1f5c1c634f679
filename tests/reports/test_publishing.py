"""From Django's database to what a worker knows: sensors and mountings through the register."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from pytest_django import DjangoCaptureOnCommitCallbacks

from reports import publishing, store
from reports.formats import mounting as mountings
from reports.formats import registered
from reports.formats.mounting import Calibration
from reports.formats.registered import Registered
from reports.insight import change, entered
from reports.insight.alert_rule import AlertRule, Channel, rule_from_text
from reports.insight.change import Change
from reports.insight.status import Status
from reports.pending_entries import PendingEntry, note_change
from reports.register_kinds import CAN
from reports.sensor_models import Mounting, Sensor
from reports.store import StoreUnavailable, rows_again
from reports.worker import register
from reports.worker.register import Register
from tests.support.fault_proxy import FaultProxy, edit, reset
from trashsite import aws

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

KEY = "24E124713B492077"
SPRING, SUMMER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
Commit = Callable[..., DjangoCaptureOnCommitCallbacks]
CHANGE = Change("420", Status.OK, Status.FULL, 1_770_000_000)


@pytest.fixture
def commit(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Callable[[], object]:
    """What is changed within is committed at its end."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture(autouse=True)
def nothing_published() -> Iterator[None]:
    """No sensor of an earlier test is left in the register."""
    register.forget_versions()
    yield
    Sensor.objects.all().delete()
    publishing.publish_noted()


@pytest.fixture
def sensors() -> Register[Registered]:
    """What a worker knows of sensors, as it has just started."""
    return Register("sensor", registered.from_text)


def known(sensors: Register[Registered], *keys: str) -> dict[str, Registered]:
    """What a worker knows five seconds later."""
    register.forget_versions()
    return sensors.entries(keys)


def a_mounting(can_id: str = "420", key: str = KEY, **named: object) -> Mounting:
    sensor, _ = Sensor.objects.get_or_create(key=key, channel=named.pop("channel", ""))
    return Mounting.objects.create(sensor=sensor, can_id=can_id, **{"since": SPRING, **named})


def test_a_worker_knows_a_mounting_its_change_and_its_end(commit, sensors: Register[Registered]) -> None:
    with commit():
        mounting = a_mounting(empty_mm=2000, full_mm=300, blind_mm=280)
    (found,) = known(sensors, KEY)[KEY].mountings
    assert (found.can_id, found.since, found.until) == ("420", SPRING, None)
    assert found.calibration
    assert (found.calibration.version, found.calibration.empty_mm) == (1, Decimal(2000))

    with commit():
        mounting.empty_mm, mounting.until = 1900, SUMMER
        mounting.save()
    (found,) = known(sensors, KEY)[KEY].mountings
    assert found.until == SUMMER
    assert found.calibration
    assert (found.calibration.version, found.calibration.empty_mm) == (2, Decimal(1900))

    with commit():
        Sensor.objects.filter(key=KEY).delete()
    assert known(sensors, KEY) == {}
    assert not PendingEntry.objects.filter(kind="sensor").exists()


def test_channels_of_one_sensor_are_one_entry(commit, sensors: Register[Registered]) -> None:
    with commit():
        a_mounting("420", channel="distance1")
        a_mounting("421", channel="distance2")

    assert {each.channel: each.can_id for each in known(sensors, KEY)[KEY].mountings} == {
        "distance1": "420",
        "distance2": "421",
    }


def test_a_worker_reads_an_entry_again_only_where_its_version_changed(
    commit, sensors: Register[Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [f"other-{at}" for at in range(40) if store.bucket_of("sensor", f"other-{at}") != bucket()]
    read: list[str] = []
    entries = store.register_entries
    monkeypatch.setattr(store, "register_entries", lambda kind, ids: read.extend(ids) or entries(kind, ids))
    known(sensors, KEY, *others)
    assert sorted(read) == sorted([KEY, *others])

    read.clear()
    known(sensors, KEY, *others)
    assert read == []

    with commit():
        a_mounting()
    assert set(known(sensors, KEY, *others)) == {KEY}
    assert read == [KEY]


def bucket() -> int:
    return store.bucket_of("sensor", KEY)


def test_a_worker_keeps_a_bounded_number_of_characters(commit) -> None:
    with commit():
        for at in range(5):
            a_mounting(key=f"sensor-{at}")
    small = Register("sensor", registered.from_text, most=1_500)

    for at in range(5):
        assert set(small.entries([f"sensor-{at}"])) == {f"sensor-{at}"}

    assert list(small._kept) == ["sensor-3", "sensor-4"] or list(small._kept) == ["sensor-2", "sensor-3", "sensor-4"]
    assert small._size == sum(each.size for each in small._kept.values()) <= 1_500


def test_what_a_later_version_adds_to_an_entry_is_left_out() -> None:
    calibration = Calibration(version=1, empty_mm=Decimal(2000), full_mm=Decimal(300), blind_mm=None)
    mounted = registered.to_text("EM310", [mountings.Mounting(can_id="420", since=SPRING, calibration=calibration)])
    rule = AlertRule("1", "full", frozenset({Status.FULL}), Channel.WEBHOOK)
    for text, read, longer in (
        (mounted, registered.from_text, mounted.replace("false]", "false,5]").replace('"can"', '"new":1,"can"')),
        (rule.text(), rule_from_text, rule.text().replace("{", '{"new":1,', 1)),
        ('{"full":90}', entered.from_text, '{"full":90,"new":1}'),
        ('{"glass":[70,5]}', entered.limits_from_text, '{"glass":[70,5,1]}'),
        (CHANGE.text(), change.from_text, CHANGE.text().replace("{", '{"new":1,', 1)),
    ):
        assert text != longer
        assert read(longer) == read(text)  # type: ignore[operator]


def test_a_crash_between_commit_and_copy_is_healed(sensors: Register[Registered]) -> None:
    # Nothing runs at a commit here, as after kill -9.
    a_mounting()
    assert known(sensors, KEY) == {}

    publishing.publish_noted()

    assert set(known(sensors, KEY)) == {KEY}
    assert not PendingEntry.objects.exists()


def test_a_change_is_saved_and_copied_later_where_the_store_is_away(
    commit, sensors: Register[Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultProxy(os.environ["AWS_ENDPOINT_URL_DYNAMODB"]) as proxy, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        patch.setattr(aws, "PATIENCE_S", 0.2)
        aws.forget()
        proxy.inject(reset, "BatchGetItem")
        with commit():
            a_mounting()
        assert PendingEntry.objects.count() > 0
        with pytest.raises(StoreUnavailable):
            publishing.publish_noted()
        proxy.heal()
        aws.forget()
        publishing.publish_noted()
        assert set(known(sensors, KEY)) == {KEY}
    aws.forget()


def test_a_can_whose_row_cannot_be_written_holds_up_no_other(
    sensors: Register[Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttle_the_hot_one(asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        hot = {name: keys for name, keys in asked["RequestItems"].items() if {"id": {"S": "hot"}} in keys["Keys"]}
        return answer | {"Responses": {}, "UnprocessedKeys": hot} if hot else answer

    note_change(CAN, ["another", "hot", "third"])
    a_mounting()
    monkeypatch.setattr(publishing, "NOTES", 2)
    monkeypatch.setattr(rows_again, "ROUNDS", 1)
    with FaultProxy(os.environ["AWS_ENDPOINT_URL_DYNAMODB"]) as proxy, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        aws.forget()
        with proxy.broken(edit(throttle_the_hot_one), "BatchGetItem"), pytest.raises(StoreUnavailable, match="can hot"):
            publishing.publish_noted()
        assert [(note.kind, note.entry_id) for note in PendingEntry.objects.all()] == [(CAN, "hot")]
        assert set(known(sensors, KEY)) == {KEY}
        publishing.publish_noted()
    aws.forget()

    assert not PendingEntry.objects.exists()


def test_the_later_of_two_writers_wins_although_the_earlier_writes_last(sensors: Register[Registered]) -> None:
    """The earlier has read the database before the later's change, and is slow."""
    now = datetime.now(UTC)
    texts = iter([{KEY: registered.to_text("early", [])}, {KEY: registered.to_text("late", [])}])

    def slow(keys: object) -> dict[str, str]:
        text = next(texts)
        if "early" in text[KEY]:
            store.write_entries("sensor", [KEY], lambda _: {KEY: registered.to_text("late", [])}, now)
        return text

    store.write_entries("sensor", [KEY], slow, now)

    assert known(sensors, KEY)[KEY].model == "late"
    store.write_entries("sensor", [KEY], lambda _: {}, now)


def test_a_sensor_is_in_one_can_at_a_time(db: None) -> None:
    a_mounting(until=SUMMER)
    with pytest.raises(ValidationError, match="is in can 420"):
        a_mounting("421", since=datetime(2026, 6, 1, tzinfo=UTC))
    a_mounting("421", since=SUMMER)


def test_all_entries_can_be_copied_again(commit, sensors: Register[Registered]) -> None:
    """As for a table that was made anew."""
    with commit():
        a_mounting()
        a_mounting("421", key="another")
    store.write_entries("sensor", [KEY, "another"], lambda _: {}, datetime.now(UTC))
    assert known(sensors, KEY, "another") == {}
    said = StringIO()

    call_command("publish", all=True, stdout=said)

    assert set(known(sensors, KEY, "another")) == {KEY, "another"}
    # One lists the limits of streams, and one the rules of alerts, of which there are none.
    assert said.getvalue() == "copied 4 entries\n"
