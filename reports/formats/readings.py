"""What a sensor's message becomes before anybody knows in which can the sensor is mounted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

#: What a sensor can say beside its measurement. An alarm that is off is no event.
EVENTS = (
    "tilt",
    "full",
    "fire",
    "temperature_alarm",
    "distance_alarm",
    "blind_spot",
    "lid_open",
    "reset",
    "sensor_error",
    "no_distance",
)

#: Millimetres. No can is deeper, and a greater distance is a fault of the sensor, not a measurement.
MOST_MM = Decimal(100_000)
#: Readings of one message; what holds more is refused as a whole, as an array of more than 500 reports is.
MAX_READINGS = 500

#: Told of each step, as (step, sentence): what `manage.py uplink` prints.
Tell = Callable[[str, str], None]


class Verdict(StrEnum):
    """What is to be done with one element of a message."""

    #: A level that a can may get, by its own percent or by its can's calibration.
    STORE = "store"
    #: From a sensor, but without a usable distance or level: its state is noted, no level, no dead letter.
    HOLD = "hold"
    #: No measurement: a join, a status, settings. Acknowledged and counted.
    IGNORE = "ignore"
    #: Never storable: a dead letter with field and rule.
    INVALID = "invalid"


class Clock(StrEnum):
    """Whose time `measured_at` is."""

    SERVER = "server"
    DEVICE = "device"
    QUEUE = "queue"


#: At or below, a battery is low. Volts count where the model's file has no curve: lithium cells of 3.6 V keep their
#: voltage until little is left.
LOW_PERCENT, LOW_VOLTS = Decimal(20), Decimal("3.0")


@dataclass(frozen=True, slots=True)
class Battery:
    """
    A battery as the sensor states it.

    value, unit: %, V or mV; None and "" where it says no more than low or ok. by_curve: the percent that is left, by
    the model's curve, about. says_low: what it says itself, which counts over any number; None where it does not.
    """

    value: Decimal | None
    unit: str = ""
    by_curve: Decimal | None = None
    says_low: bool | None = None

    @property
    def percent(self) -> Decimal | None:
        """The percent that is left, None where that is not known."""
        return self.value if self.unit == "%" else self.by_curve

    @property
    def is_low(self) -> bool:
        """Whether it has to be changed soon."""
        if self.says_low is not None:
            return self.says_low
        if self.percent is not None:
            return self.percent <= LOW_PERCENT
        return self.value is not None and self.value <= LOW_VOLTS * (1_000 if self.unit == "mV" else 1)

    @property
    def text(self) -> str:
        """The battery as it is stated: "92 %", "3.4 V", "low" or "ok"."""
        if self.value is None:
            return "low" if self.is_low else "ok"
        return f"{self.value.normalize():f} {self.unit}"


@dataclass(frozen=True, slots=True)
class Location:
    """Latitude and longitude in degrees."""

    lat: Decimal
    lon: Decimal


class Frame(NamedTuple):
    """
    One uplink of one device, as its network server passed it on: nothing here is a measurement yet.

    A tuple, as Reading: of a frozen dataclass with so many members each one costs three times the CPU.

    key: 16 upper-case hex digits where key_kind is dev_eui, else an IMEI, ICCID, endpoint or entity id.
    sent_at: the network server's time, or None. fields: what the server decoded, or None where only bytes came.
    names: what the server calls the device's model; labels: names that people gave to device and application.
    registered: the place that an operator entered at the server. ignored: why this is no measurement, or empty.
    envelopes: what it travelled in, from the outermost.
    """

    server: str
    key: str | None
    key_kind: str | None
    sent_at: datetime | None = None
    counter: int | None = None
    port: int | None = None
    payload: bytes = b""
    fields: Mapping[str, Any] | None = None
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    channel: str | None = None
    registered: Location | None = None
    battery: Battery | None = None
    rssi_dbm: Decimal | None = None
    ignored: str = ""
    envelopes: tuple[str, ...] = ()


class Reading(NamedTuple):
    """
    What one sensor measured at one instant, before mounting and calibration; or why there is nothing to store.

    verdict: store, hold or ignore. reason: why it is not stored, else empty. distance_mm: from the sensor to the
    content, as sent. level_percent: 0-100 full, only where the message itself says one; is_level_trusted: False
    where the model's own percent is known to be wrong. is_past: from the sensor's memory, not measured just now.
    measured_at: an aware UTC instant; clock says whose. events: of EVENTS, each once.
    """

    verdict: Verdict
    frame: Frame
    measured_at: datetime
    clock: Clock
    reason: str = ""
    model: str | None = None
    distance_mm: Decimal | None = None
    level_percent: Decimal | None = None
    is_level_trusted: bool = True
    temperature_c: Decimal | None = None
    tilt_deg: Decimal | None = None
    battery: Battery | None = None
    location: Location | None = None
    events: tuple[str, ...] = ()
    channel: str | None = None
    is_past: bool = False
    notes: tuple[str, ...] = ()
