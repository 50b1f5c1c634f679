"""The Things Stack v3: webhook, MQTT, and its integration with AWS IoT. Source: its "Data formats" page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import Frame
from reports.formats.servers.server import Server, decoded, dev_eui, has, payload
from reports.report import InvalidReport

NAME = "tts-v3"


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    ids = message["end_device_ids"]
    uplink = message.get("uplink_message")
    if uplink is None:
        event = next((name for name in message if name not in _COMMON), "no uplink_message")
        inner = message.get(event)
        return [
            Frame(
                server=NAME,
                key=sent.eui(sent.at(ids, "dev_eui")),
                key_kind="dev_eui",
                sent_at=sent.first_instant(sent.at(inner, "received_at"), message.get("received_at")),
                ignored=f"no uplink but {sent.text(event, 40) or 'another event'}",
            )
        ]
    if not isinstance(uplink, dict):
        raise InvalidReport("uplink_message", "must be an object")
    version = uplink.get("version_ids")
    user = sent.at(uplink, "locations", "user")
    return [
        Frame(
            server=NAME,
            key=dev_eui(sent.at(ids, "dev_eui"), "end_device_ids.dev_eui"),
            key_kind="dev_eui",
            sent_at=sent.first_instant(uplink.get("received_at"), message.get("received_at")),
            # Protocol Buffers' JSON leaves a zero out: the first frame has no f_cnt.
            counter=sent.whole(uplink.get("f_cnt", "0")),
            port=sent.whole(uplink.get("f_port"), 255),
            payload=payload(uplink.get("frm_payload"), "uplink_message.frm_payload"),
            fields=decoded(uplink.get("decoded_payload")),
            names=sent.texts(sent.at(version, "model_id")),
            labels=sent.texts(ids.get("device_id"), sent.at(ids, "application_ids", "application_id")),
            registered=sent.place(sent.at(user, "latitude"), sent.at(user, "longitude")),
            rssi_dbm=_rssi(uplink.get("rx_metadata")),
        )
    ]


def _rssi(gateways: object) -> Any:
    found = [rssi for each in sent.items(gateways, 20) if (rssi := sent.number(sent.at(each, "rssi"))) is not None]
    return max(found, default=None)


_COMMON = frozenset({"end_device_ids", "correlation_ids", "received_at", "name", "time", "identifiers", "data"})

SERVER = Server(
    NAME,
    "The Things Stack v3",
    "`end_device_ids`; an uplink has `uplink_message`",
    lambda message: has("end_device_ids")(message) and isinstance(message["end_device_ids"], dict),
    _read,
    member="end_device_ids",
)
