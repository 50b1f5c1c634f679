"""
LwM2M's two JSON forms, SenML (RFC 8428) and that of LwM2M 1.0, for OMA's object 3435 and what stands beside it.

A name is endpoint/object/instance/resource; diwise leaves the instance out. A unit is read where one is named: `/` is a
ratio, `%` and the registry's `/100` percent. Sources: RFC 8428; OpenMobileAlliance/lwm2m-registry 3435.xml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from reports.formats import sent
from reports.formats.readings import MAX_READINGS, Frame
from reports.formats.servers.server import Server, has
from reports.report import InvalidReport

FILLING = "3435"
KEY_KIND = "lwm2m_endpoint"
#: RFC 8428, 4.5.3: smaller times count from now.
RELATIVE_BELOW = Decimal(2**28)
#: Records of one message: each of the readings it may hold has at most this many resources.
MAX_RECORDS = 4_000

_NAME = re.compile(r"(?:(.*?)/)??([0-9]{1,5})/(?:([0-9]{1,5})/)?([0-9]{1,5})", re.ASCII)
_VALUES = ("v", "vs", "vb", "bv", "sv")


def frames(server: str, records: Any, received_at: datetime, base: dict[str, Any], endpoint: object) -> list[Frame]:
    """
    Return the readings of SenML's records: one of each endpoint, instance and time.

    base: an object with bn, bt and bu of all. endpoint: whose records are that name none. Raises InvalidReport.
    """
    readings: dict[tuple[str, str, datetime | None], dict[str, Any]] = {}
    shared: dict[str, dict[str, Any]] = {}
    for key, number, instance, resource, at, value in _records(records, received_at, base, endpoint):
        beside = shared.setdefault(key, {})
        fields = readings.setdefault((key, instance, at), {}) if number == FILLING else beside
        fields[f"{number}/{resource}"] = value
        if len(readings) > MAX_READINGS or len(shared) > MAX_READINGS:
            raise InvalidReport("message", f"must hold at most {MAX_READINGS} readings")
    instances: dict[str, set[str]] = {}
    for key, instance, _ in readings:
        instances.setdefault(key, set()).add(instance)
    found = [
        Frame(
            server=server,
            key=key,
            key_kind=KEY_KIND,
            sent_at=at,
            fields={**shared[key], **fields},
            names=("oma 3435",),
            channel=instance if len(instances[key]) > 1 else None,
        )
        for (key, instance, at), fields in readings.items()
    ]
    others: list[str | None] = [key for key in shared if key not in instances]
    if not found and not others:
        others = [None]
    ignored = "no filling level (object 3435)"
    return [*found, *(Frame(server=server, key=key, key_kind=KEY_KIND, ignored=ignored) for key in others)]


def _records(
    records: Any, received_at: datetime, base: dict[str, Any], endpoint: object
) -> Iterator[tuple[str, str, str, str, datetime | None, Any]]:
    """Yield endpoint, object, instance, resource, time and {value, unit} of each record with a name of LwM2M's."""
    if not isinstance(records, list):
        raise InvalidReport("message", "must be an array of records")
    if len(records) > MAX_RECORDS:
        raise InvalidReport("message", f"must hold at most {MAX_RECORDS} records")
    prefix, base_time, base_unit = base.get("bn", ""), base.get("bt"), base.get("bu")
    outside = sent.text(endpoint)
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidReport(f"[{index}]", "must be an object")
        prefix, base_time = record.get("bn", prefix), record.get("bt", base_time)
        base_unit = record.get("bu", base_unit)
        name = record.get("n", "")
        if not isinstance(prefix, str) or not isinstance(name, str) or len(prefix) + len(name) > 200:
            raise InvalidReport(f"[{index}].n", "must be a name of at most 200 characters")
        match = _NAME.fullmatch(prefix + name)
        if match is None:
            continue
        key = sent.text((match[1] or "").strip("/")) or outside
        if key is None:
            raise InvalidReport(f"[{index}].bn", "must name the endpoint")
        value = next((record[member] for member in _VALUES if member in record), None)
        at = time_of(base_time, record.get("t"), received_at)
        yield key, match[2], match[3] or "0", match[4], at, {"value": value, "unit": record.get("u", base_unit)}


def is_named(base: str, record: dict[str, Any]) -> bool:
    """Return whether a record behind this base name has a name of LwM2M's."""
    name = record.get("n", "")
    return isinstance(name, str) and len(base) + len(name) <= 200 and _NAME.fullmatch(base + name) is not None


def time_of(base: object, offset: object, received_at: datetime) -> datetime | None:
    """Return a record's time, None where it tells none. Source: RFC 8428, 4.5.3."""
    seconds = Decimal(0)
    for part in (base, offset):
        if part is not None:
            number = sent.number(part)
            if number is None:
                return None
            seconds += number
    if base is None and offset is None:
        return None
    if abs(seconds) < RELATIVE_BELOW:
        return received_at + timedelta(seconds=float(seconds))
    return sent.instant(f"{seconds:f}")


def _is_senml(message: Any) -> bool:
    if not isinstance(message, list) or not message or not isinstance(message[0], dict):
        return False
    first = message[0]
    return "bn" in first or ("n" in first and any(name in first for name in _VALUES))


SENML = Server(
    "lwm2m senml-json",
    "LwM2M, SenML JSON",
    "an array whose first object has `bn`, or `n` and a value",
    _is_senml,
    lambda message, received_at: frames("lwm2m senml-json", message, received_at, {}, None),
)
PACK = Server(
    "diwise (senml pack)",
    "diwise, a SenML pack",
    "`pack` + `timestamp`",
    has("pack", "timestamp"),
    lambda message, received_at: frames(
        "diwise (senml pack)", message["pack"], received_at, {}, message.get("deviceID")
    ),
    member="pack",
)
JSON = Server(
    "lwm2m json",
    "LwM2M 1.0 JSON",
    "`e` + `bn` or `bt`",
    lambda message: has("e")(message) and ("bn" in message or "bt" in message),
    lambda message, received_at: frames("lwm2m json", message["e"], received_at, message, message.get("ep")),
    member="e",
)
