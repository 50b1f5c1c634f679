"""From a reading to its can's report: published pairs of distance and level, and what is held."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reports.formats import native, parse
from reports.formats.mounting import Calibration, Held, Mounting, level_percent, mounting_of, to_report
from reports.formats.readings import Battery, Clock, Frame, Location, Reading, Verdict
from reports.report import Report
from tests.reports.formats.test_uplinks import NOW, body

LEVELS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "levels.json").read_text())
AT = datetime(2026, 11, 26, 17, 0, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BIN = Calibration(version=3, empty_mm=Decimal(1_500), full_mm=Decimal(300))


def a_reading(distance_mm: int | None = 900, **others: Any) -> Reading:
    frame = Frame(server="a server", key="24E124713B492011", key_kind="dev_eui", counter=7)
    plain = Reading(
        verdict=Verdict.STORE, frame=frame, measured_at=AT, clock=Clock.SERVER, model="Milesight EM310-UDL",
        distance_mm=None if distance_mm is None else Decimal(distance_mm),
    )  # fmt: skip
    return plain._replace(**others)


def a_mounting(calibration: Calibration | None = BIN, **others: Any) -> Mounting:
    return Mounting(**{"can_id": "432", "since": LONG_AGO, "calibration": calibration, **others})


def report_of(reading: Reading, mounting: Mounting | None = None) -> Report:
    found = to_report(reading, mounting or a_mounting(), NOW)
    assert isinstance(found, Report), found
    return found


def why_held(reading: Reading, mounting: Mounting | None = None) -> str:
    found = to_report(reading, mounting or a_mounting(), NOW)
    assert isinstance(found, Held), found
    return found.reason


@pytest.mark.parametrize("pair", LEVELS, ids=lambda pair: f"{pair['distance_mm']}-of-{pair['d_empty_mm']}")
def test_a_published_distance_gives_its_published_level(pair: dict[str, Any]) -> None:
    calibration = Calibration(version=1, empty_mm=Decimal(pair["d_empty_mm"]), full_mm=Decimal(pair["d_full_mm"]))
    level = level_percent(Decimal(pair["distance_mm"]), calibration)
    stored = Decimal(report_of(a_reading(pair["distance_mm"]), a_mounting(calibration)).level)
    if pair["rounded_to"]:
        assert round(level) == round(stored) == pair["level_percent"]
    else:
        assert float(level) == pytest.approx(pair["level_percent"], abs=1e-12)
        assert float(stored) == pytest.approx(pair["level_percent"], abs=1e-6)


def test_a_report_keeps_the_distance_as_sent_and_the_calibrations_version() -> None:
    report = report_of(a_reading(901, battery=Battery(Decimal("3.4"), "V", Decimal(82)), temperature_c=Decimal("20.5")))
    assert (report.can_id, report.level, report.measured_at, report.received_at) == ("432", "49.916667", AT, NOW)
    assert json.loads(report.attributes) == {
        "sensor": "24E124713B492011", "model": "Milesight EM310-UDL", "frame": 7, "distance_mm": 901, "calibration": 3,
        "temperature_c": 20.5, "battery": {"value": 3.4, "unit": "V", "percent": 82},
    }  # fmt: skip


def test_a_report_of_a_reading_is_one_that_a_device_could_have_sent() -> None:
    report = report_of(a_reading(location=Location(Decimal("50.1"), Decimal("14.4"))))
    assert native.parse(f'{{"can_id":"432","level":"{report.level}"}}', NOW)
    assert report.location == (Decimal("50.1"), Decimal("14.4"))


@pytest.mark.parametrize(
    ("distance_mm", "level"), [(1_500, "0"), (1_900, "0"), (2_000, "0"), (300, "100"), (100, "100")]
)
def test_near_the_ends_a_level_is_clamped(distance_mm: int, level: str) -> None:
    assert report_of(a_reading(distance_mm)).level == level


def test_far_beyond_the_empty_can_a_reading_is_held() -> None:
    assert why_held(a_reading(2_001)) == "2001 mm is far beyond the empty can's 1500 mm"


def test_nearer_than_the_blind_zone_a_reading_is_held_or_full_as_the_calibration_says() -> None:
    blind = replace(BIN, blind_mm=Decimal(250))
    assert "nearer than the sensor can measure" in why_held(a_reading(249), a_mounting(blind))
    assert report_of(a_reading(250), a_mounting(blind)).level == "100"
    assert report_of(a_reading(249), a_mounting(replace(blind, is_blind_full=True))).level == "100"
    assert "nearer than the sensor can measure" in why_held(a_reading(400, events=("blind_spot",)))
    assert report_of(a_reading(900, events=("blind_spot",)), a_mounting(blind)).level == "50"


def test_a_tilted_sensors_reading_is_held_unless_its_mounting_says_otherwise() -> None:
    assert why_held(a_reading(events=("tilt",))) == "the can or its lid is tilted"
    assert report_of(a_reading(events=("tilt",)), a_mounting(holds_tilted=False)).level == "50"


def test_an_open_lid_is_held() -> None:
    assert why_held(a_reading(events=("lid_open",))) == "the lid is open"


def test_a_fire_does_not_keep_a_level_from_being_stored() -> None:
    assert json.loads(report_of(a_reading(events=("fire",))).attributes)["events"] == ["fire"]


def test_a_distance_without_a_calibration_is_held() -> None:
    assert why_held(a_reading(), a_mounting(None)) == "the can is not calibrated: a distance alone is no level"


def test_a_percent_of_the_sensors_own_needs_no_calibration_and_wins_over_one() -> None:
    reading = a_reading(900, level_percent=Decimal("93"))
    assert report_of(reading, a_mounting(None)).level == "93"
    assert report_of(reading).level == "93"
    assert "calibration" not in json.loads(report_of(reading).attributes)


def test_a_percent_that_is_not_to_be_trusted_gives_way_to_the_distance() -> None:
    reading = a_reading(900, level_percent=Decimal("100"), is_level_trusted=False)
    assert report_of(reading).level == "50"
    assert "not to be trusted" in why_held(reading, a_mounting(None))


def test_what_was_held_or_ignored_stays_so() -> None:
    assert why_held(a_reading(None, verdict=Verdict.HOLD, reason="no target")) == "no target"
    assert why_held(a_reading(None, verdict=Verdict.IGNORE, reason="a join")) == "a join"
    assert why_held(a_reading(None)) == "no distance and no level"


def test_two_copies_of_a_frame_give_the_same_report() -> None:
    copies = [parse(body(f"loriot-em400-tld-{kind}.json"), NOW)[0] for kind in ("rx", "gw")]
    assert all(isinstance(copy, Reading) for copy in copies)
    first, second = (report_of(copy, a_mounting(replace(BIN, empty_mm=Decimal(3_000)), holds_tilted=False))
                     for copy in copies if isinstance(copy, Reading))  # fmt: skip
    assert first == second


def test_a_reading_goes_to_the_can_where_its_sensor_was_when_it_measured() -> None:
    swapped = AT - timedelta(hours=1)
    old = a_mounting(can_id="old", until=swapped)
    new = a_mounting(can_id="new", since=swapped)
    assert mounting_of(a_reading(), [old, new]) is new
    assert mounting_of(a_reading(measured_at=swapped), [old, new]) is new
    assert mounting_of(a_reading(measured_at=swapped - timedelta(seconds=1)), [old, new]) is old
    assert mounting_of(a_reading(measured_at=LONG_AGO - timedelta(days=1)), [old, new]) is None


def test_each_channel_goes_to_its_own_can() -> None:
    one, rest = a_mounting(can_id="one", channel="1"), a_mounting(can_id="rest")
    assert mounting_of(a_reading(channel="1"), [rest, one]) is one
    assert mounting_of(a_reading(channel="2"), [rest, one]) is rest
    assert mounting_of(a_reading(channel="2"), [one]) is None


@pytest.mark.parametrize(
    ("empty", "full", "blind"), [(300, 300, None), (200, 300, None), (100_001, 0, None), (300, -1, None), (300, 0, 300)]
)
def test_a_calibration_that_cannot_be_is_refused(empty: int, full: int, blind: int | None) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and less than empty_mm"):
        Calibration(
            version=1,
            empty_mm=Decimal(empty),
            full_mm=Decimal(full),
            blind_mm=None if blind is None else Decimal(blind),
        )
