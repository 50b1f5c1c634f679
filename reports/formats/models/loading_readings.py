"""How a model's fields are read, out of its tables: quantities, battery, events, the sensor's memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from reports.formats.models.family import (
    BATTERIES,
    LENGTHS,
    PERCENTS,
    TEMPERATURES,
    BatteryRule,
    EventRule,
    Family,
    History,
    Path,
    Quantity,
    plain_word,
)
from reports.formats.models.table import Table
from reports.formats.readings import EVENTS

_NAME = r"[^.\[\]]+"
#: Which element of a list: its number, or what one of its members is.
_ELEMENT = r"\[(?:-?[0-9]{1,3}|[^\[\]=]+=[^\[\]=]+)\]"
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME}|{_ELEMENT})*", re.ASCII)
_STEP = re.compile(rf"{_ELEMENT}|{_NAME}", re.ASCII)
#: Seconds of the units in which the distance of past rows may be told.
_SECONDS = {"s": 1, "min": 60, "h": 3_600}


def _path(table: Table, name: str, text: str) -> Path:
    if not _PATH.fullmatch(text):
        raise table.fail(name, "must be names with dots between them, [0] or [name=value] behind a list's")
    return tuple(_STEP.findall(text))


def _paths(table: Table, name: str = "fields", *, is_required: bool = True) -> tuple[Path, ...]:
    return tuple(_path(table, name, each) for each in table.texts(name, is_required=is_required))


def with_reading(family: Family, table: Table) -> Family:
    """Return a family with what its table `reading` says of its quantities; raises InvalidModel."""
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
        temperature=_optional(table.table("temperature"), TEMPERATURES, "°C"),
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
        if _path(table, "units", name) not in paths or unit not in tuple(units):
            raise table.fail(f"units.{name}", f"must give one of {', '.join(units)} for one of the fields")
    quantity = Quantity(
        paths=paths,
        units=exceptions,
        unit=table.one_of("unit", tuple(units), default),
        unit_path=_path(table, "unit_field", told) if (told := table.text("unit_field", "")) else (),
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


def _words(
    table: Table, name: str, default: Sequence[str | bool | int] = (), *, may_be_empty: bool = False
) -> frozenset[str]:
    values = table.take(name, list, "must be an array", list(default))
    if not (values or may_be_empty) or not all(isinstance(each, str | bool | int) for each in values):
        raise table.fail(name, "must be an array of strings, whole numbers, true or false")
    return frozenset(plain_word(each) for each in values)


def event_of(table: Table) -> EventRule:
    """Return what a table of `events` says; raises InvalidModel."""
    plain, listed = [], []
    for each in table.texts("fields", is_required=True):
        outer, within, inner = each.partition("[].")
        if within:
            listed.append((_path(table, "fields", outer), _path(table, "fields", inner)))
        else:
            plain.append(_path(table, "fields", each))
    is_other = "other_than" in table
    values = _words(table, "other_than", may_be_empty=True) if is_other else _words(table, "values", [True])
    rule = EventRule(
        event=table.one_of("event", EVENTS),
        paths=tuple(plain),
        listed=tuple(listed),
        values=values,
        is_other=is_other,
        is_void=table.flag("void", False),
    )
    table.finish()
    return rule


def history_of(table: Table | None) -> History | None:
    """Return what the table `history` says, None where there is none; raises InvalidModel."""
    if table is None:
        return None
    # An empty name passes a column over.
    columns = table.take("columns", list, "must be an array of strings", [])
    if not all(isinstance(each, str) for each in columns):
        raise table.fail("columns", "must be an array of strings")
    every = table.text("every_field", "")
    every_s = table.integer("every_s") or (_SECONDS[table.one_of("every_unit", tuple(_SECONDS))] if every else 0)
    history = History(
        path=_path(table, "field", table.text("field")),
        time=table.text("time", "" if every_s else None),
        columns=tuple(columns),
        every_s=every_s,
        every_path=_path(table, "every_field", every) if every else (),
    )
    if every_s < 0 or (every_s and history.time):
        raise table.fail("every_s", "must be at least 1, where the rows have no time")
    if columns and history.time and history.time not in columns:
        raise table.fail("columns", "must name the time's column")
    table.finish()
    return history
