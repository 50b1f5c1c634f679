"""
What may lie in the queue: our own reports, and the uplinks of sensors that a city can buy.

`parse` asks in this order, and the first that fits takes the message:

1. Our own form: an object with `can_id`, or an array with such an object. A text without these letters is none.
2. Envelopes (unwrap.py), at most three; our own form may lie inside them too.
3. The network server (servers/), by shape alone; an array of no server's is asked element by element.
4. The model (models/), by what the server says, the DevEUI, the fields, the bytes.

What nobody takes is our own form's to refuse, with its field and rule. Pure: reads no clock, asks no network, and
raises nothing for what a device can send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports.formats import models, native, servers
from reports.formats.readings import MAX_READINGS, Frame, Reading, Tell, Verdict
from reports.formats.servers.server import Server
from reports.formats.times import server_time
from reports.formats.unwrap import Opened, may_be_base64, unwrap
from reports.report import InvalidReport, Report, iso
from trashsite import json_slices

__all__ = ["Element", "parse"]

#: What one element of a message becomes.
Element = Report | Reading | InvalidReport

_OWN = '"can_id"'
_CAN_ID = "can_id"
_MISSING = "is required"


@dataclass(slots=True)
class _Own:
    """
    Our own form, asked of a message that has been parsed already.

    text: the body. whole: the JSON value that it is, None where it is none. judged: what it is as our own form, None
    where that was not asked yet.
    """

    received_at: datetime
    check_can_id: Callable[[str], None] | None
    text: str
    whole: json_slices.Value | None
    judged: list[Any] | None

    def judge(self, opened: Opened | None = None) -> list[Any]:
        """Return what a message, or what its envelopes hold, is as our own form. Raises RecursionError."""
        if opened and opened.envelopes:
            text = opened.text[opened.start : opened.end]
            return [*native.parse(text, self.received_at, check_can_id=self.check_can_id)]
        if self.judged is None:
            assert self.whole
            self.judged = [*native.judge(self.text, self.whole, self.received_at, check_can_id=self.check_can_id)]
        return self.judged


def parse(
    body: str | bytes,
    received_at: datetime,
    *,
    registered: Mapping[str, str] | None = None,
    check_can_id: Callable[[str], None] | None = None,
    tell: Tell | None = None,
) -> list[Element]:
    """
    Read a message body: what each of its elements becomes, in the order sent.

    received_at: when the queue took the message; counts where a message tells no time. registered: the model's name of
    each sensor's key, where it is known here. check_can_id: as native.parse takes it, for our own form alone. tell: is
    told each step and why; nothing is said where it is None.
    Never raises for what a device can send. At most MAX_READINGS readings, or one InvalidReport in their place.
    """
    judged: list[Any] | None = None
    try:
        text, whole = native.read(body)
        if _OWN in text:
            judged = native.judge(text, whole, received_at, check_can_id=check_can_id)
            # A plain loop: this runs for each message of our own devices.
            for element in judged:
                if type(element) is InvalidReport and element.rule == _MISSING and element.field == _CAN_ID:
                    break
            else:
                if tell:
                    tell("own", "our own form: it has can_id")
                return [*judged]
        own = _Own(received_at, check_can_id, text, whole, judged)
    except (ValueError, RecursionError) as error:
        # How to say so is our own form's, unless this is base64 of something else.
        refused = native.unreadable(error, body)
        if not may_be_base64(refused.text):
            if tell:
                tell("own", f"no JSON that can be read ({type(error).__name__}): refused as our own form")
            return [refused]
        own = _Own(received_at, check_can_id, refused.text, None, [refused])
    try:
        return _unwrapped(own, registered or {}, tell)
    except InvalidReport as error:
        return [_refused(error, own.text, tell)]
    except RecursionError as error:
        # Parsed once, and too deep to be parsed again from here.
        return [native.unreadable(error, body)]


def _refused(error: InvalidReport, text: str, tell: Tell | None) -> InvalidReport:
    if tell:
        tell("refused", str(error))
    error.text = text
    return error


def _unwrapped(own: _Own, registered: Mapping[str, str], tell: Tell | None) -> list[Element]:
    """Return what a message becomes that is not our own form at first sight. Raises InvalidReport, RecursionError."""
    try:
        opened = unwrap(own.text, own.whole, tell)
    except InvalidReport:
        raise
    except (ValueError, RecursionError) as error:
        if tell:
            tell("own", f"no JSON that can be read ({type(error).__name__}): refused as our own form")
        return own.judge()
    return _opened(opened, own, registered, tell)


def _opened(opened: Opened, own: _Own, registered: Mapping[str, str], tell: Tell | None) -> list[Element]:
    received_at = own.received_at
    if opened.ignored:
        *outer, name = opened.envelopes
        frame = Frame(server=name, key=None, key_kind=None, ignored=opened.ignored, envelopes=tuple(outer))
        return [*_read_frame(frame, received_at, registered, tell)]
    message = opened.parsed
    if _is_own(message):
        if not opened.envelopes and isinstance(message, list):
            return _each(opened, own, registered, tell)
        if tell:
            tell("own", "our own form: it has can_id")
        return [*own.judge(opened)]
    server = servers.recognise(message)
    if server is not None:
        return _uplink(server, message, opened, received_at, registered, tell)
    if isinstance(message, list) and len(message) > 0:
        return _each(opened, own, registered, tell)
    if tell:
        tell("server", "no server's shape, and no can_id: refused as our own form")
    refused = own.judge(opened)
    for each in refused:
        # A person who looks at it, and a redrive, need what was sent.
        if opened.envelopes and isinstance(each, InvalidReport) and each.index is None:
            each.text = own.text
    return refused


def _each(opened: Opened, own: _Own, registered: Mapping[str, str], tell: Tell | None) -> list[Element]:
    """Judge an array's elements one by one: our own form first, and what it misses a server may know."""
    elements: list[Element] = []
    count = 0
    for index, judged in enumerate(own.judge(opened)):
        server = None
        if _lacks_can_id(judged) and isinstance(judged, InvalidReport) and judged.index is not None:
            server = servers.recognise(opened.parsed[index])
        if server is None:
            elements.append(judged)
            continue
        assert isinstance(judged, InvalidReport)
        try:
            readings = _uplink(server, opened.parsed[index], opened, own.received_at, registered, tell)
        except InvalidReport as error:
            readings = [InvalidReport(error.field, error.rule, text=judged.text, index=index)]
        count += len(readings)
        if count > MAX_READINGS:
            raise InvalidReport("message", f"must hold at most {MAX_READINGS} readings")
        elements.extend(readings)
    return elements


