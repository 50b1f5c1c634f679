"""The shapes of servers that no whole message was found of, and what each of them sends beside uplinks."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from reports.formats import parse
from reports.formats.readings import Clock, Location, Reading, Verdict
from reports.report import InvalidReport, Report
from tests.reports.formats.test_uplinks import body

NOW = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
EM310 = bytes.fromhex("01755C03824408040001")
EUI = "24E124713B492011"


def read(message: Any) -> list[Any]:
    return parse(message if isinstance(message, str) else json.dumps(message), NOW)


def reading(message: Any) -> Reading:
    (found,) = read(message)
    assert isinstance(found, Reading), found
    return found


def refused(message: Any) -> tuple[str, str]:
    (found,) = read(message)
    assert isinstance(found, InvalidReport), found
    return found.field, found.rule


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def v3(**members: Any) -> dict[str, Any]:
    return {
        "applicationID": "12", "applicationName": "waste", "deviceName": "bin-1", "fCnt": 5, "fPort": 85,
        "devEUI": b64(bytes.fromhex(EUI)), "rxInfo": [{"time": None}, {"time": "2026-11-26T17:59:30Z"}], **members,
    }  # fmt: skip


def aws(**members: Any) -> dict[str, Any]:
    radio = {"DevEui": EUI.lower(), "FPort": 85, "FCnt": 3, "Timestamp": "2026-11-26T17:59:30Z"}
    return {
        "WirelessDeviceId": "5b58245e-146c-4c30-9703-0ca942e3ff35",
        "PayloadData": b64(EM310),
        "WirelessMetadata": {"LoRaWAN": radio},
        **members,
    }


def test_chirpstack_v3_has_its_dev_eui_in_base64_and_its_time_at_the_gateway() -> None:
    found = reading(v3(data=b64(EM310), objectJSON='{"battery":92,"distance":2116,"position":"tilt"}'))
    assert (found.frame.server, found.frame.key, found.frame.counter) == ("chirpstack-v3", EUI, 5)
    assert (found.distance_mm, found.clock) == (2116, Clock.SERVER)
    assert found.measured_at == datetime(2026, 11, 26, 17, 59, 30, tzinfo=UTC)
    assert found.frame.fields is not None


def test_chirpstack_v3_without_a_codec_is_read_from_its_bytes() -> None:
    assert reading(v3(data=b64(EM310), objectJSON="{}")).distance_mm == 2116
    assert reading(v3(data=b64(EM310), objectJSON="{not json")).distance_mm == 2116


def test_a_gateways_time_that_no_parser_takes_gives_way_to_the_queues() -> None:
    message = json.loads(body("milesight-gateway-ws201.json")) | {"time": "2020-0327T12:39:05Z", "rxInfo": []}
    found = reading(message)
    assert (found.measured_at, found.clock, found.level_percent) == (NOW, Clock.QUEUE, 69)


@pytest.mark.parametrize(
    ("told", "clock"),
    [
        ("2026-11-26T18:04:59Z", Clock.SERVER),
        ("2026-11-26T18:05:01Z", Clock.QUEUE),
        ("1970-01-01T00:00:00Z", Clock.QUEUE),
        ("2026-11-20T00:00:00Z", Clock.SERVER),
        ("2026-11-26T17:59:30", Clock.SERVER),
        ("yesterday", Clock.QUEUE),
        (7, Clock.QUEUE),
        (None, Clock.QUEUE),
    ],
)
def test_a_servers_time_counts_where_it_can_be_right(told: Any, clock: Clock) -> None:
    message = aws()
    message["WirelessMetadata"]["LoRaWAN"]["Timestamp"] = told
    found = reading(message)
    assert found.clock is clock
    assert (found.measured_at == NOW) == (clock is Clock.QUEUE)


def test_aws_names_a_device_that_is_no_lorawan_device_by_its_own_id() -> None:
    found = reading(aws(WirelessMetadata={"Sidewalk": {}}))
    assert (found.frame.key, found.frame.key_kind) == ("5b58245e-146c-4c30-9703-0ca942e3ff35", "wireless_device_id")
    assert found.verdict is Verdict.STORE


def test_a_dev_eui_of_15_digits_is_refused() -> None:
    message = aws()
    message["WirelessMetadata"]["LoRaWAN"]["DevEui"] = "24e124713b49201"
    assert refused(message) == ("WirelessMetadata.LoRaWAN.DevEui", "must be a DevEUI of 16 hexadecimal digits")


def test_what_a_rules_lambda_decoded_is_read_like_a_servers_codec() -> None:
    decoded = {"battery": 92, "distance": 2116, "position": "normal"}
    found = reading({"transformed_payload": decoded, "lns_payload": aws(), "timestamp": 1795503600000})
    assert (found.distance_mm, found.events, found.model) == (2116, (), "Milesight EM310-UDL")


def test_thingparks_points_are_read_in_the_models_unit_not_in_the_catalogues() -> None:
    message = json.loads(body("thingpark-em310-udl.json"))
    del message["DevEUI_uplink"]["payload"]
    found = reading(message)
    assert (found.distance_mm, found.battery and found.battery.value) == (2116, 92)


@pytest.mark.parametrize(
    "message",
    [
        {"DevEUI_location": {"DevEUI": EUI, "Time": "2026-11-26T17:59:30Z"}},
        {"DevEUI_notification": {"DevEUI": EUI}},
        {"DevEUI_downlink_Sent": {"DevEUI": EUI}},
        {"cmd": "txd", "EUI": EUI, "seqdn": 7},
        {"cmd": "rx", "EUI": EUI, "encdata": "00FF", "ts": 1795590434712},
        {"end_device_ids": {"dev_eui": EUI}, "downlink_ack": {"f_port": 1}},
        {"end_device_ids": {"dev_eui": EUI}, "location_solved": {}},
        {"end_device_ids": {"dev_eui": EUI}, "service_data": {}},
        {"deviceInfo": {"devEui": EUI.lower()}, "acknowledged": True, "fCntDown": 7},
        {"deviceInfo": {"devEui": EUI.lower()}, "location": {"latitude": 1}},
        {"deviceInfo": {"devEui": EUI.lower()}, "fPort": 85, "fCnt": 8},
        aws(PayloadData=""),
        {"end_device_ids": {"dev_eui": EUI}, "uplink_message": {"f_port": 85, "f_cnt": 7}},
        {"end_device_ids": {"dev_eui": EUI}, "uplink_message": {"f_port": 0, "frm_payload": b64(EM310)}},
        v3(),
        v3(margin=7, batteryLevel=80),
        {"type": "LOCATION", "device": {"iccid": "89"}, "received": "1795590184814"},
        {"type": "GEOFENCE", "device": {"iccid": "89"}},
        {"type": "TEST_MESSAGE", "device": {"iccid": "89"}},
        {"type": "ERROR", "device": {"iccid": "89"}},
        [{"bn": "urn:imei:1/3/0/", "n": "9", "v": 90}],
        {"subscriptionId": "s", "data": [{"id": "urn:x", "type": "Device", "value": {"value": 7}}]},
        {"Type": "UnsubscribeConfirmation", "TopicArn": "arn", "SubscribeURL": "https://example.org"},
    ],
)  # fmt: skip
def test_what_is_no_uplink_is_ignored_and_says_why(message: Any) -> None:
    found = reading(message)
    assert found.verdict is Verdict.IGNORE
    assert found.reason
    assert (found.distance_mm, found.level_percent) == (None, None)


def test_a_payload_of_1nce_without_a_template_is_read_from_its_base64() -> None:
    raw = b64(bytes.fromhex("41105675647100640CD1070A1600"))
    found = reading({"type": "TELEMETRY_DATA", "device": {"iccid": "89"}, "payload": {"type": "BINARY", "value": raw}})
    assert (found.model, found.distance_mm) == ("Dragino NDDS75", 2582)
    assert found.battery and (found.battery.value, found.battery.unit) == (Decimal("3.281"), "V")


def test_single_resources_of_iot_creators_become_one_reading() -> None:
    common = {"serialNumber": "IMEI:868411056756471", "timestamp": 1795590434712}
    reports = [
        {**common, "resourcePath": "3435/0/2", "value": "78.5"},
        {**common, "resourcePath": "3435/0/21", "value": False},
    ]
    found = reading({"reports": reports, "registrations": [], "responses": []})
    assert (found.level_percent, found.frame.key) == (Decimal("78.5"), "868411056756471")


def test_the_json_of_lwm2m_1_0_is_read_by_its_own_names() -> None:
    records = [{"n": "3435/0/2", "v": 40}, {"n": "3435/0/13", "bv": True}, {"n": "3303/0/5700", "v": 21.5}]
    found = reading({"bn": "urn:imei:4/", "bt": 1795591200, "e": records})
    assert (found.frame.server, found.frame.key, found.level_percent) == ("lwm2m json", "urn:imei:4", 40)
    assert (found.events, found.temperature_c) == (("tilt",), Decimal("21.5"))


@pytest.mark.parametrize(
    ("record", "level"),
    [
        ({"u": "/", "v": 0.4}, 40),
        ({"u": "%", "v": 40}, 40),
        ({"u": "/100", "v": 40}, 40),
        ({"v": 40}, 40),
        ({"v": 1}, 1),
    ],
)
def test_a_unit_tells_a_ratio_from_percent(record: dict[str, Any], level: int) -> None:
    assert reading([{"bn": "a/3435/0/", "n": "2", **record}]).level_percent == level


def test_a_unit_that_is_no_percentage_is_refused() -> None:
    assert refused([{"bn": "a/3435/0/", "n": "2", "u": "cm", "v": 40}])[0] == "3435/2"


def test_senml_times_below_2_to_the_28_count_from_now() -> None:
    found = reading([{"bn": "a/3435/0/", "n": "2", "v": 40, "t": -30}])
    assert found.measured_at == NOW - timedelta(seconds=30)


def test_several_instances_and_endpoints_of_one_pack_are_readings_of_their_own() -> None:
    records = [
        {"bn": "a/3435/0/", "n": "2", "v": 10},
        {"bn": "a/3435/1/", "n": "2", "v": 20},
        {"bn": "b/3435/0/", "n": "2", "v": 30},
    ]
    found = [(each.frame.key, each.channel, each.level_percent) for each in read(records)]
    assert found == [("a", "0", 10), ("a", "1", 20), ("b", None, 30)]


def test_rejected_quality_and_an_open_cover_are_held() -> None:
    base = {"bn": "a/3435/0/", "n": "2", "v": 40}
    assert reading([base, {"n": "6042", "v": 1}]).verdict is Verdict.HOLD
    assert reading([base, {"n": "6042", "v": 4}]).verdict is Verdict.STORE
    found = reading([base, {"n": "21", "vb": True}])
    assert (found.verdict, found.events, found.level_percent) == (Verdict.HOLD, ("lid_open",), None)


def test_a_shadow_of_coiote_needs_the_things_name_beside_it() -> None:
    level = {"Actual filling percentage": "53", "Cover open": False, "Timestamp": "2026-11-26T17:00:00Z"}
    temperature = {
        "Sensor Value": "24.57",
        "Sensor Units": "Celsius degrees",
        "Fractional Timestamp": {"noValue": True},
    }
    shadow = {"state": {"reported": {"Filling level": {"0": level}, "Temperature": {"0": temperature}}}}
    found = reading({**shadow, "thing": "bin-7"})
    assert (found.frame.key, found.level_percent, found.temperature_c) == ("bin-7", 53, Decimal("24.57"))
    assert found.measured_at == datetime(2026, 11, 26, 17, tzinfo=UTC)
    assert refused(shadow)[0] == "thing"
    without_a_level = {"state": {"reported": {"Temperature": {"0": temperature}}}}
    assert reading(without_a_level).verdict is Verdict.IGNORE


def test_each_entity_of_a_notification_is_a_reading() -> None:
    entities = [
        {"id": f"urn:ngsi-ld:WasteContainer:{index}", "type": "WasteContainer", "fillingLevel": level}
        for index, level in enumerate([0.1, {"type": "Property", "value": 0.2}, {"type": "Property", "value": None}])
    ]
    found = read({"id": "n", "type": "Notification", "subscriptionId": "s", "notifiedAt": "2026-11-26T17:00:00Z",
                  "data": entities})  # fmt: skip
    assert [each.level_percent for each in found] == [10, 20, None]
    assert [str(each.verdict) for each in found] == ["store", "store", "hold"]
    assert found[2].events == ("no_distance",)


def test_an_event_may_travel_in_a_notification() -> None:
    event = json.loads(body("eventbridge-em500-udl.json"))
    found = reading({"Type": "Notification", "TopicArn": "arn", "Message": json.dumps(event)})
    assert (found.frame.envelopes, found.distance_mm) == (("sns", "eventbridge"), 30)


def test_our_own_form_keeps_its_text_in_an_envelope() -> None:
    own = '{"can_id" : "432", "level":"70.6923704620766500", "weight": 1.50}'
    event = dict.fromkeys(("version", "id", "detail-type", "source", "account", "time", "region", "resources"), "x")
    in_event = json.dumps({**event, "detail": "HERE"}).replace('"HERE"', own)
    in_topic = json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": own})
    for message in (in_event, in_topic, b64(own.encode()), json.dumps(own)):
        (found,) = read(message)
        assert isinstance(found, Report)
        assert (found.level, found.attributes) == ("70.6923704620766500", '{"weight":1.50}')


def test_an_array_may_mix_our_own_reports_and_uplinks() -> None:
    mixed = [{"can_id": "1", "level": 5}, aws(), {"level": 7}, json.loads(body("tts-em310-udl.json")), 7]
    own, uplink, lacking, other, number = read(mixed)
    assert isinstance(own, Report) and own.can_id == "1"
    assert isinstance(uplink, Reading) and isinstance(other, Reading) and uplink.distance_mm == other.distance_mm
    assert isinstance(lacking, InvalidReport) and (lacking.field, lacking.index) == ("can_id", 2)
    assert isinstance(number, InvalidReport) and number.index == 4


def test_a_fault_in_one_uplink_of_an_array_leaves_the_others() -> None:
    broken = aws(PayloadData="not base64!")
    good, bad = read([aws(), broken])
    assert isinstance(good, Reading) and good.verdict is Verdict.STORE
    assert isinstance(bad, InvalidReport) and (bad.field, bad.index) == ("PayloadData", 1)
    assert json.loads(bad.text) == broken


def test_the_word_can_id_in_an_uplink_does_not_make_it_our_own() -> None:
    message = json.loads(body("chirpstack-em400-tld.json"))
    message["deviceInfo"]["tags"] = {"can_id": "paper-22"}
    assert reading(message).distance_mm == 2116


def test_a_sensor_that_is_registered_here_is_read_as_its_model() -> None:
    message = aws(PayloadData=b64(bytes.fromhex("0D4A04D800FFFF01")))
    message["WirelessMetadata"]["LoRaWAN"] |= {"DevEui": "0011223344556677", "FPort": 2}
    (unknown,) = parse(json.dumps(message), NOW)
    assert isinstance(unknown, Reading)
    (found,) = parse(json.dumps(message), NOW, registered={"0011223344556677": "Dragino DDS20-LB"})
    assert isinstance(found, Reading)
    assert (found.model, found.distance_mm) == ("Dragino DDS20-LB", 1240)


def test_bytes_that_fit_several_models_are_held() -> None:
    # A battery alone: three of Decentlab's say it alike.
    message = aws(PayloadData=b64(bytes.fromhex("02012F00020BB1")))
    message["WirelessMetadata"]["LoRaWAN"] |= {"DevEui": "70B3D57BA000012F", "FPort": 1}
    found = reading(message)
    assert (found.verdict, found.model) == (Verdict.HOLD, None)
    assert "register the sensor with its model" in found.reason


def test_an_unknown_sensor_is_held_and_its_key_is_known() -> None:
    message = {"deviceInfo": {"devEui": "0102030405060708"}, "fPort": 9, "data": "AAECAwQ=", "object": {"co2": 400}}
    found = reading(message)
    assert (found.verdict, found.model, found.frame.key) == (Verdict.HOLD, None, "0102030405060708")
    assert found.reason


def test_a_location_of_the_device_wins_over_the_registered_one() -> None:
    message = json.loads(body("tts-wilsen-sonic-level-gps.json"))
    message["uplink_message"]["locations"] = {"user": {"latitude": 1, "longitude": 2}}
    assert reading(message).location == Location(Decimal("49.545327"), Decimal("8.467309"))


@pytest.mark.parametrize("text", ["No Sensor", "Invalid Reading", "out of range"])
def test_a_word_in_place_of_a_distance_is_held(text: str) -> None:
    message = json.loads(body("tts-ldds75-no-sensor.json"))
    message["uplink_message"]["decoded_payload"]["distance"] = text
    found = reading(message)
    assert (found.verdict, found.events) == (Verdict.HOLD, ("sensor_error",))


def test_the_bytes_of_an_ldds75_count_more_than_its_codec() -> None:
    message = json.loads(body("tts-ldds75-no-sensor.json"))
    message["uplink_message"] |= {"frm_payload": b64(bytes.fromhex("0E1C0B05000CCC01"))}
    found = reading(message)
    assert (found.distance_mm, found.temperature_c, found.battery and found.battery.value) == (
        2821,
        None,
        Decimal("3.612"),
    )


@pytest.mark.parametrize(
    ("payload", "events"), [("0E1C0000000CCC01", ("sensor_error",)), ("0E1C0014000CCC01", ("blind_spot",))]
)
def test_draginos_constants_for_no_measurement_are_held(payload: str, events: tuple[str, ...]) -> None:
    message = json.loads(body("tts-ldds75-no-sensor.json"))
    message["uplink_message"] |= {"frm_payload": b64(bytes.fromhex(payload))}
    found = reading(message)
    assert found.verdict is Verdict.HOLD
    assert set(events) <= set(found.events)
    assert found.distance_mm is None


@pytest.mark.parametrize(
    ("raw", "event"), [("FDFF", "no_distance"), ("FEFF", "sensor_error"), ("FFFF", "sensor_error")]
)
def test_a_radar_without_a_target_is_held(raw: str, event: str) -> None:
    message = aws(PayloadData=b64(bytes.fromhex(f"03672C010482{raw}050000")))
    message["WirelessMetadata"]["LoRaWAN"]["DevEui"] = "24E124754E012207"
    found = reading(message)
    assert (found.verdict, found.events, found.temperature_c) == (Verdict.HOLD, (event,), 30)


def test_a_past_row_without_a_usable_time_takes_the_servers_if_it_is_alone() -> None:
    message = json.loads(body("chirpstack-em500-udl-history.json"))
    del message["data"]
    rows = message["object"]["history"]
    rows[0]["timestamp"] = 7
    lost, kept = read(message)
    assert (lost.verdict, lost.clock, lost.distance_mm) == (Verdict.STORE, Clock.SERVER, 1420)
    assert "cannot be right" in lost.notes[-1]
    assert (kept.verdict, kept.clock) == (Verdict.STORE, Clock.DEVICE)


def test_two_past_rows_without_a_usable_time_are_held() -> None:
    message = json.loads(body("chirpstack-em500-udl-history.json"))
    del message["data"]
    for row in message["object"]["history"]:
        row["timestamp"] = "2126-01-01T00:00:00Z"
    found = read(message)
    assert [str(each.verdict) for each in found] == ["hold", "hold"]
    assert all(each.distance_mm is None and "cannot be right" in each.reason for each in found)


def test_metres_of_an_old_codec_are_no_millimetres() -> None:
    message = json.loads(body("eventbridge-em500-udl.json"))
    uplink = message["detail"]["uplink_message"]
    uplink["decoded_payload"] = {"battery": 100, "distance": 0.03}
    assert reading(message).distance_mm == 30
    del uplink["frm_payload"]
    found = reading(message)
    assert (found.verdict, found.events, found.distance_mm) == (Verdict.HOLD, ("sensor_error",), None)


@pytest.mark.parametrize(
    ("measurement", "distance_mm"),
    [
        ({"value": 1.274, "unit": "m"}, 1274),
        ({"value": 127.4, "unit": "cm"}, 1274),
        ({"value": 1.274, "unit": 45}, 1274),
        ({"value": None, "unit": "m"}, None),
    ],
)
def test_a_measurement_that_names_its_unit_is_read_in_it(measurement: dict[str, Any], distance_mm: int | None) -> None:
    fields = {"measurement": measurement, "batteryLevel": 36, "tiltAngle": 9, "namurStatus": "GOOD"}
    found = reading({"deviceInfo": {"devEui": "0102030405060708"}, "fPort": 1, "data": "CA==", "object": fields})
    assert (found.model, found.distance_mm, found.tilt_deg) == ("VEGAPULS Air", distance_mm, 9)
    assert found.verdict is (Verdict.HOLD if distance_mm is None else Verdict.STORE)


def test_a_rule_that_selects_single_members_is_read_as_well() -> None:
    found = reading(
        {"WirelessDeviceId": "x", "PayloadData": b64(EM310), "DevEui": EUI.lower(), "FPort": 85, "FCnt": 7,
         "Timestamp": "2026-11-26T17:59:30Z"}
    )  # fmt: skip
    assert (found.frame.key, found.frame.counter, found.clock, found.distance_mm) == (EUI, 7, Clock.SERVER, 2116)


@pytest.mark.parametrize("point", [{"record": 2116}, {"records": [7, 2116]}, {"records": [{"value": 2116}]}])
def test_a_points_record_is_read_in_each_form(point: dict[str, Any]) -> None:
    message = json.loads(body("thingpark-em310-udl.json"))
    del message["DevEUI_uplink"]["payload"], message["DevEUI_uplink"]["payload_hex"]
    message["DevEUI_uplink"]["points"]["distance"] = {"unitId": "cm", **point}
    assert reading(message).distance_mm == 2116


def test_a_model_is_told_within_its_family_by_its_own_fields() -> None:
    message = aws(PayloadData=b64(bytes.fromhex("040B020150030B07FF06020141B0CCCD03510123")))
    message["WirelessMetadata"]["LoRaWAN"] |= {"DevEui": "000D81FFFE630690", "FPort": 1}
    assert reading(message).model == "Pepperl+Fuchs WILSEN.sonic.distance"


def test_a_model_that_is_wrongly_named_gives_way_to_the_one_that_reads_the_bytes() -> None:
    message = {
        "deviceInfo": {"devEui": EUI.lower(), "deviceProfileName": "Milesight EM310-UDL"},
        "fPort": 85,
        "data": b64(bytes.fromhex("8367E800018482410601")),
    }
    found = reading(message)
    assert (found.model, found.distance_mm, found.temperature_c) == ("Milesight EM400-MUD", 1601, Decimal("23.2"))
    (held,) = parse(json.dumps(message), NOW, registered={EUI: "Milesight EM310-UDL"})
    assert isinstance(held, Reading)
    assert (held.verdict, held.model) == (Verdict.HOLD, "Milesight EM310-UDL")
    assert "unknown tag 8367" in held.reason


def test_a_sensor_whose_maker_is_known_may_send_its_tags_on_another_port() -> None:
    message = aws()
    message["WirelessMetadata"]["LoRaWAN"]["FPort"] = 100
    assert reading(message).distance_mm == 2116
    message["WirelessMetadata"]["LoRaWAN"]["DevEui"] = "0102030405060708"
    assert reading(message).verdict is Verdict.HOLD


def test_a_model_in_the_devices_own_name_tells_how_its_bytes_are_read() -> None:
    message = {"deviceInfo": {"devEui": "0102030405060708"}, "fPort": 2, "data": b64(bytes.fromhex("07D0320E1000"))}
    assert reading(message).verdict is Verdict.HOLD
    message["deviceInfo"]["deviceName"] = "Terabee Level XL 17"  # type: ignore[index]
    found = reading(message)
    assert (found.model, found.distance_mm, found.level_percent) == ("Terabee Level Monitoring XL", 2000, 50)


def test_a_notification_that_holds_no_json_says_so() -> None:
    field, rule = refused({"Type": "Notification", "TopicArn": "arn", "Message": "CgYIARACGAM="})
    assert (field, rule) == ("Message", "must be JSON; ChirpStack's Protocol Buffers are not read")


@pytest.mark.parametrize("past", [7, "no rows", "[1,2],[3,4]", [7], {"distance1_cm": 7}, "[1,2,3,4,5,6]," * 2_000])
def test_past_rows_that_cannot_be_read_are_told_and_not_dropped(past: Any) -> None:
    message = json.loads(body("chirpstack-dds04-lb-datalog.json"))
    del message["data"]
    message["object"]["DATALOG"] = past
    field, rule = refused(message)
    assert field in ("DATALOG", "message") and rule.startswith(("must be rows of", "must hold at most"))
