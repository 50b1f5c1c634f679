"""
Reports as a SenML pack of OMA's object 3435, the filling level.

Sources: RFC 8428 (names, base time), RFC 8798 (the unit /100), OpenMobileAlliance/lwm2m-registry 3435.xml and 3303.xml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from reports.formats import beside
from reports.report import EPOCH, Report, json_number, percent

#: Resources of 3435 that are events of a sensor.
ALARMS = (("13", "tilt"), ("21", "lid_open"), ("22", "fire"))

#: RFC 8428, 4.5.1: a name has no other characters; the underscore begins what is escaped.
_ESCAPED = re.compile(r"[^A-Za-z0-9:.-]")


def pack(reports: Iterable[Report], *, is_full: Callable[[Report], bool]) -> list[dict[str, Any]]:
    """
    Return the records of any number of cans.

    Each can's base name is its id with `/3435/0/`; characters that a name must not have become _ and their bytes in
    hex. Resource 2 is the level in percent, 5 whether the can is full: by a threshold of its own.
    """
    records: list[dict[str, Any]] = []
    for report in reports:
        level = percent(report.level)
        if level is None:
            continue
        name = _name(report.can_id)
        first: dict[str, Any] = {"bn": f"{name}/3435/0/", "n": "2", "u": "/100", "v": json_number(level)}
        # Without a time a record says "now": a report that has none is told at 0, which is that as well.
        first["bt"] = (report.measured_at - EPOCH).total_seconds() if report.measured_at else 0
        records += [first, {"n": "5", "vb": is_full(report)}]
        told = beside.events(report)
        if told is not None:
            records += [{"n": resource, "vb": event in told} for resource, event in ALARMS]
        temperature_c = beside.temperature_c(report)
        if temperature_c is not None:
            records.append({"bn": f"{name}/3303/0/", "n": "5700", "u": "Cel", "v": temperature_c})
    return records


def _name(can_id: str) -> str:
    found = _ESCAPED.sub(lambda match: "".join(f"_{byte:02X}" for byte in match[0].encode()), can_id)
    # A name begins with a letter or a digit.
    return found if found[0].isalnum() else f"can:{found}"
