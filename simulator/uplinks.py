"""
A fleet of bought sensors: each measurement as its network server passes it on, five models through five servers.

The cans are those of simulator.fleet; a level becomes the distance that a sensor under the lid measures. Nothing in a
message names the can: `mountings` says which sensor is in which.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from reports.report import EPOCH, iso
from simulator.town import Can

#: Distances in mm in each simulated can: empty, and full.
EMPTY_MM, FULL_MM = 1_500, 300
#: A sensor of every so many has a battery that has to be changed soon.
LOW_BATTERY_EACH = 13


@dataclass(frozen=True, slots=True)
class Sensor:
    """
    One model as it is bought, and the server that it sends through.

    prefix: the first digits of its DevEUIs. payload: its bytes for a distance in mm and a battery in percent. uplink:
    the server's message.
    """

    model: str
    prefix: str
    payload: Callable[[int, int], bytes]
    uplink: Callable[[_Frame], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One uplink on its way. at: when, as ISO 8601 and in epoch milliseconds."""

    key: str
    model: str
    counter: int
    payload: bytes
    at: str
    at_ms: int


def uplink(number: int, level: str, measured_at: datetime) -> str:
    """
    Return what the sensor in can `number` measured, as its network server passes it on.

    level: in percent. measured_at: at least a minute after its last, since each minute has one frame counter.
    """
    sensor = SENSORS[number % len(SENSORS)]
    distance_mm = round(EMPTY_MM - Decimal(level) * (EMPTY_MM - FULL_MM) / 100)
    battery = 14 if number % LOW_BATTERY_EACH == 7 else 60 + number % 40
    seconds = int((measured_at - EPOCH).total_seconds())
    frame = _Frame(
        key=key_of(number),
        model=sensor.model,
        counter=seconds // 60 % 65_536,
        payload=sensor.payload(distance_mm, battery),
        at=iso(measured_at),
        at_ms=seconds * 1000,
    )
    return json.dumps(sensor.uplink(frame), separators=(",", ":"))


def key_of(number: int) -> str:
    """Return the DevEUI of the sensor in can `number`."""
    prefix = SENSORS[number % len(SENSORS)].prefix
    return f"{prefix}{number:0{16 - len(prefix)}X}"


def mountings(cans: Iterator[Can]) -> Iterator[str]:
    """Yield the lines of a CSV file that mounts each can's sensor, as `manage.py mount` takes it."""
    yield "key,can_id,since,empty_mm,full_mm"
    for can in cans:
        yield f"{key_of(can.number)},sensor-{can.can_id},2020-01-01T00:00:00Z,{EMPTY_MM},{FULL_MM}"


# -- models: what their bytes are; sources: the files of reports/formats/models ----------------------------------------


def _em310(distance_mm: int, battery: int) -> bytes:
    return bytes([0x01, 0x75, battery, 0x03, 0x82, *distance_mm.to_bytes(2, "little"), 0x04, 0x00, 0x00])


def _em500(distance_mm: int, battery: int) -> bytes:
    return bytes([0x01, 0x75, battery, 0x03, 0x82, *distance_mm.to_bytes(2, "little")])


def _em400(distance_mm: int, battery: int) -> bytes:
    warmth = (185).to_bytes(2, "little")
    return bytes(
        [0x01, 0x75, battery, 0x03, 0x67, *warmth, 0x04, 0x82, *distance_mm.to_bytes(2, "little"), 0x05, 0x00, 0x00]
    )


def _dl_mbx(distance_mm: int, battery: int) -> bytes:
    millivolts = 2_600 + battery * 8
    words = (303, 3, distance_mm, 1, millivolts)
    return bytes([2]) + b"".join(word.to_bytes(2, "big") for word in words)


def _ldds75(distance_mm: int, battery: int) -> bytes:
    millivolts = 2_600 + battery * 8
    return millivolts.to_bytes(2, "big") + distance_mm.to_bytes(2, "big") + bytes([0, 0, 0, 1])


# -- servers -----------------------------------------------------------------------------------------------------


def _the_things_stack(frame: _Frame) -> dict[str, Any]:
    return {
        "end_device_ids": {"device_id": f"bin-{frame.key.lower()}", "dev_eui": frame.key},
        "received_at": frame.at,
        "uplink_message": {
            "f_port": 85,
            "f_cnt": frame.counter,
            "frm_payload": b64encode(frame.payload).decode(),
            "rx_metadata": [{"gateway_ids": {"gateway_id": "town-hall"}, "rssi": -97, "snr": 7.2}],
            "received_at": frame.at,
        },
    }


def _chirpstack(frame: _Frame) -> dict[str, Any]:
    return {
        "time": frame.at.replace("Z", "+00:00"),
        "deviceInfo": {"deviceProfileName": frame.model, "devEui": frame.key.lower(), "applicationName": "bins"},
        "fCnt": frame.counter,
        "fPort": 85,
        "data": b64encode(frame.payload).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -95, "snr": 8.5}],
    }


def _aws_iot(frame: _Frame) -> dict[str, Any]:
    return {
        "WirelessDeviceId": f"5b58245e-146c-4c30-9703-{frame.key[-12:].lower()}",
        "PayloadData": b64encode(frame.payload).decode(),
        "WirelessMetadata": {
            "LoRaWAN": {
                "DevEui": frame.key.lower(),
                "FCnt": frame.counter,
                "FPort": 1,
                "Timestamp": frame.at,
                "Gateways": [{"GatewayEui": "80029cfffe5cf1cc", "Rssi": -109, "Snr": 5}],
            }
        },
    }


def _thingpark(frame: _Frame) -> dict[str, Any]:
    return {
        "DevEUI_uplink": {
            "Time": frame.at.replace("Z", "+00:00"),
            "DevEUI": frame.key,
            "FPort": 2,
            "FCntUp": frame.counter,
            "payload_hex": frame.payload.hex(),
            "LrrRSSI": -114.0,
            "DriverCfg": {"mod": {"pId": "dragino", "mId": "ldds75", "ver": "1"}},
        }
    }


def _loriot(frame: _Frame) -> dict[str, Any]:
    return {
        "cmd": "rx",
        "EUI": frame.key,
        "ts": frame.at_ms,
        "fcnt": frame.counter,
        "port": 85,
        "rssi": -101,
        "snr": 6.5,
        "data": frame.payload.hex().upper(),
    }


SENSORS = (
    Sensor("Milesight EM310-UDL", "24E124713B", _em310, _the_things_stack),
    Sensor("Milesight EM500-UDL", "24E124136C", _em500, _chirpstack),
    Sensor("Decentlab DL-MBX", "70B3D57BA", _dl_mbx, _aws_iot),
    Sensor("Dragino LDDS75", "A84041", _ldds75, _thingpark),
    Sensor("Milesight EM400-TLD", "24E124716D", _em400, _loriot),
)
