"""
Bytes to fields, by a layout that is data.

Four kinds: `fields` (one after another), `tags` (channel and type before each value, as Milesight and Elsys do),
`lengths` (length, type, value, as WILSEN does), `words` (groups of values for the flags that are set, as Decentlab
does). The fields are named as the maker's own decoder names them, so that one mapping reads both.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reports.formats.readings import MAX_READINGS

#: Type to its size in bytes; 0 where the file says how many. bcd: a decimal digit in each half of a byte.
TYPES = {
    **{f"{sign}{size * 8}": size for sign in "ui" for size in range(1, 9)},
    **{"f32": 4, "f64": 8},
    **dict.fromkeys(("skip", "hex", "text", "bcd"), 0),
}
KINDS = ("fields", "tags", "lengths", "words")


class Unreadable(ValueError):
    """These bytes do not have this layout: why."""


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One value in the bytes.

    name: empty for what is passed over. at: its first byte, or None for what follows the last. shift, mask: which of
    its bits count, from the lowest; the highest of them is the sign of a signed type. The value is raw * scale + add;
    words: text instead of numbers; absent: raw values that mean that there is none; least, most: raw values beyond
    mean another layout. digits: decimals of a float. is_flag: "true" for any raw value but 0.
    """

    name: str
    kind: str
    size: int
    at: int | None = None
    is_little: bool = False
    shift: int = 0
    mask: int = 0
    scale: Decimal = Decimal(1)
    add: Decimal = Decimal(0)
    words: Mapping[int, str] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    least: int | None = None
    most: int | None = None
    digits: int | None = None
    is_flag: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """
    One kind of frame.

    ports: LoRaWAN ports, none for any. sizes: the least and most bytes. starts: its first bytes. cells: what comes
    first. any_tags: patterns of tags that are not told by all of their bytes, each with its name in the file.
    requires: tags of which one tells the model. rows: cells of rows that follow the cells, each an object of the list
    `rows_name`; tail: cells behind them. row_tags: tags whose values are such a row. flag_size, is_little: the bytes
    of the flags that tell which groups follow. is_telling: whether these bytes tell the model where even the maker is
    unknown. ignored: why such a frame measures nothing, or empty.
    """

    kind: str
    ports: frozenset[int] = frozenset()
    sizes: tuple[int, int] = (1, 65_535)
    starts: bytes = b""
    cells: tuple[Cell, ...] = ()
    tag_size: int = 2
    tags: Mapping[bytes, tuple[Cell, ...]] = field(default_factory=dict)
    any_tags: tuple[tuple[re.Pattern[bytes], bytes, tuple[Cell, ...]], ...] = ()
    requires: frozenset[bytes] = frozenset()
    row_tags: frozenset[bytes] = frozenset()
    rows: tuple[Cell, ...] = ()
    rows_name: str = "history"
    tail: tuple[Cell, ...] = ()
    groups: tuple[tuple[Cell, ...], ...] = ()
    flag_size: int = 2
    is_little: bool = False
    is_telling: bool = True
    ignored: str = ""


def accepts(layout: Layout, payload: bytes, port: int | None) -> bool:
    """Return whether port, length and first bytes allow this layout; an unknown port allows any."""
    return (
        layout.sizes[0] <= len(payload) <= layout.sizes[1]
        and (not layout.ports or port is None or port in layout.ports)
        and payload.startswith(layout.starts)
    )


def decode(layout: Layout, payload: bytes, *, is_telling: bool = False) -> dict[str, Any]:
    """
    Return the fields of a frame that the layout accepts; raises Unreadable where it does not fit to the byte.

    is_telling: whether the bytes have to tell the model too, by the tags that it requires.
    """
    if layout.kind == "fields":
        fields, at = _cells(layout.cells, payload, 0)
        return _rows(layout, payload, at, fields)
    if layout.kind == "tags":
        return _tags(layout, payload, is_telling)
    if layout.kind == "lengths":
        return _lengths(layout, payload)
    return _words(layout, payload)


def _cells(cells: Sequence[Cell], payload: bytes, at: int) -> tuple[dict[str, Any], int]:
    fields: dict[str, Any] = {}
    start = at
    for cell in cells:
        if cell.at is not None:
            at = start + cell.at
        end = at + cell.size
        if end > len(payload):
            raise Unreadable(f"ends before byte {end}")
        if cell.name:
            value = _value(cell, payload[at:end])
            if value is not None:
                fields[cell.name] = value
        at = end
    return fields, at


def _value(cell: Cell, raw: bytes) -> Decimal | str | None:
    if cell.kind == "hex":
        return raw.hex()
    if cell.kind == "text":
        return _text(cell, raw)
    if cell.kind[0] == "f":
        return _real(cell, raw)
    number = _bcd(cell, raw) if cell.kind == "bcd" else _whole(cell, raw)
    if number in cell.absent:
        return None
    if (cell.least is not None and number < cell.least) or (cell.most is not None and number > cell.most):
        raise Unreadable(f"{cell.name} is {number}, which this layout never has")
    if cell.is_flag:
        return "true" if number else "false"
    if cell.words:
        return cell.words.get(number, str(number))
    return number * cell.scale + cell.add


