"""Each model's file: its published examples, and what a wrong file is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from reports.formats.models import Family, InvalidModel, choose, interpret, load, read_family
from reports.formats.models.family import Example
from reports.formats.readings import Clock, Frame, Reading
from trashsite import json_slices

NOW = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
EXAMPLES = [
    pytest.param(family, example, id=f"{family.file}-{index}")
    for family in load()
    for index, example in enumerate(family.examples)
]
PLAIN = """
sources = ["a maker's page"]
[models."A B"]
names = ["ab"]
[reading]
measures = ["distance"]
distance = { fields = ["distance"], unit = "mm" }
[[bytes]]
kind = "fields"
fields = [{ name = "distance", type = "u16" }]
[[examples]]
bytes = "0102"
verdict = "store"
distance_mm = 258
"""


def as_sent(fields: object) -> Any:
    """The fields as a server's JSON gives them."""
    return json_slices.value(json.dumps(fields, default=float)).parsed


def read(family: Family, example: Example) -> list[Reading]:
    key = (family.makers[0] if family.makers else "AABBCCDDEE").ljust(16, "0")
    frame = Frame(
        server="a server",
        key=key,
        key_kind="dev_eui",
        sent_at=NOW,
        port=example.port,
        payload=example.payload,
        fields=as_sent(example.fields) if example.fields else None,
    )
    return interpret(frame, choose(frame, example.model), NOW, Clock.SERVER)


@pytest.mark.parametrize(("family", "example"), EXAMPLES)
def test_a_published_example_reads_as_its_maker_reads_it(family: Family, example: Example) -> None:
    readings = read(family, example)
    first = readings[0]
    assert first.model in {model.name for model in family.models}
    assert str(first.verdict) == example.verdict
    if example.channels:
        assert {each.channel: each.distance_mm for each in readings} == {
            name: Decimal(distance) for name, distance in example.channels.items()
        }
    elif example.past:
        assert [each.distance_mm for each in readings if each.is_past] == list(example.past)
    else:
        assert first.distance_mm == example.distance_mm
    assert first.level_percent == example.level_percent
    assert first.temperature_c == example.temperature_c
    battery = f"{first.battery.value.normalize():f} {first.battery.unit}" if first.battery else None
    assert battery == example.battery
    assert sorted(first.events) == sorted(example.events)


def test_every_model_has_an_example_and_a_source() -> None:
    for family in load():
        assert family.sources and family.examples and family.models, family.file


@pytest.mark.parametrize("family", load(), ids=lambda family: family.file)
def test_no_truncated_frame_gives_a_distance_of_its_own(family: Family) -> None:
    # What is cut off is either refused or shorter by whole values; it never reads past its end.
    for example in family.examples:
        for size in range(len(example.payload)):
            frame = Frame(
                server="a server", key=None, key_kind="imei", sent_at=NOW, port=example.port,
                payload=example.payload[:size],
            )  # fmt: skip
            name = example.model or family.models[0].name
            for reading in interpret(frame, choose(frame, name), NOW, Clock.SERVER):
                assert str(reading.verdict) in ("store", "hold", "ignore")


def test_a_plain_file_is_enough_for_a_model() -> None:
    family = read_family("ab.toml", PLAIN)
    (model,) = family.models
    assert (model.name, model.family) == ("A B", family)


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ('sources = ["a maker\'s page"]', "", "sources", "is required"),
        ('[models."A B"]\nnames = ["ab"]', "", "models", "is required"),
        ('names = ["ab"]', 'names = ["a-b"]', "models.A B.names", "must be letters and digits in lower case alone"),
        ('names = ["ab"]', 'nmes = ["ab"]', "models.A B.nmes", "is not known"),
        ('unit = "mm"', 'unit = "inch"', "reading.distance.unit", "must be one of mm, cm, dm, m"),
        ('unit = "mm"', 'unit = "mm", words = { off = "gone" }', "reading.distance.words.off", "must be one of tilt"),
        ('kind = "fields"', 'kind = "field"', "bytes[0].kind", "must be one of fields, tags"),
        ('kind = "fields"', 'kind = "tags"', "bytes[0].tags", "is required where kind is tags"),
        ('type = "u16"', 'type = "u12"', "bytes[0].fields[0].type", "must be one of u8"),
        ('type = "u16"', 'type = "u16", divide = 0', "bytes[0].fields[0].divide", "must not be 0"),
        ('type = "u16"', 'type = "u16", bits = [0, 17]', "bytes[0].fields[0].bits", "must be the lowest bit"),
        ('bytes = "0102"', 'bytes = "01 zz"', "examples[0].bytes", "must be hexadecimal digits"),
        ('bytes = "0102"', "", "examples[0].bytes", "is required where there are no fields"),
        ('verdict = "store"', 'verdict = "keep"', "examples[0].verdict", "must be one of store, hold"),
        ("[reading]", "[reading", "the file", "must be TOML"),
        ('measures = ["distance"]', "measures = 3", "reading.measures", "must be an array of strings"),
        ('distance = { fields = ["distance"], unit = "mm" }', "", "reading.distance", "is required where there is"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_file_field_and_rule(old: str, new: str, field: str, rule: str) -> None:
    assert old in PLAIN
    with pytest.raises(InvalidModel) as error:
        read_family("ab.toml", PLAIN.replace(old, new))
    assert (error.value.file, error.value.field) == ("ab.toml", field)
    assert error.value.rule.startswith(rule)
    assert str(error.value).startswith(f"ab.toml: {field}: ")
