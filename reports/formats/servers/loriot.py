"""
LORIOT. An application set to extended information gets each frame twice, as rx and as gw.

`bat` is LoRaWAN's battery of 0 to 255, no percent, and is not taken. Source: docs.loriot.io, "Uplink Data Message".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import Frame
from reports.formats.servers.server import Server, dev_eui, has, payload

NAME = "loriot"


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    command = message["cmd"]
    sent_at = sent.instant(message.get("ts"))
    ignored = ""
    if command not in ("rx", "gw"):
        ignored = "no uplink but another cmd"
    elif not message.get("data"):
        ignored = "its data are encrypted" if message.get("encdata") else "a frame without data"
    if ignored:
        return [Frame(server=NAME, key=sent.eui(message["EUI"]), key_kind="dev_eui", sent_at=sent_at, ignored=ignored)]
    return [
        Frame(
            server=NAME,
            key=dev_eui(message["EUI"], "EUI"),
            key_kind="dev_eui",
            sent_at=sent_at,
            counter=sent.whole(message.get("fcnt")),
            port=sent.whole(message.get("port"), 255),
            payload=payload(message.get("data"), "data", is_hex=True),
            rssi_dbm=sent.number(message.get("rssi")),
        )
    ]


SERVER = Server(NAME, "LORIOT", "`cmd` + `EUI`; an uplink is `rx` or `gw`", has("cmd", "EUI"), _read, member="EUI")