def _uplink(
    server: Server,
    message: Any,
    opened: Opened,
    received_at: datetime,
    registered: Mapping[str, str],
    tell: Tell | None,
) -> list[Element]:
    if tell:
        tell("server", f"{server.title}, told by {server.told_by}")
    frames = servers.read(server, message, received_at)
    elements: list[Element] = []
    for frame in frames:
        enveloped = frame._replace(envelopes=opened.envelopes) if opened.envelopes else frame
        elements.extend(_read_frame(enveloped, received_at, registered, tell))
        if len(elements) > MAX_READINGS:
            raise InvalidReport("message", f"must hold at most {MAX_READINGS} readings")
    return elements


def _read_frame(frame: Frame, received_at: datetime, registered: Mapping[str, str], tell: Tell | None) -> list[Reading]:
    measured_at, clock, note = server_time(frame.sent_at, received_at)
    if tell and frame.key:
        tell("server", f"sensor {frame.key} ({frame.key_kind}), frame {frame.counter}, port {frame.port}")
    if tell:
        tell("server", note or f"measured at {iso(measured_at)}, the {clock}'s time")
    ignored = frame.ignored or _carries_nothing(frame)
    if ignored:
        if tell:
            tell("server", f"ignored: {ignored}")
        return [
            Reading(
                verdict=Verdict.IGNORE, frame=frame, measured_at=measured_at, clock=clock, reason=ignored,
                battery=frame.battery, notes=(note,) if note else (),
            )
        ]  # fmt: skip
    chosen = models.choose(frame, registered.get(frame.key or ""), tell)
    return models.interpret(frame, chosen, measured_at, clock, notes=(note,) if note else (), tell=tell)


def _carries_nothing(frame: Frame) -> str:
    """Return why an uplink measures nothing, whatever its model, or nothing."""
    if frame.port == 0:
        return "a frame of LoRaWAN's own, on port 0"
    return "" if frame.payload or frame.fields else "a frame without data"


def _is_own(message: Any) -> bool:
    if isinstance(message, list):
        return any(isinstance(each, dict) and "can_id" in each for each in message)
    return isinstance(message, dict) and "can_id" in message


def _lacks_can_id(element: object) -> bool:
    return isinstance(element, InvalidReport) and element.rule == _MISSING and element.field == _CAN_ID