def _whole(cell: Cell, raw: bytes) -> int:
    is_signed = cell.kind[0] == "i"
    number = int.from_bytes(raw, "little" if cell.is_little else "big", signed=is_signed and not cell.mask)
    if cell.mask:
        number = (number >> cell.shift) & cell.mask
        if is_signed and number > cell.mask >> 1:
            number -= cell.mask + 1
    return number


def _real(cell: Cell, raw: bytes) -> Decimal | None:
    (real,) = struct.unpack(("<" if cell.is_little else ">") + ("f" if cell.size == 4 else "d"), raw)
    if real != real or abs(real) > 1e9:
        return None
    # Nine digits tell every float32 from its neighbours.
    found = Decimal(f"{real:.{cell.digits}f}" if cell.digits is not None else f"{real:.9g}")
    return found * cell.scale + cell.add


def _bcd(cell: Cell, raw: bytes) -> int:
    digits = (raw[::-1] if cell.is_little else raw).hex()
    if not digits.isdecimal():
        raise Unreadable(f"{cell.name} is {digits.upper()}, which are no decimal digits")
    return int(digits)


def _text(cell: Cell, raw: bytes) -> str | None:
    found = raw.strip(b"\0 ")
    if not all(32 <= byte < 127 for byte in found):
        raise Unreadable(f"{cell.name} is no text")
    return found.decode() or None


def _rows(layout: Layout, payload: bytes, at: int, fields: dict[str, Any]) -> dict[str, Any]:
    end = len(payload) - sum(cell.size for cell in layout.tail)
    if layout.rows:
        rows: list[dict[str, Any]] = []
        while at < end and len(rows) < MAX_READINGS:
            row, at = _cells(layout.rows, payload[:end], at)
            rows.append(row)
        if rows:
            fields[layout.rows_name] = rows
    if layout.tail:
        behind, at = _cells(layout.tail, payload, at)
        fields |= behind
    if at != len(payload):
        raise Unreadable(f"has {len(payload) - at} bytes more than the layout")
    return fields


def _tags(layout: Layout, payload: bytes, is_telling: bool) -> dict[str, Any]:
    fields, at = _cells(layout.cells, payload, 0)
    rows: list[dict[str, Any]] = []
    is_told = not layout.requires or not is_telling
    while at < len(payload):
        tag = payload[at : at + layout.tag_size]
        cells = layout.tags.get(tag)
        if cells is None:
            tag, cells = _like(layout, tag)
        found, at = _cells(cells, payload, at + layout.tag_size)
        is_told = is_told or tag in layout.requires
        if tag in layout.row_tags:
            rows.append(found)
        else:
            fields.update(found)
    if not is_told:
        raise Unreadable("lacks the tags that tell this model")
    if rows:
        fields[layout.rows_name] = rows
    return fields


def _like(layout: Layout, tag: bytes) -> tuple[bytes, tuple[Cell, ...]]:
    """Return the name and the cells of the first pattern that a tag has."""
    for pattern, name, cells in layout.any_tags:
        if pattern.fullmatch(tag):
            return name, cells
    raise Unreadable(f"has the unknown tag {tag.hex().upper()}")


def _lengths(layout: Layout, payload: bytes) -> dict[str, Any]:
    fields, at = _cells(layout.cells, payload, 0)
    is_known = False
    while at < len(payload):
        end = at + 1 + payload[at]
        tag = payload[at + 1 : at + 1 + layout.tag_size]
        if end > len(payload) or payload[at] < layout.tag_size:
            raise Unreadable(f"ends within the value at byte {at}")
        cells = layout.tags.get(tag)
        # A type that is not known is passed over: its length is told.
        if cells is not None:
            found, stop = _cells(cells, payload[:end], at + 1 + layout.tag_size)
            if stop != end:
                raise Unreadable(f"has a value of another length at byte {at}")
            fields.update(found)
            is_known = True
        at = end
    if not is_known:
        raise Unreadable("has none of the known types")
    return fields


def _words(layout: Layout, payload: bytes) -> dict[str, Any]:
    fields, at = _cells(layout.cells, payload, 0)
    flags = int.from_bytes(payload[at : at + layout.flag_size], "little" if layout.is_little else "big")
    at += layout.flag_size
    if flags >> len(layout.groups):
        raise Unreadable("has a flag that this model does not have")
    for bit, cells in enumerate(layout.groups):
        if flags >> bit & 1:
            found, at = _cells(cells, payload, at)
            fields.update(found)
    if at != len(payload):
        raise Unreadable(f"has {len(payload) - at} bytes more than its flags say")
    return fields
