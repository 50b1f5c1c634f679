"""Actility ThingPark. Older servers write each number as a string. Source: docs.thingpark.com, "Uplink message"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import MAX_READINGS, Frame
from reports.formats.servers.server import Server, decoded, dev_eui, payload
from reports.report import InvalidReport

NAME = "thingpark"
UPLINK = "DevEUI_uplink"


def _fits(message: Any) -> bool:
    return isinstance(message, dict) and any(name.startswith("DevEUI_") for name in list(message)[:5])


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    uplink = message.get(UPLINK)
    if uplink is None:
        event = next(name for name in message if name.startswith("DevEUI_"))
        return [
            Frame(
                server=NAME,
                key=sent.eui(sent.at(message, event, "DevEUI")),
                key_kind="dev_eui",
                sent_at=sent.instant(sent.at(message, event, "Time")),
                ignored=f"no uplink but {sent.text(event, 40) or 'another event'}",
            )
        ]
    if not isinstance(uplink, dict):
        raise InvalidReport(UPLINK, "must be an object")
    place = sent.at(uplink, "CustomerData", "loc")
    driver = uplink.get("DriverCfg")
    return [
        Frame(
            server=NAME,
            key=dev_eui(uplink.get("DevEUI"), f"{UPLINK}.DevEUI"),
            key_kind="dev_eui",
            sent_at=sent.first_instant(uplink.get("Time")),
            counter=sent.whole(uplink.get("FCntUp")),
            port=sent.whole(uplink.get("FPort"), 255),
            payload=payload(uplink.get("payload_hex"), f"{UPLINK}.payload_hex", is_hex=True),
            fields=decoded(uplink.get("payload")) or _points(uplink.get("points")),
            names=sent.texts(sent.at(driver, "mod", "mId"), sent.at(driver, "app", "mId")),
            labels=sent.texts(sent.at(uplink, "CustomerData", "name")),
            registered=sent.place(sent.at(place, "lat"), sent.at(place, "lon")),
            rssi_dbm=sent.number(uplink.get("LrrRSSI")),
        )
    ]


def _points(points: object) -> dict[str, Any] | None:
    """Return the values of the points alone: their units are the catalogue's, and not always right."""
    if not isinstance(points, dict):
        return None
    found = {name: _record(point) for name, point in list(points.items())[:MAX_READINGS]}
    return decoded({name: value for name, value in found.items() if value is not None})


def _record(point: object) -> Any:
    """Return a point's one record, or the last of its records, which may be objects with a value."""
    record = sent.at(point, "record")
    records = sent.at(point, "records")
    if record is None and isinstance(records, list) and records:
        record = records[-1]
    return record.get("value") if isinstance(record, dict) else record


SERVER = Server(NAME, "Actility ThingPark", "`DevEUI_uplink`, or another `DevEUI_...`", _fits, _read)
