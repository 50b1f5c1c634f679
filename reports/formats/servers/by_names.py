"""
Any other network server: told by the names that servers have in common, whatever their case, `_` and `-`.

A sensor's id, a DevEUI, IMEI or Sigfox id, and beside it bytes, decoded fields or at least a port or counter: in the
message, or in objects within it that are no gateway's. Bytes are hexadecimal where a text is nothing but digits of one
case, else base64: of six bytes in base64 one in 5,000 looks like the former, and no model reads it then.

Read so, each with a published message in the tests: The Things Stack v2 (thethingsnetwork.org, HTTP integration),
Helium's console (docs.helium.com, JSON schema), Everynet (ns.docs.everynet.io, uplink message), Kerlink's Wanesy
(wikikerlink.fr, API migration guide), Netmore and ThingPark's CONNECT (docs.thingpark.com, LoRaWAN Portal), Senet
(docs.senetco.io, stream), MultiTech's gateways (multitech.net, MQTT messages), Orange's Live Objects (its manual, data
message), Milesight's Development Platform (milesight.com, DEVICE_DATA), Swisscom (uplinks as `data`), SmartMakers
(docs.smartmakers.io, native output), Sigfox (support.sigfox.com, uplink callback).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from reports.formats import sent
from reports.formats.readings import Frame
from reports.formats.servers.senml import by_name
from reports.formats.servers.server import Server, decoded
from trashsite.json_slices import Number

NAME = "by names"
#: Objects within objects, and members, of which the names are looked at.
MOST_DEPTH = 4
MOST_MEMBERS = 300

#: Each in the order of how sure it is.
DEV_EUIS = (
    "deveui", "deviceeui", "enddeviceeui", "hardwareserial", "lrndeveui", "device", "deviceid", "devid", "source",
    "eui",
)  # fmt: skip
IMEIS = ("imei", "deviceimei", "serialnumber")
PAYLOADS = (
    "payloadhex", "payloadcleartext", "rawpayload", "payloadraw", "frmpayload", "fpayload", "dataframe", "pdu",
    "payloaddata", "payloadbase64", "hexpayload", "datahex", "hexdata", "rawdata", "payload", "data", "bytes",
)  # fmt: skip
FIELDS = (
    "decodedpayload", "payloadfields", "payloaddecoded", "decodeddata", "decoded", "object", "fields", "parsed",
    "values",
)  # fmt: skip
PORTS = ("fport", "port")
COUNTERS = ("fcntup", "fcnt", "counterup", "counter", "framecounter", "seqnumber", "seqno", "seqn")
TIMES = (
    "time", "timestamp", "receivedat", "rxtime", "recvtime", "networkservertime", "reportedat", "txtime", "ts",
    "eventcreatedtime", "gwrecvtime",
)  # fmt: skip
RSSIS = ("rssi", "lrrrssi")
MODELS = ("devicemodel", "model", "modelid", "deviceprofilename", "devicetype", "nodetype", "sensortype")
LABELS = ("devicename", "name", "devid", "appid")
EVENTS = ("type", "eventtype", "event", "direction", "messagetype")
GATEWAYS = ("gateways", "hotspots", "gwinfo", "rxinfo", "receptions")
#: What such a value is no uplink's.
OTHER_EVENTS = ("down", "join", "txack", "offline", "online", "location", "error")
#: Of the radio: where only these are beside the id, nothing is measured.
RADIO = (
    "frequency", "freq", "channel", "chan", "datarate", "datr", "dr", "codr", "coderate", "codingrate", "snr", "lsnr",
    "sf", "spreadingfactor", "bandwidth", "devaddr", "appeui", "joineui", "adr", "ack", "confirmed", "toa", "encrypted",
    "size", "payloadsize", "id", "imsi", "iccid", "signal",
)  # fmt: skip

_ROLES = frozenset(
    (
        *DEV_EUIS,
        *IMEIS,
        *PAYLOADS,
        *FIELDS,
        *PORTS,
        *COUNTERS,
        *TIMES,
        *RSSIS,
        *MODELS,
        *LABELS,
        *EVENTS,
        *GATEWAYS,
        *RADIO,
    )
)
_WRAPPED = frozenset((*FIELDS, "payload", "data"))
#: What an object around a measurement has, and decoded fields do not.
_AROUND = frozenset(("deveui", "deviceeui", "fport", "fcnt", "fcntup", *PAYLOADS[:-3]))
#: Objects that may be decoded fields, of one message.
MOST_CANDIDATES = 20
_OF_GATEWAYS = ("gateway", "gw", "gtw", "hotspot", "rxinfo", "basestation")
_IMEI = re.compile(r"(?:IMEI:)?[Ff]?([0-9]{15})", re.ASCII)
_SIGFOX = re.compile(r"[0-9A-Fa-f]{4,8}", re.ASCII)
_HEX = re.compile(r"(?:0x)?((?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+)", re.ASCII)

#: By plain name, the outermost first: the value, and the object in which it stands.
Members = dict[str, list[tuple[Any, dict[str, Any]]]]


def _plain(name: str) -> str:
    return name[:40].lower().replace("_", "").replace("-", "")


def _members(message: dict[str, Any]) -> Members:
    found: Members = {}
    level, count = [message], 0
    for _ in range(MOST_DEPTH):
        inner: list[dict[str, Any]] = []
        for each in level:
            for name, value in each.items():
                count += 1
                if count > MOST_MEMBERS:
                    return found
                plain = _plain(name)
                found.setdefault(plain, []).append((value, each))
                if isinstance(value, dict) and not plain.startswith(_OF_GATEWAYS):
                    inner.append(value)
        level = inner
    return found


def _values(found: Members, names: tuple[str, ...]) -> Iterator[Any]:
    for name in names:
        for value, _ in found.get(name, ()):
            yield value


def _sensor(found: Members) -> tuple[str, str, dict[str, Any]] | None:
    """Return a sensor's key, what kind of key that is, and the object in which it stands."""
    for name in DEV_EUIS:
        for value, beside in found.get(name, ()):
            # Orange and KPN write the id as the end of a URN, TTN as eui-...
            last = value.rstrip(":").rpartition(":")[2].removeprefix("eui-") if isinstance(value, str) else None
            if (key := sent.eui(value) or sent.eui(last)) is not None:
                return key, "dev_eui", beside
    for name in IMEIS:
        for value, beside in found.get(name, ()):
            if isinstance(value, str) and (match := _IMEI.fullmatch(value)):
                return match[1], "imei", beside
    for value, beside in found.get("device", ()):
        if (
            isinstance(value, str)
            and _SIGFOX.fullmatch(value)
            and isinstance(beside.get("data"), str)
            and "time" in found
        ):
            return value.upper(), "sigfox_id", beside
    return None


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, list):
        numbers = [sent.whole(each, 255) for each in value[: sent.MAX_PAYLOAD + 1]]
        whole = [number for number in numbers if number is not None]
        return bytes(whole) if len(whole) == len(value) else None
    if not isinstance(value, str) or isinstance(value, Number) or len(value) > sent.MAX_PAYLOAD * 2 + 2:
        return None
    match = _HEX.fullmatch(value)
    return sent.hex_bytes(match[1]) if match else sent.base64_bytes(value)


