"""Read the models' files and check them: an error names file, field and rule."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path as File
from typing import Any

from reports.formats.models.family import (
    BATTERIES,
    CELSIUS,
    LENGTHS,
    PERCENTS,
    BatteryRule,
    EventRule,
    Example,
    Family,
    History,
    Model,
    Path,
    Quantity,
)
from reports.formats.models.layout import KINDS, TYPES, Cell, Layout
from reports.formats.models.table import InvalidModel, Table
from reports.formats.readings import EVENTS, Verdict

__all__ = ["InvalidModel", "load", "read_family"]

DIRECTORY = File(__file__).parent
_NAME = re.compile(r"[a-z0-9]+")


@cache
def load(directory: File = DIRECTORY) -> tuple[Family, ...]:
    """
    Return all families of a directory, in the order of their files' names.

    Raises InvalidModel at the first file that breaks a rule, or where two models have one name.
    """
    families = tuple(read_family(file.name, file.read_text()) for file in sorted(directory.glob("*.toml")))
    names: dict[str, str] = {}
    for family in families:
        for model in family.models:
            if model.name in names:
                raise InvalidModel(family.file, f"models.{model.name}", f"is in {names[model.name]} too")
            names[model.name] = family.file
    return families


def read_family(file: str, text: str) -> Family:
    """Return what a file's text says; raises InvalidModel."""
    try:
        root = Table(file, "", tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise InvalidModel(file, "the file", f"must be TOML: {error}") from None
    told = root.table("told") or Table(file, "told", {})
    reading = root.table("reading")
    if reading is None:
        raise root.fail("reading", "is required")
    family = _reading(
        reading,
        Family(
            file=file,
            sources=root.texts("sources", is_required=True),
            makers=_digits(told, "makers"),
            told_fields=_field_sets(told, "fields"),
            maker_fields=_field_sets(told, "maker_fields"),
            prefers_bytes=told.one_of("prefer", ("fields", "bytes"), "fields") == "bytes",
            events=tuple(_event(table) for table in root.tables("events")),
            history=_history(root.table("history")),
            layouts=tuple(_layout(table) for table in root.tables("bytes")),
            examples=tuple(_example(table) for table in root.tables("examples")),
        ),
    )
    told.finish()
    if not family.examples:
        raise root.fail("examples", "is required: at least one published message")
    models = root.table("models")
    if models is None or not models.names():
        raise root.fail("models", "is required")
    found = tuple(_model(models, name, family) for name in models.names())
    root.finish()
    family = replace(family, models=found, known=_known(family))
    # A model knows its family, and a family its models: the last one to be made is the one that both mean.
    object.__setattr__(family, "models", tuple(replace(model, family=family) for model in found))
    return family


def _model(models: Table, name: str, family: Family) -> Model:
    table = models.table(name)
    assert table is not None
    names = table.texts("names")
    for each in names:
        if not _NAME.fullmatch(each):
            raise table.fail("names", "must be letters and digits in lower case alone, which is how they are compared")
    model = Model(
        name=name,
        family=family,
        names=names,
        dev_eui=_digits(table, "dev_eui"),
        servers=table.texts("servers"),
        told_fields=_field_sets(table, "fields"),
    )
    table.finish()
    return model


def _digits(table: Table, name: str) -> tuple[str, ...]:
    found = table.texts(name)
    if not all(re.fullmatch(r"[0-9A-F]{6,16}", each) for each in found):
        raise table.fail(name, "must be 6 to 16 upper-case hexadecimal digits each")
    return found


def _field_sets(told: Table, name: str) -> tuple[frozenset[str], ...]:
    found = told.take(name, list, "must be an array of arrays of strings", [])
    if not all(isinstance(each, list) and each and all(isinstance(field, str) for field in each) for each in found):
        raise told.fail(name, "must be an array of arrays of strings")
    return tuple(frozenset(each) for each in found)


def _path(text: str) -> Path:
    return tuple(text.split("."))


def _paths(table: Table, name: str = "fields", *, is_required: bool = True) -> tuple[Path, ...]:
    return tuple(_path(each) for each in table.texts(name, is_required=is_required))


def _reading(table: Table, family: Family) -> Family:
    level = table.table("level")
    is_empty_percent = bool(level) and level.one_of("means", ("full", "empty"), "full") == "empty"  # type: ignore[union-attr]
    is_level_trusted = level.flag("trusted", True) if level else True
    distance = table.table("distance")
    blind_zone_mm = distance.number("blind_zone_mm") if distance else None
    channels = table.table("channels")
    place = table.table("location") or Table(family.file, "reading.location", {})
    found = replace(
        family,
        measures=frozenset(table.texts("measures")),
        distance=_quantity(distance, LENGTHS) if distance else None,
        channels=tuple(
            (name, _quantity(each, LENGTHS)) for name in channels.names() if (each := channels.table(name)) is not None
        )
        if channels
        else (),
        level=_quantity(level, PERCENTS) if level else None,
        is_empty_percent=is_empty_percent,
        is_level_trusted=is_level_trusted,
        temperature=_optional(table.table("temperature"), CELSIUS, "°C"),
        battery=_battery(table.table("battery")),
        tilt=_optional(table.table("tilt"), ("°",), "°"),
        latitude=_paths(place, "latitude", is_required=False),
        longitude=_paths(place, "longitude", is_required=False),
        blind_zone_mm=blind_zone_mm,
    )
    place.finish()
    table.finish()
    if not (found.distance or found.channels or found.level):
        raise table.fail("distance", "is required where there is neither level nor channels")
    return found


def _optional(table: Table | None, units: Any, default: str | None = None) -> Quantity | None:
    return None if table is None else _quantity(table, units, default)


def _quantity(table: Table, units: Any, default: str | None = None) -> Quantity:
    events: dict[Decimal | str, str] = {}
    for event in ("sensor_error", "no_distance", "blind_spot"):
        for value in table.numbers(event):
            events[value] = event
    for word, event in (table.take("words", dict, "must be a table of words", {})).items():
        if event not in EVENTS:
            raise table.fail(f"words.{word}", f"must be one of {', '.join(EVENTS)}")
        events[word.lower()] = event
    paths = _paths(table)
    exceptions = table.take("units", dict, "must be a table of units", {})
    for name, unit in exceptions.items():
        if _path(name) not in paths or unit not in tuple(units):
            raise table.fail(f"units.{name}", f"must give one of {', '.join(units)} for one of the fields")
    quantity = Quantity(
        paths=paths,
        units=exceptions,
        unit=table.one_of("unit", tuple(units), default),
        is_unit_told=table.flag("unit_told", False),
        absent=table.numbers("absent"),
        least=table.number("least"),
        most=table.number("most"),
        events=events,
    )
    table.finish()
    return quantity


def _battery(table: Table | None) -> BatteryRule | None:
    if table is None:
        return None
    curve = table.take("curve", list, "must be pairs of volts and percent", [])
    if not all(isinstance(each, list) and len(each) == 2 and all(map(_is_number, each)) for each in curve):
        raise table.fail("curve", "must be pairs of volts and percent")
    points = tuple((Decimal(volts), Decimal(percent)) for volts, percent in curve)
    rises = all(low[0] < high[0] and low[1] <= high[1] for low, high in pairwise(points))
    if points and not (len(points) > 1 and rises and points[0][1] >= 0 and points[-1][1] <= 100):
        raise table.fail("curve", "must be two points or more that rise, from 0 to 100 percent")
    status = table.table("status")
    rule = BatteryRule(
        quantity=_quantity(table, BATTERIES) if "fields" in table or not status else None,
        curve=points,
        status=_paths(status) if status else (),
        low=_words(status, "low") if status else frozenset(),
        ok=_words(status, "ok") if status else frozenset(),
    )
    if status:
        status.finish()
    table.finish()
    return rule


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _words(table: Table, name: str) -> frozenset[str]:
    values = table.take(name, list, "must be an array", [])
    if not values or not all(isinstance(each, str | bool | int) for each in values):
        raise table.fail(name, "must be an array of strings, whole numbers, true or false")
    return frozenset(plain_word(each) for each in values)


def _event(table: Table) -> EventRule:
    plain, listed = [], []
    for each in table.texts("fields", is_required=True):
        outer, within, inner = each.partition("[].")
        if within:
            listed.append((_path(outer), _path(inner)))
        else:
            plain.append(_path(each))
    is_other = "other_than" in table
    values = table.take("other_than" if is_other else "values", list, "must be an array", [True])
    if not (values or is_other) or not all(isinstance(each, str | bool | int) for each in values):
        name = "other_than" if is_other else "values"
        raise table.fail(name, "must be an array of strings, whole numbers, true or false")
    rule = EventRule(
        event=table.one_of("event", EVENTS),
        paths=tuple(plain),
        listed=tuple(listed),
        values=frozenset(plain_word(each) for each in values),
        is_other=is_other,
        is_void=table.flag("void", False),
    )
    table.finish()
    return rule


def plain_word(value: object) -> str:
    """Return a word as events compare it: lower case, without _ and -, true and false as such."""
    return str(value)[:40].lower().replace("_", " ").replace("-", " ").strip()


def _history(table: Table | None) -> History | None:
    if table is None:
        return None
    # An empty name passes a column over.
    columns = table.take("columns", list, "must be an array of strings", [])
    if not all(isinstance(each, str) for each in columns):
        raise table.fail("columns", "must be an array of strings")
    history = History(path=_path(table.text("field")), time=table.text("time"), columns=tuple(columns))
    if columns and history.time not in columns:
        raise table.fail("columns", "must name the time's column")
    table.finish()
    return history


def _layout(table: Table) -> Layout:
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


def _example(table: Table) -> Example:
    example = Example(
        verdict=table.one_of("verdict", tuple(Verdict)),
        port=table.integer("port"),
        payload=table.hex("bytes"),
        fields=table.take("fields", dict, "must be a table", {}),
        model=table.text("model", "") or None,
        distance_mm=table.number("distance_mm"),
        level_percent=table.number("level_percent"),
        temperature_c=table.number("temperature_c"),
        battery=table.text("battery", "") or None,
        events=table.texts("events"),
        channels=table.take("channels", dict, "must be a table of distances", {}),
        past=tuple(table.take("past", list, "must be an array of distances", [])),
    )
    if not example.payload and not example.fields:
        raise table.fail("bytes", "is required where there are no fields")
    for event in example.events:
        if event not in EVENTS:
            raise table.fail("events", f"must be of {', '.join(EVENTS)}")
    table.finish()
    return example


def _known(family: Family) -> frozenset[str]:
    """Return the first names of all fields that this family reads: one of them is what makes a message its own."""
    battery = family.battery or BatteryRule(None)
    quantities = [family.distance, family.level, family.temperature, battery.quantity, family.tilt]
    quantities += [quantity for _, quantity in family.channels]
    paths = [path for quantity in quantities if quantity for path in quantity.paths]
    paths += battery.status
    paths += [path for rule in family.events for path in rule.paths]
    paths += [outer for rule in family.events for outer, _ in rule.listed]
    if family.history:
        paths.append(family.history.path)
    return (
        frozenset(path[0] for path in paths)
        | family.measures
        | frozenset().union(*family.told_fields, *family.maker_fields)
    )
