"""
Coiote's LwM2M in an AWS IoT shadow: objects and resources by name, values as strings.

The thing's name is not in a shadow's document, only in its topic: the rule has to add it, as
`SELECT *, topic(3) AS thing`. Source: NordicSemiconductor/asset-tracker-cloud-aws-coiote-lwm2m-json-converter-js.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import MAX_READINGS, Frame
from reports.formats.servers.server import Server, identity
from reports.report import InvalidReport

NAME = "coiote shadow"
THING = ("thing", "thingName", "thing_name", "clientId", "endpoint")
#: Names of OMA's registry in lower case, as far as a reading needs them.
RESOURCES = {
    "filling level": ("3435", {
        "actual filling percentage": "2", "container full": "5", "container empty": "7",
        "container out of location": "12", "container out of position": "13", "cover open": "21",
        "temperature alarm": "22", "measurement quality indicator": "6042",
    }),
    "temperature": ("3303", {"sensor value": "5700"}),
    "distance": ("3330", {"sensor value": "5700"}),
    "device": ("3", {"battery level": "9", "power source voltage": "7"}),
}  # fmt: skip


def _fits(message: Any) -> bool:
    reported = sent.at(message, "state", "reported")
    return isinstance(reported, dict) and bool(reported)


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    thing = next((message[name] for name in THING if name in message), None)
    shared: dict[str, Any] = {}
    instances: dict[str, tuple[dict[str, Any], datetime | None]] = {}
    for name, parts in list(message["state"]["reported"].items())[:MAX_READINGS]:
        known = RESOURCES.get(name.lower().removesuffix(" sensor"))
        if known is None or not isinstance(parts, dict):
            continue
        number, resources = known
        for instance, values in list(parts.items())[:MAX_READINGS]:
            if not isinstance(values, dict) or sent.text(instance, 32) is None:
                continue
            found = {
                f"{number}/{resources[said.lower()]}": {"value": value, "unit": values.get("Sensor Units")}
                for said, value in values.items()
                if said.lower() in resources and not isinstance(value, dict | list)
            }
            if number == "3435":
                instances[instance] = found, sent.instant(values.get("Timestamp"))
            else:
                shared.update(found)
    if not instances:
        return [Frame(server=NAME, key=sent.text(thing), key_kind="thing", ignored="no filling level (object 3435)")]
    if thing is None:
        raise InvalidReport("thing", "is required: add topic(3) AS thing to the rule, a shadow does not name its thing")
    key = identity(thing, "thing")
    return [
        Frame(
            server=NAME,
            key=key,
            key_kind="thing",
            sent_at=at,
            fields={**shared, **found},
            names=("oma 3435",),
            channel=instance if len(instances) > 1 else None,
        )
        for instance, (found, at) in instances.items()
    ]


SERVER = Server(NAME, "Coiote, an AWS IoT shadow", "`state.reported`", _fits, _read, member="state")
