"""From a sensor's reading to its can's report: which can, which level, or why none. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from reports.formats.readings import MOST_MM, Battery, Clock, Reading, Verdict
from reports.report import Report, json_number

#: Beyond the empty can's distance by more than this share there is no content to measure: an open lid, another can.
FAR_BEYOND = Decimal(4) / 3
#: Decimals of a level: a millimetre in a can of 100 m is 0.001 %.
DECIMALS = Decimal("0.000001")
NOT_CALIBRATED = "the can is not calibrated: a distance alone is no level"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """
    What distances mean in one can.

    empty_mm: from the sensor to the bottom of the empty can. full_mm: at which the can counts as full.
    blind_mm: nearer the sensor cannot measure; None: as the sensor says. is_blind_full: whether that means full.
    version: stays with each report, so that a corrected calibration can be applied to the history.
    Raises ValueError where not 0 <= full_mm < empty_mm <= 100 m.
    """

    version: int
    empty_mm: Decimal
    full_mm: Decimal
    blind_mm: Decimal | None = None
    is_blind_full: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.full_mm < self.empty_mm <= MOST_MM:
            raise ValueError("full_mm must be at least 0 and less than empty_mm, which must be at most 100000")
        if self.blind_mm is not None and not 0 <= self.blind_mm < self.empty_mm:
            raise ValueError("blind_mm must be at least 0 and less than empty_mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounting:
    """
    A sensor, or one channel of it, in a can from an instant on, until another (None: still).

    calibration: None where the sensor tells the percent itself. holds_tilted: whether readings of a tilted sensor are
    held; where they are not, it is as it should be.
    """

    can_id: str
    since: datetime
    until: datetime | None = None
    channel: str | None = None
    calibration: Calibration | None = None
    holds_tilted: bool = True

    def events(self, reading: Reading) -> list[str]:
        """Return what a reading tells beside its measurement, without a tilt that is as it should be."""
        return [event for event in reading.events if event != "tilt" or self.holds_tilted]


@dataclass(frozen=True, slots=True)
class Held:
    """A reading without a level: why."""

    reading: Reading
    reason: str


def mounting_of(reading: Reading, mountings: Iterable[Mounting]) -> Mounting | None:
    """
    Return where the sensor was mounted when it measured, so that a swap keeps each can's history.

    mountings: of the reading's sensor. One without a channel takes every channel that has none of its own.
    """
    return mounting_at(reading.measured_at, reading.channel, mountings)


def mounting_at(at: datetime, channel: str | None, mountings: Iterable[Mounting]) -> Mounting | None:
    """Return where a channel of a sensor was mounted at an instant; see `mounting_of`."""
    then = [each for each in mountings if each.since <= at and (each.until is None or at < each.until)]
    return next(
        (each for each in then if each.channel == channel), next((each for each in then if each.channel is None), None)
    )


def level_percent(distance_mm: Decimal, calibration: Calibration) -> Decimal:
    """Return 100 (empty - d) / (empty - full), clamped to 0-100. Source: akenza, diwise, Netvox and others alike."""
    span = calibration.empty_mm - calibration.full_mm
    return min(max(100 * (calibration.empty_mm - distance_mm) / span, Decimal(0)), Decimal(100))


def to_report(reading: Reading, mounting: Mounting, received_at: datetime) -> Report | Held:
    """
    Return the can's report, or why the reading is held: the sensor's state is noted then, and no level stored.

    A percent that the sensor tells itself is taken, unless its model is known to tell a wrong one and the can is
    calibrated. The distance as sent and the calibration's version stay with the report. The same frame gives the same
    report, whichever gateways heard it.
    """
    if reading.verdict is not Verdict.STORE:
        return Held(reading, reading.reason)
    if "lid_open" in reading.events:
        return Held(reading, "the lid is open")
    if "tilt" in mounting.events(reading):
        return Held(reading, "the can or its lid is tilted")
    calibration = mounting.calibration
    told, distance_mm = reading.level_percent, reading.distance_mm
    if told is not None and (reading.is_level_trusted or calibration is None or distance_mm is None):
        if not reading.is_level_trusted:
            return Held(reading, "the sensor's own percent is not to be trusted: calibrate the can")
        return _report(reading, mounting, told, None, received_at)
    if distance_mm is None:
        return Held(reading, "no distance and no level")
    if calibration is None:
        return Held(reading, NOT_CALIBRATED)
    # A blind zone that was entered is the can's own; else the sensor's word counts.
    is_blind = "blind_spot" in reading.events if calibration.blind_mm is None else distance_mm < calibration.blind_mm
    if is_blind and not calibration.is_blind_full:
        return Held(reading, f"{distance_mm:f} mm is nearer than the sensor can measure")
    if distance_mm > calibration.empty_mm * FAR_BEYOND:
        return Held(reading, f"{distance_mm:f} mm is far beyond the empty can's {calibration.empty_mm:f} mm")
    level = Decimal(100) if is_blind else level_percent(distance_mm, calibration)
    return _report(reading, mounting, level, calibration, received_at)


def _report(
    reading: Reading, mounting: Mounting, level: Decimal, calibration: Calibration | None, received_at: datetime
) -> Report:
    # A frame that sends the memory again has another counter and battery: the measurement is the same.
    battery = None if reading.is_past else reading.battery
    attributes = {
        "sensor": reading.frame.key,
        "model": reading.model,
        "frame": None if reading.is_past else reading.frame.counter,
        "channel": reading.channel,
        "distance_mm": json_number(reading.distance_mm),
        "calibration": calibration.version if calibration else None,
        "temperature_c": json_number(reading.temperature_c),
        "tilt_deg": json_number(reading.tilt_deg),
        "battery": _battery(battery) if battery else None,
        "events": mounting.events(reading) or None,
        "clock": None if reading.clock is Clock.SERVER else str(reading.clock),
    }
    place = reading.location
    return Report(
        can_id=mounting.can_id,
        level=digits(level),
        measured_at=reading.measured_at,
        received_at=received_at,
        attributes=orjson.dumps({name: value for name, value in attributes.items() if value is not None}).decode(),
        location=(place.lat, place.lon) if place else None,
    )


def _battery(battery: Battery) -> dict[str, Any]:
    told = {
        "value": json_number(battery.value),
        "unit": battery.unit or None,
        "percent": json_number(battery.by_curve),
        # What says no more than that is not left empty.
        "low": True if battery.is_low else None if battery.unit else False,
    }
    return {name: value for name, value in told.items() if value is not None}


def digits(level: Decimal) -> str:
    """Return a level as a report holds it: without an exponent, and without zeros at its end."""
    text = f"{level.quantize(DECIMALS):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