def _fields(found: Members, key_in: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a server decoded: no object that holds the sensor's id or its bytes."""
    for value in islice(_values(found, (*FIELDS, *PAYLOADS)), MOST_CANDIDATES):
        if isinstance(value, list) and (named := by_name(value)):
            return named
        if not isinstance(value, dict) or not value or _is_around(value, key_in):
            continue
        # Helium's `decoded` has the fields in its `payload`.
        inner = next(
            (each for name, each in value.items() if _plain(name) in _WRAPPED and isinstance(each, dict)), None
        )
        return decoded(inner) or decoded(value)
    return None


def _is_around(value: dict[str, Any], key_in: dict[str, Any]) -> bool:
    """Return whether an object is one around a measurement: with the id in it, or with names of a frame."""
    inner = _members(value)
    return not _AROUND.isdisjoint(inner) or any(stands is key_in for each in inner.values() for _, stands in each)


def _beside(key_in: dict[str, Any]) -> dict[str, Any] | None:
    """Return what stands beside an id where nothing else was decoded, if a number is there."""
    fields = {name: value for name, value in list(key_in.items())[:MOST_MEMBERS] if _plain(name) not in _ROLES}
    numbers = (value.get("value") if isinstance(value, dict) else value for value in fields.values())
    return fields if any(sent.quantity(number) is not None for number in numbers) else None


def _rssi(found: Members) -> Decimal | None:
    heard = [each for value in _values(found, GATEWAYS) for each in sent.items(value, 20)]
    told = [*_values(found, RSSIS), *(sent.at(each, "rssi") for each in heard)]
    return max((number for value in told if (number := sent.number(value)) is not None), default=None)


def _frame(message: Any) -> Frame | None:
    """Return a message's frame, None where no sensor or nothing of an uplink is found."""
    if not isinstance(message, dict):
        return None
    found = _members(message)
    sensor = _sensor(found)
    if sensor is None:
        return None
    key, kind, key_in = sensor
    payload = next((raw for value in _values(found, PAYLOADS) if (raw := _bytes(value))), b"")
    fields = _fields(found, key_in) or (None if payload else _beside(key_in))
    port = next((at for value in _values(found, PORTS) if (at := sent.whole(value, 255)) is not None), None)
    counter = next((at for value in _values(found, COUNTERS) if (at := sent.whole(value)) is not None), None)
    events = [said.lower() for value in _values(found, EVENTS) if (said := sent.text(value))]
    other = next((said for said in events if any(word in said for word in OTHER_EVENTS)), "")
    # A word within the decoded fields is a sensor's.
    ignored = f"no uplink but {other[:40]}" if other and not (payload or fields) else ""
    if events[:1] == ["downlink"]:
        ignored = "no uplink but downlink"
    if any(value is True for value in _values(found, ("encrypted",))):
        ignored = "its data are encrypted"
    if not (payload or fields or ignored or port is not None or counter is not None):
        return None
    return Frame(
        server=NAME,
        key=key,
        key_kind=kind,
        sent_at=sent.first_instant(*_values(found, TIMES)),
        counter=counter,
        port=port,
        payload=payload,
        fields=fields,
        names=sent.texts(*_values(found, MODELS))[:4],
        labels=sent.texts(*_values(found, LABELS))[:4],
        rssi_dbm=_rssi(found),
        ignored=ignored,
    )


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    frame = _frame(message)
    assert frame is not None
    return [frame]


SERVER = Server(
    NAME,
    "Any other, by common names",
    "a DevEUI, IMEI or Sigfox id, with bytes, fields, port or counter",
    lambda message: _frame(message) is not None,
    _read,
)
