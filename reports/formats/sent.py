"""Values out of a parsed message: each bounded, None where it is not what it should be. Nothing here raises."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from reports.formats.readings import Location
from reports.report import EPOCH, EPOCH_MS_FROM
from trashsite.json_slices import Number

MAX_TEXT = 128
MAX_DIGITS = 32
#: LoRaWAN carries at most 242 bytes; one NB-IoT datagram fits into 1,500.
MAX_PAYLOAD = 1_500
#: Larger numbers mean nothing in an uplink but epochs in ms, which stay below.
MOST = Decimal("1e15")
LEAST = Decimal("1e-15")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,20}(?:\.[0-9]{1,12})?)\s*([^\s0-9.][^0-9]{0,11})?", re.ASCII)
_EUI = re.compile(r"[0-9A-F]{16}", re.ASCII)


def at(tree: object, *path: str) -> Any:
    """Return what lies at a path of member names, or None."""
    for name in path:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(name)
    return tree


def text(value: object, most: int = MAX_TEXT) -> str | None:
    """Return a string of 1 to `most` characters without control characters; numbers are none."""
    if not isinstance(value, str) or isinstance(value, Number) or not 1 <= len(value) <= most:
        return None
    return None if _CONTROL.search(value) else value


def texts(*values: object) -> tuple[str, ...]:
    """Return those of the values that are texts."""
    return tuple(found for value in values if (found := text(value)) is not None)


def number(value: object) -> Decimal | None:
    """Return a JSON number, or a string that holds only a number, where it is within reach; True is none."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or len(value) > MAX_DIGITS:
        return None
    if isinstance(value, Number):
        return _within(value)
    match = _NUMBER.fullmatch(value)
    return _within(match[1]) if match and not match[2] else None


def quantity(value: object) -> tuple[Decimal, str] | None:
    """Return the number and the unit of a string such as "2000 mm"; the unit of a bare number is empty."""
    if not isinstance(value, str) or isinstance(value, Number):
        plain = number(value)
        return None if plain is None else (plain, "")
    match = _NUMBER.fullmatch(value) if len(value) <= MAX_DIGITS else None
    if match is None or (found := _within(match[1])) is None:
        return None
    return found, (match[2] or "").strip()


def _within(digits: str) -> Decimal | None:
    try:
        found = Decimal(digits)
    except InvalidOperation:
        return None
    # Judged before any arithmetic: eight characters, 1e999990, name a number of a million digits.
    size = abs(found)
    return found if size <= MOST and (size >= LEAST or not size) else None


def whole(value: object, most: int = 2**32) -> int | None:
    """Return an integer from 0 to `most`, also where it is written as a string or as 92.0."""
    found = number(value)
    if found is None or not 0 <= found <= most or found != found.to_integral_value():
        return None
    return int(found)


def instant(value: object) -> datetime | None:
    """Return ISO 8601 (UTC where no zone is named), or an epoch in seconds or milliseconds, as aware UTC."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    epoch = number(value)
    try:
        if epoch is not None:
            return EPOCH + timedelta(microseconds=int(epoch * (10**6 if abs(epoch) < EPOCH_MS_FROM else 1000)))
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def base64_bytes(value: object) -> bytes | None:
    """Return what a base64 string of at most MAX_PAYLOAD bytes holds."""
    if not isinstance(value, str) or len(value) > MAX_PAYLOAD * 4 // 3 + 4:
        return None
    try:
        return b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def hex_bytes(value: object) -> bytes | None:
    """Return what a string of hexadecimal digits holds, also where it is all decimal digits."""
    if not isinstance(value, str) or len(value) > MAX_PAYLOAD * 2 or not value.isascii():
        return None
    try:
        return binascii.unhexlify(value)
    except (binascii.Error, ValueError):
        return None


def eui(value: object) -> str | None:
    """Return a DevEUI as 16 upper-case hex digits; hyphens, colons and base64 of 8 bytes are understood."""
    if not isinstance(value, str) or len(value) > 23:
        return None
    found = value.upper().replace("-", "").replace(":", "")
    if _EUI.fullmatch(found):
        return found
    raw = base64_bytes(value) if len(value) == 12 else None
    return raw.hex().upper() if raw is not None and len(raw) == 8 else None


def place(lat: object, lon: object) -> Location | None:
    """Return a location where both parts are numbers in range; 0, 0 is what a receiver without a fix says."""
    found = number(lat), number(lon)
    if found[0] is None or found[1] is None or not (abs(found[0]) <= 90 and abs(found[1]) <= 180):
        return None
    return Location(found[0], found[1]) if any(found) else None


def first_instant(*values: object) -> datetime | None:
    """Return the first of the values that is an instant."""
    for value in values:
        if (found := instant(value)) is not None:
            return found
    return None


def items(value: object, most: int) -> Sequence[Any]:
    """Return a list's first `most` elements; nothing where it is no list."""
    return value[:most] if isinstance(value, list) else ()
