"""Servers without a module of their own: the published message of each, with the bytes of a sensor that is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reports.formats.readings import Clock, Verdict
from reports.report import InvalidReport
from tests.reports.formats.test_servers import EM310, EUI, NOW, b64, read, reading

HEX, BASE64 = EM310.hex(), b64(EM310)
AT = datetime(2026, 11, 26, 17, 59, 30, tzinfo=UTC)
EPOCH = int(AT.timestamp())
DECODED = {"battery": 92, "distance": 2116, "position": "tilt"}

#: What each server writes around a frame, of port 85 and counter 7 where it tells them. Sources: servers/by_names.py.
PUBLISHED: dict[str, Any] = {
    "The Things Stack v2": {
        "app_id": "waste", "dev_id": "bin-1", "hardware_serial": EUI, "port": 85, "counter": 7,
        "payload_raw": BASE64, "payload_fields": {"other": 1},
        "metadata": {"time": "2026-11-26T17:59:30.512Z", "gateways": [{"rssi": -97}]},
    },
    "Helium": {
        "app_eui": "6948A4B59F4666AD", "dev_eui": EUI, "devaddr": "B5A44869", "fcnt": 7, "port": 85, "name": "bin-1",
        "hotspots": [{"id": "11KH", "name": "icy-fiery-hippo", "reported_at": EPOCH * 1000, "rssi": -97.0}],
        "id": "7c523974", "metadata": {"labels": [{"id": "7d11", "name": "x"}]}, "payload": BASE64, "payload_size": 10,
        "reported_at": EPOCH * 1000, "type": "uplink", "uuid": "c60a",
    },
    "Everynet": {
        "type": "uplink",
        "meta": {"device": EUI.lower(), "gateway": "FF0106DE", "time": EPOCH + 0.123, "packet_hash": "d41d"},
        "params": {"rx_time": EPOCH + 0.123, "port": 85, "counter_up": 7, "payload": BASE64,
                   "encrypted_payload": "AQ==", "radio": {"hardware": {"rssi": -97}}},
    },
    "Kerlink Wanesy": {
        "id": "5d2342ac71a1270001035042", "endDevice": {"devEui": EUI, "devAddr": "24004F6B", "cluster": {"id": 1}},
        "fPort": 85, "fCntDown": 0, "fCntUp": 7, "adr": False, "encrypted": False, "payload": HEX,
        "encodingType": "HEXA", "recvTime": EPOCH * 1000, "gwInfo": [{"gwEui": "7276FF0039030436", "rssi": -97}],
    },
    "Netmore": [{
        "devEui": EUI.lower(), "sensorType": "em310", "messageType": "payload", "timestamp": "2026-11-26T17:59:30Z",
        "payload": HEX, "fCntUp": 7, "freq": 868300000, "rssi": "-97", "gatewayIdentifier": "506", "fPort": "85",
    }],
    "Senet": {
        "devEui": EUI, "gwEui": "00250C0001000462", "joinId": 9, "pdu": HEX.upper(), "port": 85, "seqNo": 7,
        "rssi": -97, "txtime": "2026-11-26T17:59:30.123Z", "channel": 4, "datarate": 3, "ack": False,
    },
    "MultiTech": {
        "tmst": 4293983404, "chan": 1, "freq": 868.3, "rssi": -97, "fcnt": 7, "port": 85, "mhdr": "40b6feb000000d00",
        "data": BASE64, "appeui": "7d-75-27-ad-d1-d2-f7-08",
        "deveui": "-".join(EUI[at : at + 2] for at in range(0, 16, 2)),
        "gweui": "00-80-00-00-a0-00-63-c3", "seqn": 13, "time": "2026-11-26T17:59:30.889Z",
    },
    "Orange Live Objects": {
        "metadata": {"connector": "lora", "source": f"urn:lo:nsid:lora:{EUI}",
                     "network": {"lora": {"signalLevel": 5, "rssi": -97, "devEUI": EUI, "port": 85, "fcnt": 7,
                                          "messageType": "UNCONFIRMED_DATA_UP"}}},
        "streamId": f"urn:lo:nsid:lora:{EUI}", "timestamp": "2026-11-26T17:59:30.000Z", "model": "lora_v0",
        "value": {"port": 85, "fcnt": 7, "signalLevel": 5, "payload": HEX},
    },
    "Milesight Development Platform": {
        "eventID": "6167cb40", "eventCreatedTime": str(EPOCH), "eventVersion": "1.0", "eventType": "DEVICE_DATA",
        "data": {"deviceProfile": {"deviceId": "1904371063669395457", "sn": "6707E0461016", "devEUI": EUI,
                                   "name": "bin-1", "model": "EM310-UDL"},
                 "type": "PROPERTY", "tslID": "", "payload": DECODED},
    },
    "Swisscom": {
        "deviceID": "bin-1", "data": {"DevEUI": EUI, "FPort": "85", "FCntUp": "7", "payload_hex": HEX,
                                      "Time": "2026-11-26T18:59:30+01:00"}, "uplinkMetrics": {"rssi": -97, "snr": 7},
    },
    "SmartMakers": {
        "dev_eui": EUI, "f_cnt_up": 7, "f_port": 85, "network_server_time": "2026-11-26T17:59:30Z", "raw_payload": HEX,
        "receptions": [{"gateway": "", "rssi": -97}], "rssi": -97, "uplink_metadata": {"state": {"reported": {}}},
    },
    "KPN Things": [
        {"bn": f"urn:dev:DEVEUI:{EUI}:", "bt": EPOCH, "n": "payload", "vs": HEX}, {"n": "port", "v": 85.0},
        {"n": "FCntUp", "v": 7.0}, {"n": "LrrRSSI", "v": -97.0}, {"n": "timeOrigin", "vs": "NETWORK"},
    ],
    "KPN Things, before 2023": [
        {"bn": f"urn:dev:DEVEUI:{EUI}:", "bt": EPOCH}, {"n": "payload", "vs": HEX}, {"n": "port", "v": 85},
    ],
    "bytes as numbers": {"DevEUI": EUI, "bytes": list(EM310), "fPort": 85, "time": "2026-11-26T17:59:30Z"},
    "decoded, beside its id": {"devEUI": EUI, "time": "2026-11-26T17:59:30Z", "deviceName": "bin-1", **DECODED},
}  # fmt: skip
#: These tell no counter, no signal, or neither.
WITHOUT = {"Milesight Development Platform", "KPN Things, before 2023", "bytes as numbers", "decoded, beside its id"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_message_of_a_server_without_a_module_is_read(name: str) -> None:
    found = reading(PUBLISHED[name])
    assert (found.verdict, found.frame.key, found.frame.key_kind) == (Verdict.STORE, EUI, "dev_eui")
    assert (found.model, found.distance_mm, found.events) == ("Milesight EM310-UDL", 2116, ("tilt",))
    assert (found.measured_at.replace(microsecond=0), found.clock) == (AT, Clock.SERVER)
    if name not in WITHOUT:
        assert (found.frame.port, found.frame.counter, found.frame.rssi_dbm) == (85, 7, -97)


def test_other_kinds_of_ids_are_known_by_their_names_too() -> None:
    sigfox = {"device": "1B29F4", "time": str(EPOCH), "data": "3000001060d701d219049d02", "seqNumber": "12"}
    found = reading(sigfox)
    assert (found.frame.key, found.frame.key_kind, found.frame.counter) == ("1B29F4", "sigfox_id", 12)
    assert found.verdict is Verdict.HOLD
    # An AWS IoT rule: SELECT encode(*, 'base64') AS data, topic(2) AS imei
    ndds75 = {"imei": "868411056756471", "data": b64(bytes.fromhex("41105675647100640CD1070A1600"))}
    found = reading(ndds75)
    assert (found.frame.key, found.frame.key_kind, found.distance_mm) == ("868411056756471", "imei", 2582)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "downlink", "meta": {"device": EUI}, "params": {"counter_down": 24, "port": 2, "payload": ""}},
        {"type": "join_request", "meta": {"device": EUI}, "params": {}},
        {"eventType": "DEVICE_DATA", "data": {"deviceProfile": {"devEUI": EUI}, "type": "ONLINE", "payload": {}}},
        {"endDevice": {"devEui": EUI}, "fPort": 2, "encrypted": True, "payload": HEX},
        {"devEui": EUI, "fPort": 2, "fCntUp": 3, "payload": ""},
        [{"bn": f"urn:dev:DEVEUI:{EUI}:", "bt": EPOCH}, {"n": "locOrigin", "vs": "KPNLORA"},
         {"n": "latitude", "u": "lat", "v": 52.6}, {"n": "longitude", "u": "lon", "v": 4.8}],
    ],
)  # fmt: skip
def test_what_these_servers_send_beside_uplinks_is_ignored(message: Any) -> None:
    found = reading(message)
    assert (found.verdict, found.frame.key) == (Verdict.IGNORE, EUI)
    assert found.reason


def test_a_unit_that_a_record_names_is_the_one_that_counts() -> None:
    pack = [{"bn": "urn:dev:mac:0024befffe804ff1/", "bt": EPOCH, "n": "distance", "u": "m", "v": 1.2},
            {"n": "battery", "u": "%", "v": 80}, {"n": "temperature", "u": "Cel", "v": 21.5}]  # fmt: skip
    found = reading(pack)
    assert (found.frame.key, found.distance_mm, found.temperature_c) == ("0024BEFFFE804FF1", 1200, 21.5)
    assert found.battery and found.battery.text == "80 %"
    level = reading([{"bn": "bin-7:", "n": "level", "u": "/", "v": 0.4}])
    assert (level.frame.key, level.level_percent) == ("bin-7", 40)


def test_an_id_alone_is_no_uplink() -> None:
    for message in ({"devEui": EUI}, {"devEui": EUI, "user": "x"}, {"imei": "868411056756471", "token": "x"}):
        (found,) = read(message)
        assert isinstance(found, InvalidReport) and found.field == "can_id"


def test_an_object_of_a_hundred_thousand_members_is_looked_through_in_part() -> None:
    huge = {f"n{index}": {"data": {"payload": {"x": index}}} for index in range(20_000)}
    found = reading({"devEui": EUI, "decoded": huge, **huge})
    assert (found.verdict, found.frame.key) == (Verdict.HOLD, EUI)
    uplink = {"fPort": 85, "data": BASE64}
    assert reading({"devEui": EUI, **uplink, **huge}).distance_mm == 2116
    (behind,) = read({"devEui": EUI, **huge, **uplink})
    assert isinstance(behind, InvalidReport) and (behind.field, behind.rule) == (
        "report", "must be at most 16384 bytes",
    )  # fmt: skip


def test_a_device_that_is_named_by_its_gateway_is_not_taken_for_the_gateway() -> None:
    found = reading({"gateway": {"devEui": "0016C001FF10D5B4"}, "node": {"devEui": EUI, "fPort": 85, "data": BASE64}})
    assert (found.frame.key, found.distance_mm, found.measured_at) == (EUI, 2116, NOW)


def test_notifications_of_leshan_are_lwm2ms_objects() -> None:
    resources = [
        {"id": 2, "kind": "singleResource", "type": "INTEGER", "value": "53"},
        {"id": 22, "kind": "singleResource", "type": "BOOLEAN", "value": True},
        {"id": 9, "kind": "multiResource", "values": {"0": "1"}},
    ]
    instance = {"id": 0, "kind": "instance", "resources": resources}
    whole = {"id": 3435, "kind": "obj", "instances": [instance]}
    for res, val in (("/3435/0", instance), ("/3435", whole)):
        found = reading({"ep": "urn:imei:4", "kind": "single", "res": res, "val": val})
        assert (found.frame.key, found.level_percent, found.events) == ("urn:imei:4", 53, ("fire",))
        assert (found.frame.key_kind, found.clock) == ("lwm2m_endpoint", Clock.QUEUE)
    several = {"/3435/0/2": resources[0], "/3303/0/5700": {"id": 5700, "kind": "singleResource", "value": "21.5"}}
    found = reading({"ep": "urn:imei:4", "kind": "composite", "val": several})
    assert (found.level_percent, found.temperature_c) == (53, 21.5)
    assert reading({"ep": "a", "res": "/3/0/9", "val": {"id": 9, "value": "80"}}).verdict is Verdict.IGNORE
    (refused,) = read({"ep": "a", "val": 7})
    assert isinstance(refused, InvalidReport) and refused.field == "val"


def test_an_entity_whose_names_are_addresses_is_read_by_their_ends() -> None:
    base = "https://smartdatamodels.org/dataModel.WasteManagement/"
    level = {"type": "Property", "value": 0.4, "observedAt": "2026-11-26T17:59:30Z"}
    entity = {"id": "urn:x:7", "type": f"{base}WasteContainer", f"{base}fillingLevel": level}
    found = reading({"id": "n", "type": "Notification", "subscriptionId": "s", "data": [entity]})
    assert (found.level_percent, found.measured_at) == (40, AT)
