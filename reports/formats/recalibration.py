"""A stored report of a sensor's distance under another calibration of its can. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from reports.formats.mounting import FAR_BEYOND, Mounting, digits, level_percent, mounting_at
from reports.report import Report, attribute_values
from trashsite import json_slices


def recalibrated(report: Report, mountings: Mapping[str, Sequence[Mounting]]) -> Report | None:
    """
    Return a report with the level that its distance has by the calibration that its mounting has now.

    mountings: by sensor's key. None where it stays as it is: no sensor sent it, or none that is mounted in this can at
    that instant; it holds no distance under a calibration; this calibration was applied already; or its distance
    would be held now (far beyond empty, in the blind zone).
    """
    attributes = attribute_values(report.attributes)
    version = attributes.get("calibration")
    if version is None or report.measured_at is None:
        return None
    sent = dict(json_slices.members(report.attributes, 0))
    distance_mm = _number(sent.get("distance_mm", ""))
    if distance_mm is None:
        return None
    mine = mountings.get(str(attributes.get("sensor")), ())
    mounting = mounting_at(report.measured_at, attributes.get("channel"), mine)
    if mounting is None or mounting.can_id != report.can_id:
        return None
    calibration = mounting.calibration
    if calibration is None or version == calibration.version:
        return None
    is_blind = calibration.blind_mm is not None and distance_mm < calibration.blind_mm
    if distance_mm > calibration.empty_mm * FAR_BEYOND or (is_blind and not calibration.is_blind_full):
        return None
    level = Decimal(100) if is_blind else level_percent(distance_mm, calibration)
    sent["calibration"] = str(calibration.version)
    # All others stay exactly as they were sent.
    text = "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in sent.items()) + "}"
    return replace(report, level=digits(level), attributes=text)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text) if json_slices.NUMBER.fullmatch(text) else None
    except InvalidOperation:
        return None
