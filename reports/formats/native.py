"""
The project's own format: what a device sends, one definition for the worker, the API and the simulator.

A message body is one report or a JSON array of them; a report is
`{"can_id": "432", "level": "70.69", "measured_at": "2026-11-24T09:30:00Z", ...further attributes}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring_ascii
from typing import Any

from reports.report import (
    CAN_ID,
    CAN_ID_RULE,
    EARLIEST,
    EPOCH,
    EPOCH_MS_FROM,
    MAX_AHEAD,
    MAX_LEVEL,
    MAX_NESTING,
    MAX_REPORT_BYTES,
    MAX_REPORTS,
    MAX_STREAM,
    InvalidReport,
    Report,
    iso,
)
from trashsite import json_slices
from trashsite.json_slices import NUMBER, Flaw, Number

#: A larger number is no epoch: 1e15 ms is far past the year 9999.
EPOCH_MOST = Decimal("1e15")

MEMBERS = frozenset({"can_id", "level", "measured_at"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def parse(
    body: str | bytes, received_at: datetime, *, check_can_id: Callable[[str], None] | None = None
) -> list[Report | InvalidReport]:
    """
    Return each report of a message body, or in its place an InvalidReport, in the order sent.

    received_at: when the queue first received the message. It replaces a missing measured_at, and measured_at must
    be in 2000 or later, and at most 5 minutes after it; so a redelivery gives the same result. Reads no clock.
    check_can_id: raises InvalidReport for the id of a can that must not be reported.
    Never raises for what a device can send: a body that is not JSON is one InvalidReport with index None.
    """
    try:
        text, whole = read(body)
        return judge(text, whole, received_at, check_can_id=check_can_id)
    except (ValueError, RecursionError) as error:
        return [unreadable(error, body)]


def read(body: str | bytes) -> tuple[str, json_slices.Value]:
    """Return a body as text, and the one JSON value that it is. Raises ValueError or RecursionError."""
    text = body if isinstance(body, str) else body.decode()
    whole = json_slices.value(text)
    json_slices.finish(text, whole.end)
    return text, whole


def unreadable(error: ValueError | RecursionError, body: str | bytes) -> InvalidReport:
    """Return why a body cannot be read, given what `read` raised."""
    rule = f"must not nest deeper than {MAX_NESTING}"
    if isinstance(error, UnicodeDecodeError):
        rule = f"must be UTF-8 (byte {error.start} is not)"
    elif isinstance(error, json.JSONDecodeError):
        rule = f"must be JSON: {error.msg.lower()} at character {error.pos}"
    return InvalidReport("message", rule, text=body if isinstance(body, str) else body.decode(errors="replace"))


def judge(
    text: str,
    whole: json_slices.Value,
    received_at: datetime,
    *,
    check_can_id: Callable[[str], None] | None = None,
) -> list[Report | InvalidReport]:
    """
    Return what `parse` returns of a text, given what `read` made of it. Raises RecursionError.

    So a text that turns out to be a server's, or nobody's, is parsed once.
    """
    if not isinstance(whole.parsed, list):
        return [_report_or_invalid(text, whole, None, received_at, check_can_id)]
    if not 1 <= len(whole.parsed) <= MAX_REPORTS:
        return [InvalidReport("message", f"an array must hold 1 to {MAX_REPORTS} reports", text=text)]
    return [
        _report_or_invalid(text, element, index, received_at, check_can_id)
        for index, element in enumerate(json_slices.elements(text, whole.start))
    ]


def dump(report: Report) -> str:
    """Return the JSON text that a device sends for this report: can_id, level, measured_at, then its attributes."""
    members = [f'"can_id":{json.dumps(report.can_id)}', f'"level":{json.dumps(report.level)}']
    if report.measured_at is not None:
        members.append(f'"measured_at":"{iso(report.measured_at)}"')
    attributes = report.attributes.strip()[1:-1].strip()
    return "{" + ",".join([*members, attributes] if attributes else members) + "}"


def with_stream_and_location(report: Report) -> Report:
    """Return a report that was stored without its stream and location with these, where its attributes tell them."""
    try:
        fields = json_slices.value(report.attributes).parsed
    except (ValueError, RecursionError):
        return report
    if not isinstance(fields, dict):
        return report
    return replace(report, stream=_stream(fields.get("stream")), location=_location(fields.get("location")))


def _report_or_invalid(
    text: str,
    sent: json_slices.Value,
    index: int | None,
    received_at: datetime,
    check_can_id: Callable[[str], None] | None,
) -> Report | InvalidReport:
    try:
        report = _report(text, sent, received_at)
        if check_can_id:
            check_can_id(report.can_id)
        return report
    except InvalidReport as error:
        error.index = index
        error.text = text if index is None else text[sent.start : sent.end]
        if isinstance(sent.parsed, dict):
            with suppress(InvalidReport):
                error.can_id = _can_id(sent.parsed)
        return error


def _report(text: str, sent: json_slices.Value, received_at: datetime) -> Report:
    fields = sent.parsed
    if isinstance(fields, Flaw):
        raise InvalidReport(fields.name or "report", fields.rule)
    if not isinstance(fields, dict):
        raise InvalidReport("report", "must be a JSON object")
    own = text[sent.start : sent.end]
    is_ascii = own.isascii()
    if (len(own) if is_ascii else len(own.encode(errors="surrogatepass"))) > MAX_REPORT_BYTES:
        raise InvalidReport("report", f"must be at most {MAX_REPORT_BYTES} bytes")
    # JSON allows NUL, and ASCII a surrogate, as an escape alone: then all strings are as they should be.
    is_plain = is_ascii and "\\" not in own
    for name, member in fields.items():
        if not is_plain:
            _check_characters("report", name)
        if not (is_plain and isinstance(member, str)):
            _check_member(name, member)
    extra = fields.keys() - MEMBERS
    attributes = "{}"
    if extra:
        attributes = "{" + ",".join(_texts(text, sent, extra)) + "}"
    return Report(
        can_id=_can_id(fields),
        level=_level(fields),
        measured_at=_measured_at(fields, received_at),
        received_at=received_at,
        attributes=attributes,
        stream=_stream(fields.get("stream")),
        location=_location(fields.get("location")),
    )


def _texts(text: str, sent: json_slices.Value, names: set[str]) -> Iterator[str]:
    for name, member in json_slices.members(text, sent.start):
        if name in names:
            yield f"{encode_basestring_ascii(name)}:{member}"


def _check_member(name: str, member: object) -> None:
    """Refuse flaws, NUL and lone surrogates at any depth, and what nests past MAX_NESTING (the report is 1)."""
    layer, nesting = [member], 1
    while layer:
        nesting += 1
        inner: list[object] = []
        for each in layer:
            if isinstance(each, Flaw):
                raise InvalidReport(each.name or name, each.rule)
            if isinstance(each, str):
                _check_characters(name, each)
            elif isinstance(each, dict | list):
                if nesting > MAX_NESTING:
                    raise InvalidReport(name, f"must not nest deeper than {MAX_NESTING}")
                if isinstance(each, dict):
                    for key in each:
                        _check_characters(name, key)
                inner.extend(each.values() if isinstance(each, dict) else each)
        layer = inner


def _check_characters(name: str, sent: str) -> None:
    if not sent.isascii() and _SURROGATE.search(sent):
        raise InvalidReport(name, "must not hold a lone surrogate")
    if "\x00" in sent:
        raise InvalidReport(name, "must not hold the character NUL")


def _required(fields: dict[str, Any], name: str) -> Any:
    if name not in fields:
        raise InvalidReport(name, "is required")
    return fields[name]


def _can_id(fields: dict[str, Any]) -> str:
    sent = _required(fields, "can_id")
    if not isinstance(sent, str):
        raise InvalidReport("can_id", "must be a string or an integer")
    if isinstance(sent, Number) and not re.fullmatch(r"-?[0-9]+", sent):
        raise InvalidReport("can_id", "must be an integer where it is a number")
    can_id = str(sent).strip()
    if not CAN_ID.match(can_id):
        raise InvalidReport("can_id", CAN_ID_RULE)
    return can_id


def _level(fields: dict[str, Any]) -> str:
    sent = _required(fields, "level")
    if not isinstance(sent, str):
        raise InvalidReport("level", "must be a string or a number")
    if len(sent) > MAX_LEVEL:
        raise InvalidReport("level", f"must have at most {MAX_LEVEL} characters")
    if not NUMBER.fullmatch(sent):
        raise InvalidReport("level", "must be a number in JSON's grammar")
    if not 0 <= _decimal("level", sent) <= 100:
        raise InvalidReport("level", "must be from 0 to 100 percent")
    return str(sent)


def _decimal(field: str, sent: str) -> Decimal:
    try:
        return Decimal(sent)
    except InvalidOperation:
        raise InvalidReport(field, "has an exponent out of range") from None


def _measured_at(fields: dict[str, Any], received_at: datetime) -> datetime:
    sent = fields.get("measured_at")
    if sent is None:
        return received_at
    if not isinstance(sent, str) or len(sent) > 64:
        raise InvalidReport("measured_at", "must be ISO 8601 with a zone, or an epoch in seconds or milliseconds")
    measured_at = _from_epoch(sent) if NUMBER.fullmatch(sent) else _from_iso(sent)
    if measured_at < EARLIEST:
        raise InvalidReport("measured_at", "must be 2000-01-01 or later: the device's clock is not set")
    if measured_at - received_at > MAX_AHEAD:
        raise InvalidReport("measured_at", "must be at most 5 minutes after the message was received")
    return measured_at


def _from_epoch(sent: str) -> datetime:
    epoch = _decimal("measured_at", sent)
    # Checked before it becomes an int: the eight characters 1e999990 are one of a million digits (28 s of CPU).
    if not -EPOCH_MOST <= epoch <= EPOCH_MOST:
        raise InvalidReport("measured_at", "is out of range")
    try:
        micros = epoch * (1_000_000 if abs(epoch) < EPOCH_MS_FROM else 1_000)
        return EPOCH + timedelta(microseconds=int(micros))
    except (OverflowError, ArithmeticError):
        raise InvalidReport("measured_at", "is out of range") from None


def _from_iso(sent: str) -> datetime:
    try:
        instant = datetime.fromisoformat(sent)
        if instant.tzinfo is None:
            raise InvalidReport("measured_at", "must name its zone, as Z or +01:00")
        return instant.astimezone(UTC)
    except InvalidReport:
        raise
    except (ValueError, OverflowError):
        raise InvalidReport("measured_at", "must be ISO 8601 with a zone") from None


def _stream(sent: object) -> str | None:
    """Return the waste stream that the attributes name, None where its value is not usable: it stays an attribute."""
    if not isinstance(sent, str) or isinstance(sent, Number):
        return None
    stream = sent.strip()
    if not 1 <= len(stream) <= MAX_STREAM or _CONTROL.search(stream):
        return None
    return stream


def _location(sent: object) -> tuple[Decimal, Decimal] | None:
    """Return latitude and longitude of {"lat": 50.08, "lon": 14.43} in degrees, None where one is not valid."""
    if not isinstance(sent, dict):
        return None
    lat, lon = sent.get("lat"), sent.get("lon")
    for part in (lat, lon):
        if not isinstance(part, str) or len(part) > MAX_LEVEL or not NUMBER.fullmatch(part):
            return None
    try:
        place = Decimal(str(lat)), Decimal(str(lon))
    except InvalidOperation:
        return None
    return place if abs(place[0]) <= 90 and abs(place[1]) <= 180 else None
