"""Simulated sensors: each measurement, through its server's envelope and our parser, is the level it was made of."""

from __future__ import annotations

import csv
from datetime import timedelta
from decimal import Decimal

import pytest

from reports.formats import parse
from reports.formats.mounting import Calibration, Mounting, to_report
from reports.formats.readings import Reading, Verdict
from reports.mountings_csv import import_mountings
from reports.report import EPOCH, Report
from reports.sensor_models import Mounting as MountingRow
from simulator import uplinks
from simulator.fleet import Fleet
from simulator.sending import of_uplink
from tests.simulator.scene import NOW, Scene

FLEET = Fleet(1, 20)
CALIBRATION = Calibration(version=1, empty_mm=Decimal(uplinks.EMPTY_MM), full_mm=Decimal(uplinks.FULL_MM))


def test_each_of_five_models_is_read_back_as_what_was_measured() -> None:
    models = set()
    for measured in FLEET.newest(NOW):
        (reading,) = parse(of_uplink(measured).body, NOW)
        assert isinstance(reading, Reading)
        assert (reading.verdict, reading.events) == (Verdict.STORE, ())
        assert reading.frame.key == uplinks.key_of(measured.can.number)
        assert abs(reading.measured_at - measured.measured_at) < timedelta(seconds=1)
        report = to_report(reading, Mounting(can_id="1", since=EPOCH, calibration=CALIBRATION), NOW)
        assert isinstance(report, Report)
        assert float(report.level) == pytest.approx(float(measured.level), abs=0.05)
        models.add(reading.model)
    assert models == {sensor.model for sensor in uplinks.SENSORS}


def test_a_run_sends_uplinks_one_a_message(scene: Scene) -> None:
    scene.clock.stop_at = NOW
    scene.fleet(format="uplinks", days=1.0)

    assert len(scene.bodies) > 20
    assert all(isinstance(each, Reading) for body in scene.bodies for each in parse(body, NOW))


def test_the_mountings_are_a_csv_that_mounts_each_sensor(db: None) -> None:
    lines = list(uplinks.mountings(iter(FLEET.cans)))
    assert import_mountings("\n".join(lines), NOW) == {"new": 20, "same": 0}
    assert import_mountings("\n".join(lines), NOW) == {"new": 0, "same": 20}
    keys = {row["key"] for row in csv.DictReader(lines)}
    wanted = {uplinks.key_of(can.number) for can in FLEET.cans}
    assert set(MountingRow.objects.values_list("sensor__key", flat=True)) == keys == wanted
