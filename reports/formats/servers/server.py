"""What is said of each network server: its name, its shape, and how its messages are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports.formats import sent
from reports.formats.readings import Frame
from reports.report import InvalidReport


@dataclass(frozen=True, slots=True)
class Server:
    """
    One network server's way to write an uplink.

    name: as answers show it. title, told_by: for people, in docs/sensors.md. fits: whether a parsed value has its
    shape. read: its frames, bounded by MAX_READINGS; raises InvalidReport. member: one that all of its messages have,
    so that most of what is nobody's is refused by a look at its names; "" where no single one tells it.
    """

    name: str
    title: str
    told_by: str
    fits: Callable[[Any], bool]
    read: Callable[[Any, datetime], list[Frame]]
    member: str = ""


def has(*names: str) -> Callable[[Any], bool]:
    """Return a test whether a value is an object with all of these members."""

    def fits(message: Any) -> bool:
        return isinstance(message, dict) and all(name in message for name in names)

    return fits


def dev_eui(value: object, field: str) -> str:
    """Return a DevEUI that has to be there; raises InvalidReport."""
    if value is None:
        raise InvalidReport(field, "is required")
    found = sent.eui(value)
    if found is None:
        raise InvalidReport(field, "must be a DevEUI of 16 hexadecimal digits")
    return found


def identity(value: object, field: str) -> str:
    """Return an id of 1-128 characters that has to be there, digits too; raises InvalidReport."""
    if value is None:
        raise InvalidReport(field, "is required")
    found = sent.text(str(value)) if isinstance(value, str) else None
    if found is None or not found.strip():
        raise InvalidReport(field, f"must be a string of 1 to {sent.MAX_TEXT} characters")
    return found.strip()


def payload(value: object, field: str, *, is_hex: bool = False) -> bytes:
    """Return a frame's bytes, none where the member is missing or empty; raises InvalidReport."""
    if value is None or value == "":
        return b""
    found = sent.hex_bytes(value) if is_hex else sent.base64_bytes(value)
    if found is None:
        form = "hexadecimal digits" if is_hex else "base64"
        raise InvalidReport(field, f"must be {form} of at most {sent.MAX_PAYLOAD} bytes")
    return found


def decoded(value: object) -> dict[str, Any] | None:
    """Return what a server decoded; an empty object is none."""
    return value if isinstance(value, dict) and value else None
