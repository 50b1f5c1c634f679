"""
ChirpStack v4 and v3, and Milesight's gateway, which writes almost as v3 does.

A body does not name its event, only the address or attribute beside it does: an uplink is told by its data.
Source: chirpstack-docs, integrations/events.md; Milesight's published gateway samples.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from reports.formats import sent
from reports.formats.readings import Battery, Frame
from reports.formats.servers.server import Server, decoded, dev_eui, has, payload
from trashsite import json_slices


def _v4(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    info = message["deviceInfo"]
    key = info.get("devEui")
    if not message.get("data") and not decoded(message.get("object")):
        return [_no_uplink("chirpstack-v4", sent.eui(key), message, sent.instant(message.get("time")))]
    return [
        Frame(
            server="chirpstack-v4",
            key=dev_eui(key, "deviceInfo.devEui"),
            key_kind="dev_eui",
            sent_at=sent.first_instant(message.get("time"), *_times(message)),
            # A zero may be left out, as Protocol Buffers' JSON does.
            counter=sent.whole(message.get("fCnt", "0")),
            port=sent.whole(message.get("fPort"), 255),
            payload=payload(message.get("data"), "data"),
            fields=decoded(message.get("object")),
            names=sent.texts(info.get("deviceProfileName")),
            labels=sent.texts(info.get("deviceName"), info.get("applicationName")),
            rssi_dbm=_rssi(message),
        )
    ]


def _v3(server: str, message: dict[str, Any]) -> list[Frame]:
    key = message.get("devEUI")
    sent_at = sent.first_instant(message.get("time"), *_times(message))
    fields = decoded(message.get("object")) or _object_json(message.get("objectJSON"))
    if not message.get("data") and not fields:
        return [_no_uplink(server, sent.eui(key), message, sent_at)]
    return [
        Frame(
            server=server,
            key=dev_eui(key, "devEUI"),
            key_kind="dev_eui",
            sent_at=sent_at,
            counter=sent.whole(message.get("fCnt", "0")),
            port=sent.whole(message.get("fPort"), 255),
            payload=payload(message.get("data"), "data"),
            fields=fields,
            names=sent.texts(message.get("deviceProfileName")),
            labels=sent.texts(message.get("deviceName"), message.get("applicationName")),
            rssi_dbm=_rssi(message),
        )
    ]


def _no_uplink(server: str, key: str | None, message: dict[str, Any], sent_at: datetime | None) -> Frame:
    level = sent.number(message.get("batteryLevel", message.get("battery")))
    is_status = "margin" in message
    event = next((said for member, said in _EVENTS if member in message), "a frame without data")
    return Frame(
        server=server,
        key=key,
        key_kind="dev_eui",
        sent_at=sent_at,
        battery=Battery(level, "%") if is_status and level is not None and 0 <= level <= 100 else None,
        ignored=f"no uplink but {event}",
    )


#: Which member tells which event, in this order.
_EVENTS = (
    ("margin", "a device's status"),
    ("code", "a log line"),
    ("error", "a log line"),
    ("acknowledged", "an acknowledgement"),
    ("downlinkId", "a downlink's acknowledgement"),
    ("integrationName", "an integration's event"),
    ("location", "a location"),
    ("fPort", "a frame without data"),
    ("fCnt", "a frame without data"),
    ("devAddr", "a join"),
)


def _times(message: dict[str, Any]) -> list[Any]:
    return [sent.at(each, "time") for each in sent.items(message.get("rxInfo"), 20)]


def _rssi(message: dict[str, Any]) -> Decimal | None:
    heard = sent.items(message.get("rxInfo"), 20)
    found = [rssi for each in heard if (rssi := sent.number(sent.at(each, "rssi"))) is not None]
    return max(found, default=None)


def _object_json(value: object) -> dict[str, Any] | None:
    if not isinstance(value, str) or not 2 < len(value) <= 16_384:
        return None
    try:
        found, _, end = json_slices.value(value)
        json_slices.finish(value, end)
    except (json.JSONDecodeError, RecursionError):
        return None
    return decoded(found)


def _is_hex(message: Any) -> bool:
    key = message.get("devEUI") if has("devEUI", "applicationID")(message) else None
    return isinstance(key, str) and len(key) == 16


V4 = Server(
    "chirpstack-v4",
    "ChirpStack v4",
    "`deviceInfo`; an uplink has `data` or `object`",
    lambda message: has("deviceInfo")(message) and isinstance(message["deviceInfo"], dict),
    _v4,
    member="deviceInfo",
)
MILESIGHT_GATEWAY = Server(
    "milesight-gateway",
    "Milesight gateway",
    "`devEUI` of 16 hex digits + `applicationID`",
    _is_hex,
    lambda message, _: _v3("milesight-gateway", message),
    member="devEUI",
)
V3 = Server(
    "chirpstack-v3",
    "ChirpStack v3",
    "`devEUI` in base64 + `applicationID`",
    has("devEUI", "applicationID"),
    lambda message, _: _v3("chirpstack-v3", message),
    member="devEUI",
)
