"""
The stops of a collection list as a GPX 1.1 file: a route, whose points are the stops in the order of their way.

Source: https://www.topografix.com/GPX/1/1/ (the elements' names, their order, and the bounds of degrees).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from rest_framework.renderers import BaseRenderer

from reports.insight.stops import Place
from reports.report import iso
from reports.web.collection_list import Stop

NAMESPACE = "http://www.topografix.com/GPX/1/1"
MEDIA_TYPE = "application/gpx+xml"
#: What XML 1.0 has no way to write, not even escaped. Source: its production 2, Char.
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class GpxRenderer(BaseRenderer):
    """Only a name to ask for: the view itself answers with the file."""

    media_type = MEDIA_TYPE
    format = "gpx"


def gpx_of(stops: Sequence[Stop], name: str, made_at: datetime, start: Place | None) -> bytes:
    """Return the file. stops: those with a place, in the order of their way. start: where it begins and ends."""
    root = Element("gpx", {"xmlns": NAMESPACE, "version": "1.1", "creator": "trashsite"})
    about = SubElement(root, "metadata")
    _text(about, "name", name)
    _text(about, "time", iso(made_at))
    route = SubElement(root, "rte")
    _text(route, "name", name)
    _text(route, "desc", "Stops in a short order as the crow flies; no roads.")
    if start:
        _text(_point(route, start), "name", "Start")
    for stop in stops:
        if stop.place:
            point = _point(route, stop.place)
            facts = stop.facts
            _text(point, "name", f"{stop.number}. {stop.can_id}")
            where = [facts.name, facts.address] if facts else []
            _text(point, "desc", ", ".join(filter(None, [*where, stop.stream, stop.judged.reason])))
            _text(point, "type", stop.judged.why)
    if start:
        _text(_point(route, start), "name", "End")
    body: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return body


def _point(route: Element, place: Place) -> Element:
    lat, lon = place
    # The schema's longitudes end before 180.
    return SubElement(route, "rtept", {"lat": f"{lat:.6f}", "lon": f"{-180.0 if lon >= 180 else lon:.6f}"})


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _NO_CHARACTER.sub("\ufffd", text)
