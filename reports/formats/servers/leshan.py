"""
Eclipse Leshan's notifications, as its demo server writes them: nodes of LwM2M, integers and floats as strings, no time.

Source: eclipse-leshan/leshan, EventServlet; nodes are objects (`instances`), instances (`resources`) or a resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import Frame
from reports.formats.servers import lwm2m
from reports.formats.servers.server import Server, has, identity
from reports.report import InvalidReport

NAME = "leshan"


def _read(message: dict[str, Any], received_at: datetime) -> list[Frame]:
    endpoint, node = identity(message["ep"], "ep"), message["val"]
    # Of several paths at once, the path stands before each node.
    nodes = [(message["res"], node)] if "res" in message else list(node.items()) if isinstance(node, dict) else []
    records = [
        {"n": f"{endpoint}{path}", "v": value}
        for where, each in nodes[: lwm2m.MAX_RECORDS]
        if isinstance(where, str) and len(where) <= 20
        for path, value in _resources(where.rstrip("/"), each)
    ]
    if not nodes:
        raise InvalidReport("val", "must be a node of LwM2M's")
    return lwm2m.frames(NAME, records[: lwm2m.MAX_RECORDS + 1], received_at, {}, endpoint)


def _resources(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield path and value of each single resource at or below a node."""
    parts = sent.at(node, "instances") if sent.at(node, "instances") is not None else sent.at(node, "resources")
    if not isinstance(parts, list):
        if isinstance(node, dict) and "value" in node:
            yield path, node["value"]
        return
    for part in parts[: lwm2m.MAX_RECORDS]:
        if path.count("/") < 4 and (number := sent.whole(sent.at(part, "id"), 65_535)) is not None:
            yield from _resources(f"{path}/{number}", part)


SERVER = Server(NAME, "Eclipse Leshan", "`ep` + `val`", has("ep", "val"), _read, member="val")
