"""Each model's file: its published examples, and what a wrong file is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from reports.formats.models import Family, InvalidModel, choose, interpret, load, read_family
from reports.formats.models.family import Example
from reports.formats.readings import Battery, Clock, Frame, Reading
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
    assert (first.battery.text if first.battery else None) == example.battery
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


def battery_of(name: str, **fields: Any) -> Battery | None:
    (family,) = (each for each in load() if each.file == f"{name}.toml")
    frame = Frame(server="a server", key="AA", key_kind="imei", sent_at=NOW, fields=as_sent(fields))
    return interpret(frame, choose(frame, family.models[0].name), NOW, Clock.SERVER)[0].battery


@pytest.mark.parametrize(
    ("volts", "percent", "is_low"),
    [(3.7, 100, False), (3.6, 100, False), (2.72, 20, True), (2.73, 21, False), (2.4, 0, True)],
)
def test_volts_become_percent_by_the_models_curve(volts: float, percent: int, is_low: bool) -> None:
    battery = battery_of("dragino-dds75", Bat=volts, Distance="1200 mm")
    assert battery and (battery.percent, battery.is_low) == (percent, is_low)
    assert isinstance(battery.percent, Decimal)


def test_two_alkaline_cells_at_3_volts_are_full_and_a_lithium_cell_without_a_curve_is_low() -> None:
    mbx = battery_of("decentlab-dl-mbx", distance={"value": 1200}, battery_voltage={"value": 2.993})
    wilsen = battery_of("wilsen-sonic", proxx=49, fillinglvl=93, battery_vol=2.993)
    assert mbx and wilsen
    assert [(each.percent, each.is_low) for each in (mbx, wilsen)] == [(99, False), (None, True)]


@pytest.mark.parametrize(
    ("status", "level", "is_low", "text"),
    [
        (4, None, True, "low"),
        (0, None, False, "ok"),
        (6, None, None, None),
        (4, 80, True, "80 %"),
        (0, 15, False, "15 %"),
    ],
)
def test_a_sensors_own_word_on_its_battery_counts_over_its_number(
    status: int, level: int | None, is_low: bool | None, text: str | None
) -> None:
    fields = {"3435/2": {"value": 40}, "3/20": {"value": status}} | ({"3/9": {"value": level}} if level else {})
    battery = battery_of("oma-3435", **fields)
    assert (battery.is_low if battery else None) == is_low
    assert (battery.text if battery else None) == text


@pytest.mark.parametrize(
    "curve", ["[[3, 0]]", "[[3, 0], [2, 100]]", "[[2, 0], [3, 101]]", '[["2", 0], [3, 100]]', "[2, 3]"]
)
def test_a_battery_curve_that_does_not_rise_is_refused(curve: str) -> None:
    text = PLAIN.replace("[[bytes]]", f'battery = {{ fields = ["b"], unit = "V", curve = {curve} }}\n[[bytes]]')
    with pytest.raises(InvalidModel, match=r"reading\.battery\.curve: must be"):
        read_family("ab.toml", text)
