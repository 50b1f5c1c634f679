"""
The second step: which network server wrote this, and what it says about the frame.

Told by shape alone, in the order of SERVERS: the first whose members are there takes it. None is asked before our own
form has been ruled out.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.formats.readings import Frame
from reports.formats.servers import (
    aws_iot,
    by_names,
    chirpstack,
    coiote,
    fiware,
    iot_creators,
    leshan,
    loriot,
    lwm2m,
    milesight_nb,
    one_nce,
    senml,
    the_things_stack,
    thingpark,
)
from reports.formats.servers.server import Server

#: The order of recognition. No shape of one is a part of another's, but ChirpStack v3's and Milesight's gateway's.
SERVERS: tuple[Server, ...] = (
    the_things_stack.SERVER,
    chirpstack.V4,
    aws_iot.SERVER,
    aws_iot.LAMBDA,
    thingpark.SERVER,
    loriot.SERVER,
    chirpstack.MILESIGHT_GATEWAY,
    chirpstack.V3,
    milesight_nb.SERVER,
    iot_creators.SERVER,
    one_nce.SERVER,
    senml.SERVER,
    lwm2m.SENML,
    lwm2m.PACK,
    lwm2m.JSON,
    leshan.SERVER,
    coiote.SERVER,
    fiware.V2,
    fiware.LD,
    fiware.ENTITY,
    fiware.ENTITIES,
    by_names.SERVER,
)

_MEMBERS = frozenset(server.member for server in SERVERS if server.member)
_TOLD_OTHERWISE = tuple(server for server in SERVERS if not server.member)


def recognise(message: Any) -> Server | None:
    """Return the server that writes messages of this shape, or None; by_names is asked last, and looks farthest."""
    is_nobodys = not isinstance(message, dict) or _MEMBERS.isdisjoint(message)
    for server in _TOLD_OTHERWISE if is_nobodys else SERVERS:
        if (not server.member or server.member in message) and server.fits(message):
            return server
    return None


def read(server: Server, message: Any, received_at: datetime) -> list[Frame]:
    """Return the frames of a message; raises InvalidReport where it lacks what the server always writes."""
    return server.read(message, received_at)
