"""Read the models' files and check them: an error names file, field and rule."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path

from reports.formats.models.family import BatteryRule, Example, Family, Model
from reports.formats.models.loading_layouts import layout_of
from reports.formats.models.loading_readings import event_of, history_of, with_reading
from reports.formats.models.table import InvalidModel, Table
from reports.formats.readings import EVENTS, Verdict

__all__ = ["InvalidModel", "load", "read_family"]

DIRECTORY = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9]+")


@cache
def load(directory: Path = DIRECTORY) -> tuple[Family, ...]:
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
    family = with_reading(
        Family(
            file=file,
            sources=root.texts("sources", is_required=True),
            makers=_digits(told, "makers"),
            told_fields=_field_sets(told, "fields"),
            maker_fields=_field_sets(told, "maker_fields"),
            prefers_bytes=told.one_of("prefer", ("fields", "bytes"), "fields") == "bytes",
            events=tuple(event_of(table) for table in root.tables("events")),
            history=history_of(root.table("history")),
            layouts=tuple(layout_of(table) for table in root.tables("bytes")),
            examples=tuple(_example(table) for table in root.tables("examples")),
        ),
        reading,
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
