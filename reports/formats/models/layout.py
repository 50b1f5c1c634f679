"""
Bytes to fields, by a layout that is data.

Four kinds: `fields` (one after another), `tags` (channel and type before each value, as Milesight and Elsys do),
`lengths` (length, type, value, as WILSEN does), `words` (groups of 16-bit words for the flags that are set, as
Decentlab does). The fields are named as the maker's own decoder names them, so that one mapping reads both.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reports.formats.readings import MAX_READINGS

#: Type to its size in bytes.
TYPES = {"u8": 1, "u16": 2, "u24": 3, "u32": 4, "i8": 1, "i16": 2, "i24": 3, "i32": 4, "f32": 4, "skip": 0, "hex": 0}
KINDS = ("fields", "tags", "lengths", "words")


class Unreadable(ValueError):
    """These bytes do not have this layout: why."""


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One value in the bytes.

    name: empty for what is passed over. at: its first byte, or None for what follows the last. shift, mask: which of
    its bits count, from the lowest. The value is raw * scale + add; words: text instead of numbers; absent: raw values
    that mean that there is none; least, most: raw values beyond mean another layout. digits: decimals of a float.
    is_flag: "true" for any raw value but 0.
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

    ports: LoRaWAN ports, none for any. sizes: the least and most bytes. starts: its first bytes. requires: tags of
    which one tells the model. rows: cells of rows that follow the cells, each an object of the list `rows_name`.
    row_tags: tags whose values are such a row. is_telling: whether these bytes tell the model where even the maker is
    unknown. ignored: why such a frame measures nothing, or empty.
    """

    kind: str
    ports: frozenset[int] = frozenset()
    sizes: tuple[int, int] = (1, 65_535)
    starts: bytes = b""
    cells: tuple[Cell, ...] = ()
    tag_size: int = 2
    tags: Mapping[bytes, tuple[Cell, ...]] = field(default_factory=dict)
    requires: frozenset[bytes] = frozenset()
    row_tags: frozenset[bytes] = frozenset()
    rows: tuple[Cell, ...] = ()
    rows_name: str = "history"
    groups: tuple[tuple[Cell, ...], ...] = ()
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
    if cell.kind == "f32":
        (real,) = struct.unpack("<f" if cell.is_little else ">f", raw)
        if real != real or abs(real) > 1e9:
            return None
        # Nine digits tell every float32 from its neighbours.
        found = Decimal(f"{real:.{cell.digits}f}" if cell.digits is not None else f"{real:.9g}")
        return found * cell.scale + cell.add
    number = int.from_bytes(raw, "little" if cell.is_little else "big", signed=cell.kind[0] == "i")
    if cell.mask:
        number = (number >> cell.shift) & cell.mask
    if number in cell.absent:
        return None
    if (cell.least is not None and number < cell.least) or (cell.most is not None and number > cell.most):
        raise Unreadable(f"{cell.name} is {number}, which this layout never has")
    if cell.is_flag:
        return "true" if number else "false"
    if cell.words:
        return cell.words.get(number, str(number))
    return number * cell.scale + cell.add


def _rows(layout: Layout, payload: bytes, at: int, fields: dict[str, Any]) -> dict[str, Any]:
    if layout.rows:
        rows: list[dict[str, Any]] = []
        while at < len(payload) and len(rows) < MAX_READINGS:
            row, at = _cells(layout.rows, payload, at)
            rows.append(row)
        if rows:
            fields[layout.rows_name] = rows
    if at != len(payload):
        raise Unreadable(f"has {len(payload) - at} bytes more than the layout")
    return fields


def _tags(layout: Layout, payload: bytes, is_telling: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    is_told = not layout.requires or not is_telling
    at = 0
    while at < len(payload):
        tag = payload[at : at + layout.tag_size]
        cells = layout.tags.get(tag)
        if cells is None:
            raise Unreadable(f"has the unknown tag {tag.hex().upper()}")
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


def _lengths(layout: Layout, payload: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    is_known = False
    at = 0
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
    flags = int.from_bytes(payload[at : at + 2], "big")
    at += 2
    if flags >> len(layout.groups):
        raise Unreadable("has a flag that this model does not have")
    for bit, cells in enumerate(layout.groups):
        if flags >> bit & 1:
            found, at = _cells(cells, payload, at)
            fields.update(found)
    if at != len(payload):
        raise Unreadable(f"has {len(payload) - at} bytes more than its flags say")
    return fields
