"""
AWS IoT Core for LoRaWAN, as a rule's SELECT * sends it; what a rule adds beside it is left alone.

PayloadData is never decoded by AWS. A rule that calls a Lambda puts the decoded fields beside the message, under names
of its own: the ones known here are the AWS samples'. Source: AWS, "Format of uplink messages"; aws-iot-core-lorawan.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import Frame
from reports.formats.servers.server import Server, decoded, dev_eui, has, identity, payload
from reports.report import InvalidReport

NAME = "aws-iot-lorawan"
#: Where a rule puts what its Lambda decoded, as far as samples show.
DECODED = ("transformed_payload", "decoded_payload", "decoded")


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    radio = sent.at(message, "WirelessMetadata", "LoRaWAN")
    if not isinstance(radio, dict):
        # A rule that selects single members puts them beside the payload.
        radio = message
    if "DevEui" in radio:
        key, kind = dev_eui(radio["DevEui"], "WirelessMetadata.LoRaWAN.DevEui"), "dev_eui"
    else:
        key, kind = identity(message.get("WirelessDeviceId"), "WirelessDeviceId"), "wireless_device_id"
    return [
        Frame(
            server=NAME,
            key=key,
            key_kind=kind,
            sent_at=sent.first_instant(radio.get("Timestamp")),
            counter=sent.whole(radio.get("FCnt")),
            # AWS's own samples write FPort and Fport.
            port=sent.whole(radio.get("FPort", radio.get("Fport")), 255),
            payload=payload(message.get("PayloadData"), "PayloadData"),
            fields=next((fields for name in DECODED if (fields := decoded(message.get(name)))), None),
            rssi_dbm=sent.number(sent.at(next(iter(sent.items(radio.get("Gateways"), 1)), None), "Rssi")),
        )
    ]


def _read_lambda(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    inner = message["lns_payload"]
    if not isinstance(inner, dict):
        raise InvalidReport("lns_payload", "must be an object")
    return _read({**inner, "transformed_payload": message["transformed_payload"]}, received_at)


SERVER = Server(
    NAME,
    "AWS IoT Core for LoRaWAN",
    "`WirelessDeviceId` or `WirelessMetadata`, + `PayloadData`",
    lambda message: has("PayloadData")(message) and ("WirelessMetadata" in message or "WirelessDeviceId" in message),
    _read,
    member="PayloadData",
)
LAMBDA = Server(
    NAME,
    "AWS IoT Core for LoRaWAN, decoded by the AWS samples' Lambda",
    "`transformed_payload` + `lns_payload`",
    has("transformed_payload", "lns_payload"),
    _read_lambda,
    member="lns_payload",
)
