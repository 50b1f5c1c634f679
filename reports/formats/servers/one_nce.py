"""1NCE OS: names inside payload.value are the customer's own. Source: help.1nce.com, Cloud Integrator output format."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import Frame
from reports.formats.servers.server import Server, decoded, identity, payload

NAME = "1nce"
TELEMETRY = "TELEMETRY_DATA"


def _fits(message: Any) -> bool:
    return isinstance(message, dict) and "type" in message and sent.at(message, "device", "iccid") is not None


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    iccid = sent.at(message, "device", "iccid")
    sent_at = sent.instant(message.get("received"))
    if message["type"] != TELEMETRY:
        event = sent.text(message["type"], 40) or "another type"
        return [
            Frame(
                server=NAME, key=sent.text(iccid), key_kind="iccid", sent_at=sent_at, ignored=f"no telemetry: {event}"
            )
        ]
    value = message.get("payload")
    if isinstance(value, dict):
        value = value.get("value")
    fields = decoded(value)
    return [
        Frame(
            server=NAME,
            key=identity(iccid, "device.iccid"),
            key_kind="iccid",
            sent_at=sent_at,
            payload=b"" if fields else payload(value, "payload.value"),
            fields=fields,
        )
    ]


SERVER = Server(
    NAME, "1NCE OS", "`type` + `device.iccid`; a reading is `TELEMETRY_DATA`", _fits, _read, member="device"
)
