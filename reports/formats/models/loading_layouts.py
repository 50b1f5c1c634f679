"""A layout of bytes out of its table in a model's file."""

from __future__ import annotations

from decimal import Decimal

from reports.formats.models.layout import KINDS, TYPES, Cell, Layout
from reports.formats.models.table import Table


def layout_of(table: Table) -> Layout:
    """Return what a table of `bytes` says; raises InvalidModel."""
    kind = table.one_of("kind", KINDS)
    is_little = table.one_of("order", ("big", "little"), "big") == "little"
    sizes = table.take("length", list, "must be the least and the most bytes", [1, 65_535])
    if len(sizes) != 2 or not all(type(each) is int for each in sizes) or sizes[0] > sizes[1]:
        raise table.fail("length", "must be the least and the most bytes")
    ports = table.take("ports", list, "must be an array of ports", [])
    if not all(type(port) is int and 0 <= port <= 255 for port in ports):
        raise table.fail("ports", "must be an array of ports from 0 to 255")
    tag_size = table.integer("tag_bytes", 2) or 2
    tags = table.table("tags")
    found = Layout(
        kind=kind,
        ports=frozenset(ports),
        sizes=(sizes[0], sizes[1]),
        starts=table.hex("starts"),
        cells=_cells(table, "fields", is_little),
        tag_size=tag_size,
        tags=_tags(tags, tag_size, is_little) if tags else {},
        requires=frozenset(bytes.fromhex(tag) for tag in table.texts("requires")),
        row_tags=frozenset(bytes.fromhex(tag) for tag in table.texts("row_tags")),
        rows=_cells(table, "rows", is_little),
        rows_name=table.text("rows_name", "history"),
        groups=_groups(table, is_little),
        is_telling=table.flag("telling", True),
        ignored=table.text("ignored", ""),
    )
    table.finish()
    if kind in ("tags", "lengths") and not found.tags:
        raise table.fail("tags", f"is required where kind is {kind}")
    if kind == "words" and not found.groups:
        raise table.fail("groups", "is required where kind is words")
    if found.rows and not any(cell.size for cell in found.rows):
        raise table.fail("rows", "must take at least one byte")
    return found


def _tags(table: Table, tag_size: int, is_little: bool) -> dict[bytes, tuple[Cell, ...]]:
    found = {}
    for name in table.names():
        try:
            tag = bytes.fromhex(name)
        except ValueError:
            tag = b""
        if len(tag) != tag_size:
            raise table.fail(name, f"must be {tag_size} bytes in hexadecimal digits")
        found[tag] = _cells(table, name, is_little)
    return found


def _groups(table: Table, is_little: bool) -> tuple[tuple[Cell, ...], ...]:
    return tuple(_cells(group, "fields", is_little) for group in table.tables("groups"))


def _cells(table: Table, name: str, is_little: bool) -> tuple[Cell, ...]:
    return tuple(_cell(each, is_little) for each in table.tables(name))


def _cell(table: Table, is_little: bool) -> Cell:
    kind = table.text("type")
    if kind.endswith(("le", "be")):
        kind, is_little = kind[:-2], kind.endswith("le")
    if kind not in TYPES:
        raise table.fail("type", f"must be one of {', '.join(TYPES)}, with le or be where it differs")
    size = TYPES[kind] or table.integer("bytes", 0) or 0
    if not 1 <= size <= 64:
        raise table.fail("bytes", "must be from 1 to 64 where the type has no size of its own")
    bits = table.take("bits", list, "must be the lowest bit and their number", [0, 0])
    if len(bits) != 2 or not all(type(each) is int and 0 <= each <= size * 8 for each in bits):
        raise table.fail("bits", "must be the lowest bit and their number")
    divide = table.number("divide", Decimal(1))
    multiply = table.number("multiply", Decimal(1))
    if not divide or not multiply:
        raise table.fail("divide", "must not be 0")
    words = table.take("words", dict, "must be a table of words", {})
    if not all(word.isdecimal() and isinstance(said, str) for word, said in words.items()):
        raise table.fail("words", "must name whole numbers")
    cell = Cell(
        name="" if kind == "skip" else table.text("name"),
        kind=kind,
        size=size,
        at=table.integer("at"),
        is_little=is_little,
        shift=bits[0],
        mask=(1 << bits[1]) - 1,
        scale=multiply / divide,
        add=table.number("add", Decimal(0)) or Decimal(0),
        words={int(word): said for word, said in words.items()},
        absent=frozenset(int(each) for each in table.numbers("absent")),
        least=table.integer("least"),
        most=table.integer("most"),
        digits=table.integer("digits"),
        is_flag=table.flag("flag", False),
    )
    table.finish()
    return cell
