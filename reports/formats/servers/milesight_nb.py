"""Milesight's NB-IoT sensors, as the maker's decoder for its cellular protocol writes them: no time, an IMEI."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import MAX_READINGS, Frame
from reports.formats.servers.server import Server, decoded, has, identity
from reports.report import InvalidReport

NAME = "milesight-nbiot"


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    parts = message["data"]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InvalidReport("data", "must be an array of objects")
    if len(parts) > MAX_READINGS:
        raise InvalidReport("data", f"must hold at most {MAX_READINGS} readings")
    fields: dict[str, Any] = {}
    past = []
    for part in parts:
        if "timestamp" in part:
            past.append(part)
        else:
            fields.update(part)
    if past:
        fields["history"] = past
    return [
        Frame(
            server=NAME,
            key=identity(message["imei"], "imei"),
            key_kind="imei",
            counter=sent.whole(message.get("frameCnt")),
            fields=decoded(fields),
            ignored="" if fields else "no data",
        )
    ]


SERVER = Server(
    NAME, "Milesight NB-IoT", "`imei` + `frameCnt` + `data`", has("imei", "frameCnt", "data"), _read, member="frameCnt"
)
