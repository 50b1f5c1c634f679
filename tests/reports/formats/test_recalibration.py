"""A report's level under a corrected calibration: nothing else of it changes, whatever else was sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reports.formats.mounting import Calibration, Mounting
from reports.formats.recalibration import recalibrated
from reports.report import Report

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CALIBRATION = Calibration(version=2, empty_mm=Decimal(4000), full_mm=Decimal(0))
MOUNTINGS = {"s1": [Mounting(can_id="432", since=datetime(2026, 1, 1, tzinfo=UTC), calibration=CALIBRATION)]}


def a_report(**attributes: str) -> Report:
    """A report with these attributes, each the text of its value."""
    texts = {"sensor": '"s1"', "calibration": "1", "distance_mm": "1000"} | attributes
    members = ",".join(f"{json.dumps(name)}:{text}" for name, text in texts.items())
    return Report("432", "50", NOW, NOW, f"{{{members}}}")


@pytest.mark.parametrize("other", ["1e999", "9" * 5_000, "0.10", '[1, {"2": 3}]', '"\\u00e9"', "null"])
def test_what_else_was_sent_stays_to_the_letter(other: str) -> None:
    report = a_report(other=other)

    changed = recalibrated(report, MOUNTINGS)

    assert changed
    assert changed.level == "75"
    assert changed.attributes == report.attributes.replace('"calibration":1', '"calibration":2')
    assert recalibrated(changed, MOUNTINGS) is None


@pytest.mark.parametrize("distance", ["1e999999999", "1e99999999999999999999", '"1000"', "true", "null", "9" * 5_000])
def test_a_distance_that_no_sensor_measures_changes_nothing(distance: str) -> None:
    assert recalibrated(a_report(distance_mm=distance), MOUNTINGS) is None
