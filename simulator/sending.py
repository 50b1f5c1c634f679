"""What is sent to the queue: a report as its device writes it, alone or in an array with others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reports.formats import native
from reports.report import Report
from simulator import uplinks
from simulator.fleet import Measurement, Place

#: Reports older than this are sent in arrays of so many, as by a gateway that could not send for a while.
HELD_BACK = timedelta(hours=1)
ARRAY = 25


@dataclass(frozen=True, slots=True)
class Sending:
    """
    A report to send.

    due_at: when to send it, on the simulated clock. body: all that the device sends. lab: exactly the lab's two
    fields, in the lab's bytes. place: its position in its fleet's order; None outside a fleet.
    """

    measured_at: datetime
    due_at: datetime
    body: str
    lab: str
    place: Place | None = None


def of_measurement(measured: Measurement) -> Sending:
    """Return a measurement as its device sends it: with stream and location as attributes."""
    can, at = measured.can, measured.measured_at
    lat, lon = can.location
    events = f',"events":{json.dumps(measured.events)}' if measured.events else ""
    attributes = f'{{"stream":{json.dumps(can.stream)},"location":{{"lat":{lat},"lon":{lon}}}{events}}}'
    body = native.dump(Report(can.can_id, measured.level, at, at, attributes))
    return Sending(at, at, body, lab(can.can_id, measured.level), measured.place)


def of_uplink(measured: Measurement) -> Sending:
    """Return a measurement of a bought sensor as its network server passes it on."""
    at = measured.measured_at
    return Sending(at, at, uplinks.uplink(measured.can.number, measured.level, at), "", measured.place)


def of_report(report: Report, measured_at: datetime, due_at: datetime) -> Sending:
    """Return a report that was read from a file, to be sent when it is due."""
    return Sending(measured_at, due_at, native.dump(report), lab(report.can_id, report.level))


def lab(can_id: str, level: str) -> str:
    """Return the text that the lab's sim.js publishes: two fields, a blank after the comma."""
    return f'{{"can_id":{json.dumps(can_id)}, "level":{json.dumps(level)}}}'


def bodies(sendings: Sequence[Sending], now: datetime, *, form: str) -> list[str]:
    """
    Return the message bodies that carry these reports, in their order.

    A fresh report is a message; old ones are sent in arrays: a week of 500 cans took the local queue 1.8 s so, and
    6.0 s with a message each (2026-11-24, 33,614 reports). The lab's devices and network servers send no arrays.

    form: of Arguments.format.
    """
    if form == "lab":
        return [sending.lab for sending in sendings]
    if form == "uplinks":
        return [sending.body for sending in sendings]
    texts: list[str] = []
    held_back: list[str] = []
    for sending in sendings:
        (held_back if now - sending.measured_at > HELD_BACK else texts).append(sending.body)
    arrays = [f"[{','.join(held_back[first : first + ARRAY])}]" for first in range(0, len(held_back), ARRAY)]
    return arrays + texts
