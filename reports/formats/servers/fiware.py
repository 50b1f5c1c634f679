"""
FIWARE's context brokers: notifications of Orion (NGSI v2) and of NGSI-LD brokers, and bare NGSI-LD entities.

Coordinates are GeoJSON's, longitude first. Sources: fiware-orion, walkthrough_apiv2.md; ETSI GS CIM 009;
smart-data-models, dataModel.WasteManagement.
"""

from __future__ import annotations

from typing import Any

from reports.formats import sent
from reports.formats.readings import MAX_READINGS, Frame, Location
from reports.formats.servers.server import Server, has, identity
from reports.report import InvalidReport

#: The attribute whose time is the reading's.
LEVEL = "fillingLevel"
CONTAINER = "WasteContainer"


def _notified(server: str, message: dict[str, Any]) -> list[Frame]:
    entities = message["data"]
    if not isinstance(entities, list):
        raise InvalidReport("data", "must be an array of entities")
    if not entities:
        return [Frame(server=server, key=None, key_kind="entity_id", ignored="no entity")]
    return _entities(server, entities, "data", message.get("notifiedAt"))


def _entities(server: str, entities: list[Any], where: str, notified_at: object) -> list[Frame]:
    if len(entities) > MAX_READINGS:
        raise InvalidReport(where or "message", f"must hold at most {MAX_READINGS} entities")
    return [_entity(server, entity, f"{where}[{index}]", notified_at) for index, entity in enumerate(entities)]


def _entity(server: str, entity: Any, where: str, notified_at: object) -> Frame:
    if not isinstance(entity, dict):
        raise InvalidReport(where, "must be an object")
    # A broker that was told no context writes names as addresses: https://.../fillingLevel.
    entity = {_short(name): value for name, value in entity.items()}
    key = identity(entity.get("id"), f"{where}.id")
    kind = sent.text(entity.get("type")) or ""
    level = entity.get(LEVEL)
    sent_at = sent.first_instant(
        sent.at(level, "observedAt"),
        sent.at(level, "metadata", "TimeInstant", "value"),
        _value(entity.get("TimeInstant")),
        _value(entity.get("dateObserved")),
        _value(entity.get("dateLastUpdate")),
        notified_at,
    )
    if _short(kind) != CONTAINER:
        return Frame(
            server=server, key=key, key_kind="entity_id", sent_at=sent_at, ignored=f"an entity that is no {CONTAINER}"
        )
    return Frame(
        server=server,
        key=key,
        key_kind="entity_id",
        sent_at=sent_at,
        fields={name: _value(value) for name, value in entity.items() if name not in ("id", "type", "@context")},
        names=(CONTAINER,),
        registered=_place(_value(entity.get("location"))),
    )


def _short(name: str) -> str:
    return name.rpartition("/")[2].rpartition("#")[2] if name.startswith("http") else name


def _value(attribute: object) -> Any:
    if isinstance(attribute, dict):
        return attribute.get("value", attribute.get("object"))
    return attribute


def _place(value: object) -> Location | None:
    coordinates = sent.at(value, "coordinates")
    if sent.at(value, "type") != "Point" or not isinstance(coordinates, list) or not 2 <= len(coordinates) <= 3:
        return None
    return sent.place(coordinates[1], coordinates[0])


def _is_notification(message: Any) -> bool:
    return has("subscriptionId", "data")(message)


def _is_linked_notification(message: Any) -> bool:
    return _is_notification(message) and message.get("type") == "Notification"


def _is_container(message: Any) -> bool:
    return has("id", "type", LEVEL)(message)


V2 = Server(
    "fiware orion ngsi-v2",
    "FIWARE Orion, NGSI v2",
    "`subscriptionId` + `data`",
    lambda message: _is_notification(message) and not _is_linked_notification(message),
    lambda message, _: _notified("fiware orion ngsi-v2", message),
    member="subscriptionId",
)
LD = Server(
    "fiware ngsi-ld",
    "FIWARE, NGSI-LD",
    "the same + `type` Notification",
    _is_linked_notification,
    lambda message, _: _notified("fiware ngsi-ld", message),
    member="subscriptionId",
)
ENTITY = Server(
    "fiware ngsi-ld",
    "A bare NGSI-LD entity",
    "`id` + `type` + `fillingLevel`",
    _is_container,
    lambda message, _: [_entity("fiware ngsi-ld", message, "", None)],
    member=LEVEL,
)
ENTITIES = Server(
    "fiware ngsi-ld",
    "An array of such entities",
    "the same in its first element",
    lambda message: isinstance(message, list) and bool(message) and _is_container(message[0]),
    lambda message, _: _entities("fiware ngsi-ld", message, "", None),
)
