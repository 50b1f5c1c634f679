"""
SenML whose records have names of their own choice, and no numbers of LwM2M's; KPN Things among them.

The base name is the sensor. KPN passes a frame on as records: `payload` in hexadecimal digits, `port`, `FCntUp`; a pack
with a place alone is ignored. Sources: RFC 8428; KPN Things' example payloads of 2023 and 2025, as public code keeps
them (`urn:dev:DEVEUI:` with `payload` in the first record or in the second).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import MAX_READINGS, Frame
from reports.formats.servers.lwm2m import MAX_RECORDS, is_named, time_of
from reports.formats.servers.server import Server, identity, payload
from reports.report import InvalidReport

NAME = "senml"
_DEV_EUI = re.compile(r"urn:dev:(?:DEVEUI|mac):([0-9A-Fa-f]{16})[:/]?", re.ASCII)
#: Of a unit: what a name ends with that leaves no doubt of it, as models/self-describing.toml reads it.
ENDINGS = {
    "mm": "_mm", "cm": "_cm", "m": "_m", "%": "_percent", "/100": "_percent", "/": "_ratio", "V": "_v", "mV": "_mv",
    "Cel": "_c", "°C": "_c",
}  # fmt: skip
_NAMES = ("n", "name", "variable", "key", "field", "typeName", "measurement")
_VALUES = ("v", "vs", "vb", "value", "stringValue")
_UNITS = ("u", "unit", "typeUnits")


def by_name(records: list[Any]) -> dict[str, Any]:
    """
    Return the values of records by their names; of none where one is no record.

    A value with a unit is {value, unit}, and stands under the name with the unit's ending too.
    """
    found: dict[str, Any] = {}
    for record in records[:MAX_READINGS]:
        if not isinstance(record, dict):
            return {}
        name = next((said for member in _NAMES if (said := sent.text(record.get(member)))), None)
        value = next((record[member] for member in _VALUES if member in record), None)
        if name is None or isinstance(value, dict | list):
            continue
        unit = next((said for member in _UNITS if (said := sent.text(record.get(member), 16))), "").strip("[]")
        found[name] = {"value": value, "unit": unit} if unit else value
        if unit in ENDINGS and not name.endswith(ENDINGS[unit]):
            found[name + ENDINGS[unit]] = value
    return found


def _fits(message: Any) -> bool:
    if not isinstance(message, list) or not message or not isinstance(message[0], dict):
        return False
    base = message[0].get("bn")
    if not isinstance(base, str):
        return False
    for record in message[:MAX_RECORDS]:
        if (
            not isinstance(record, dict)
            or not isinstance(base := record.get("bn", base), str)
            or is_named(base, record)
        ):
            return False
    return True


def _read(message: list[Any], received_at: datetime) -> list[Frame]:
    if len(message) > MAX_RECORDS:
        raise InvalidReport("message", f"must hold at most {MAX_RECORDS} records")
    packs: dict[tuple[str, datetime | None], list[dict[str, Any]]] = {}
    base = base_time = None
    for index, record in enumerate(message):
        if not isinstance(record, dict):
            raise InvalidReport(f"[{index}]", "must be an object")
        base, base_time = record.get("bn", base), record.get("bt", base_time)
        at = time_of(base_time, record.get("t"), received_at)
        packs.setdefault((identity(base, f"[{index}].bn"), at), []).append(record)
        if len(packs) > MAX_READINGS:
            raise InvalidReport("message", f"must hold at most {MAX_READINGS} readings")
    return [_frame(base, at, records) for (base, at), records in packs.items()]


def _frame(base: str, sent_at: datetime | None, records: list[dict[str, Any]]) -> Frame:
    match = _DEV_EUI.fullmatch(base)
    found = by_name(records)
    raw = payload(found.get("payload"), "payload", is_hex=True) if match and "payload" in found else b""
    is_place = not raw and "latitude" in found and "longitude" in found
    return Frame(
        server=NAME,
        key=match[1].upper() if match else base.rstrip(":/") or base,
        key_kind="dev_eui" if match else "senml_name",
        sent_at=sent_at,
        counter=sent.whole(found.get("FCntUp")),
        port=sent.whole(found.get("port"), 255),
        payload=raw,
        # What KPN tells beside the bytes is of the radio.
        fields=None if raw else found or None,
        rssi_dbm=sent.number(found.get("LrrRSSI")),
        ignored="no uplink but a location" if is_place and "locOrigin" in found else "",
    )


SERVER = Server(
    NAME,
    "SenML with names of its own, KPN Things",
    "an array whose first object has `bn`, none of LwM2M's names",
    _fits,
    _read,
)
