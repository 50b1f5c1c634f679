"""A layout of bytes out of its table in a model's file."""

from __future__ import annotations

import re
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
    flag_size = table.integer("flag_bytes", 2) or 2
    if not 1 <= flag_size <= 8:
        raise table.fail("flag_bytes", "must be from 1 to 8")
    tags = _tags(table.table("tags"), tag_size, is_little)
    found = Layout(
        kind=kind,
        ports=frozenset(ports),
        sizes=(sizes[0], sizes[1]),
        starts=table.hex("starts"),
        cells=_cells(table, "fields", is_little),
        tag_size=tag_size,
        tags={tag: cells for name, cells in tags.items() if (tag := _tag(name)) is not None},
        any_tags=tuple((_pattern(name), name.encode(), cells) for name, cells in tags.items() if _tag(name) is None),
        requires=_told_tags(table, "requires", tags),
        row_tags=_told_tags(table, "row_tags", tags),
        rows=_cells(table, "rows", is_little),
        rows_name=table.text("rows_name", "history"),
        tail=_cells(table, "tail", is_little),
        groups=_groups(table, is_little),
        flag_size=flag_size,
        is_little=is_little,
        is_telling=table.flag("telling", True),
        ignored=table.text("ignored", ""),
    )
    table.finish()
    if kind in ("tags", "lengths") and not tags:
        raise table.fail("tags", f"is required where kind is {kind}")
    if kind == "words" and not found.groups:
        raise table.fail("groups", "is required where kind is words")
    if found.rows and not any(cell.size for cell in found.rows):
        raise table.fail("rows", "must take at least one byte")
    return found


def _tags(table: Table | None, tag_size: int, is_little: bool) -> dict[str, tuple[Cell, ...]]:
    found = {}
    for name in table.names() if table else ():
        assert table
        if not re.fullmatch(f"(?:[0-9A-F]{{2}}|xx){{{tag_size}}}", name):
            raise table.fail(name, f"must be {tag_size} bytes in upper-case hexadecimal digits, or xx for any byte")
        found[name] = _cells(table, name, is_little)
    return found


def _tag(name: str) -> bytes | None:
    """Return the bytes of a tag, None where some of them may be any."""
    return None if "x" in name else bytes.fromhex(name)


def _pattern(name: str) -> re.Pattern[bytes]:
    pairs = (name[at : at + 2] for at in range(0, len(name), 2))
    return re.compile(b"".join(b"." if pair == "xx" else re.escape(bytes.fromhex(pair)) for pair in pairs), re.DOTALL)


def _told_tags(table: Table, name: str, tags: dict[str, tuple[Cell, ...]]) -> frozenset[bytes]:
    """Return tags by which something is told, as `layout` names them: their bytes, or the text of a pattern."""
    told = table.texts(name)
    for each in told:
        if each not in tags:
            raise table.fail(name, f"must be of the tags, which {each} is not")
    return frozenset(_tag(each) or each.encode() for each in told)


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
