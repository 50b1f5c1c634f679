"""IoT Creators (Nokia IMPACT), NB-IoT. Source: docs.iotcreators.com, which does not show a registration's members."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import MAX_READINGS, Frame
from reports.formats.servers.server import Server, has, identity, payload
from reports.report import InvalidReport

NAME = "iot-creators (Nokia IMPACT)"
UPLINK = "uplinkMsg/0/data"
_RESOURCE = re.compile(r"/?([0-9]{1,5})/([0-9]{1,5})/([0-9]{1,5})", re.ASCII)


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    reports = message["reports"]
    if not isinstance(reports, list):
        raise InvalidReport("reports", "must be an array")
    if len(reports) > MAX_READINGS:
        raise InvalidReport("reports", f"must hold at most {MAX_READINGS} reports")
    if not reports:
        first = next(iter(sent.items(message.get("registrations"), 1)), None)
        key = sent.text(sent.at(first, "serialNumber"))
        return [
            Frame(
                server=NAME, key=_imei(key) if key else None, key_kind="imei", ignored="a registration, without reports"
            )
        ]
    frames: list[Frame] = []
    objects: dict[tuple[str, datetime | None], dict[str, Any]] = {}
    for index, report in enumerate(reports):
        where = f"reports[{index}]"
        if not isinstance(report, dict):
            raise InvalidReport(where, "must be an object")
        key = _imei(identity(report.get("serialNumber"), f"{where}.serialNumber"))
        sent_at = sent.instant(report.get("timestamp"))
        path = report.get("resourcePath")
        resource = _RESOURCE.fullmatch(path) if isinstance(path, str) else None
        if resource:
            fields = objects.setdefault((key, sent_at), {})
            fields[f"{resource[1]}/{resource[3]}"] = report.get("value")
            continue
        if path != UPLINK:
            frames.append(Frame(server=NAME, key=key, key_kind="imei", sent_at=sent_at, ignored="another resource"))
            continue
        data = payload(report.get("value"), f"{where}.value", is_hex=True)
        frames.append(Frame(server=NAME, key=key, key_kind="imei", sent_at=sent_at, payload=data))
    for (key, sent_at), fields in objects.items():
        frames.append(Frame(server=NAME, key=key, key_kind="imei", sent_at=sent_at, fields=fields, names=("oma 3435",)))
    return frames


def _imei(serial: str) -> str:
    return serial.removeprefix("IMEI:")


SERVER = Server(
    NAME,
    "IoT Creators (Nokia IMPACT)",
    "`reports` + `registrations` + `responses`",
    has("reports", "registrations", "responses"),
    _read,
    member="registrations",
)
