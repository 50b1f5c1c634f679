"""
Reports as FIWARE's WasteContainer, in NGSI-LD's normalized form.

Source: smart-data-models, dataModel.WasteManagement WasteContainer; ETSI GS CIM 009 (a `TimeInstant` is observedAt,
coordinates are GeoJSON's, longitude first).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from reports.formats import beside
from reports.report import Report, iso, percent

PREFIX = "urn:ngsi-ld:WasteContainer:"
CONTEXT = [
    "https://raw.githubusercontent.com/smart-data-models/dataModel.WasteManagement/master/context.jsonld",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
]
#: The model's status for a sensor's event, the more urgent first.
STATUSES = (("fire", "burning"), ("lid_open", "lidOpen"), ("tilt", "dropped"))


def waste_container(report: Report) -> dict[str, Any]:
    """
    Return one can's newest report as an entity.

    fillingLevel is the level's hundredth, 0 to 1, its observedAt the measurement's instant. The id is PREFIX and the
    can's id, percent-encoded. status is there only where a sensor told its state.
    """
    at = {"observedAt": iso(report.measured_at)} if report.measured_at else {}
    entity: dict[str, Any] = {"id": PREFIX + quote(report.can_id, safe=""), "type": "WasteContainer"}
    level = percent(report.level)
    if level is not None:
        entity["fillingLevel"] = {"type": "Property", "value": float(level / 100), "unitCode": "C62", **at}
    temperature_c = beside.temperature_c(report)
    if temperature_c is not None:
        entity["temperature"] = {"type": "Property", "value": temperature_c, "unitCode": "CEL", **at}
    told = beside.events(report)
    if told is not None:
        status = next((status for event, status in STATUSES if event in told), "ok")
        entity["status"] = {"type": "Property", "value": status, **at}
    if report.location:
        lat, lon = report.location
        point = {"type": "Point", "coordinates": [float(lon), float(lat)]}
        entity["location"] = {"type": "GeoProperty", "value": point}
    entity["@context"] = CONTEXT
    return entity
