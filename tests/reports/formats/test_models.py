"""Each model's file: its published examples, and what a wrong file is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from reports.formats.models import Chosen, Family, InvalidModel, choose, interpret, load, read_family
from reports.formats.models.family import Example
from reports.formats.models.layout import Unreadable, accepts, decode
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


#: A frame that is cut or padded to so many bytes cannot be told from another kind of frame of its model, which has that
#: size: neither has a length or a checksum of its own. The network's checksum covers them on their way.
OTHER_KINDS = {
    # A kind stands in the last two bits: those of the third byte, where three bytes are left.
    "smartends-brighterbins.toml": {3},
    # Its published four bytes fit no layout; with one more they are the frame of five.
    "dragino-dds75.toml": {5},
}


def measured(family: Family, example: Example, payload: bytes) -> set[tuple[str | None, str, Decimal]]:
    """Return channel, quantity and value of each distance and level, of other bytes in the place of an example's."""
    frame = Frame(server="a server", key=None, key_kind="imei", sent_at=NOW, port=example.port, payload=payload)
    chosen = choose(frame, example.model or family.models[0].name)
    return {
        (each.channel, quantity, value)
        for each in interpret(frame, chosen, NOW, Clock.SERVER)
        for quantity, value in (("distance", each.distance_mm), ("level", each.level_percent))
        if value is not None
    }


@pytest.mark.parametrize(
    "family",
    [family for family in load() if any(each.payload for each in family.examples)],
    ids=lambda family: family.file,
)
def test_no_cut_or_padded_frame_gives_a_distance_or_level_of_its_own(family: Family) -> None:
    # What is cut off is either refused or shorter by whole values; it never reads past its end.
    other = set()
    for example in family.examples:
        payload = example.payload
        whole = measured(family, example, payload)
        changed = [payload[:size] for size in range(len(payload))] + [payload + more for more in (b"\0", b"\xff")]
        other |= {len(each) for each in changed if measured(family, example, each) - whole}
    assert other == OTHER_KINDS.get(family.file, set())


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


#: A file that uses what no published model needs yet.
RARE = """
sources = ["nobody's page"]
[models."A B"]
names = ["ab"]
[reading]
measures = ["far"]
distance = { fields = ["far", "list[kind=far].v", "row[-1]"], unit = "mm", unit_field = "scale" }
temperature = { fields = ["warm"], unit = "°F" }
battery = { fields = ["volts"], unit = "V" }
[history]
field = "before"
every_field = "apart"
every_unit = "min"
[[bytes]]
kind = "fields"
order = "little"
starts = "01"
fields = [
  { name = "kind", type = "u8" },
  { name = "scale", type = "text", bytes = 2 },
  { name = "far", type = "bcd", bytes = 2 },
  { name = "warm", type = "i16", bits = [2, 12], divide = 10 },
  { name = "volts", type = "f64", digits = 2 },
  { name = "serial", type = "u40be" },
]
rows = [{ name = "far", type = "bcd", bytes = 2 }]
rows_name = "before"
tail = [{ name = "apart", type = "u8" }]
[[bytes]]
kind = "words"
order = "little"
starts = "02"
flag_bytes = 1
fields = [{ type = "skip", bytes = 1 }]
groups = [
  { fields = [{ name = "far", type = "u16" }] },
  { fields = [{ name = "volts", type = "u8", divide = 10 }] },
]
[[bytes]]
kind = "lengths"
tag_bytes = 1
starts = "03"
fields = [{ name = "kind", type = "u8" }]
tags.01 = [{ name = "far", type = "u16" }]
[[bytes]]
kind = "tags"
tag_bytes = 2
starts = "04"
requires = ["xx01"]
fields = [{ name = "kind", type = "u8" }]
tags.xx01 = [{ name = "far", type = "u16" }]
[[examples]]
bytes = "01"
verdict = "store"
"""


def of_bytes(text: str) -> list[Reading]:
    family = read_family("ab.toml", RARE)
    frame = Frame(server="s", key="AA", key_kind="imei", sent_at=NOW, payload=bytes.fromhex(text))
    layout = next(each for each in family.layouts if accepts(each, frame.payload, None))
    return interpret(frame, Chosen(family.models[0], decode(layout, frame.payload, is_telling=True)), NOW, Clock.SERVER)


def test_text_decimal_digits_signed_bits_long_numbers_and_a_tail_are_read() -> None:
    # "cm"; 0120 in digits; -20 °F in the bits 2 to 13, in tenths; 3.25 V; a serial; rows; 15 minutes apart.
    warm = ((-200 & 0xFFF) << 2).to_bytes(2, "little").hex()
    present, *past = of_bytes("01 636D 2001" + warm + "0000000000000A40 0102030405 3001 4001 0F")
    assert (present.distance_mm, present.temperature_c) == (1200, Decimal("-28.89"))
    assert present.battery and present.battery.text == "3.25 V"
    assert [(each.distance_mm, each.is_past) for each in past] == [(1300, True), (1400, True)]
    assert [NOW - each.measured_at for each in past] == [timedelta(minutes=15), timedelta(minutes=30)]


@pytest.mark.parametrize("text", ["02 03 B004 24", "03 03 01 04B0", "04 0701 04B0"])
def test_flags_of_one_byte_and_values_before_tags_are_read(text: str) -> None:
    (found,) = of_bytes(text)
    assert found.distance_mm == 1200


@pytest.mark.parametrize(
    "text", ["01 636D FF01 0000 0000000000000A40 0102030405 0F", "01 6307 2001 0000 0000000000000A40 0102030405 0F"]
)
def test_what_is_no_text_or_no_decimal_digits_is_another_layout(text: str) -> None:
    with pytest.raises(Unreadable):
        of_bytes(text)


@pytest.mark.parametrize(
    ("fields", "distance_mm"),
    [
        ({"far": 47.5, "scale": "in"}, Decimal("1206.5")),
        ({"far": 4, "scale": "ft"}, Decimal("1219.2")),
        ({"list": [{"kind": "near", "v": 7}, {"kind": "far", "v": 1200}, 7]}, 1200),
        ({"row": [7, 1200]}, 1200),
        ({"row": []}, None),
    ],
)
def test_a_unit_beside_a_value_and_elements_of_lists_are_read(fields: Any, distance_mm: Decimal | None) -> None:
    family = read_family("ab.toml", RARE)
    frame = Frame(server="s", key="AA", key_kind="imei", sent_at=NOW, fields=as_sent(fields))
    (found,) = interpret(frame, Chosen(family.models[0], as_sent(fields)), NOW, Clock.SERVER)
    assert found.distance_mm == distance_mm


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"row[-1]"', '"row[x]"', "reading.distance.fields"),
        ('"row[-1]"', '"row..x"', "reading.distance.fields"),
        ("tags.xx01", "tags.x101", "bytes[3].tags.x101"),
        ('requires = ["xx01"]', 'requires = ["0701"]', "bytes[3].requires"),
        ("flag_bytes = 1", "flag_bytes = 9", "bytes[1].flag_bytes"),
        ('every_unit = "min"', 'every_unit = "d"', "history.every_unit"),
        ('every_unit = "min"', 'every_unit = "min"\ntime = "t"', "history.every_s"),
    ],
)
def test_rare_words_are_checked_too(old: str, new: str, field: str) -> None:
    assert old in RARE
    with pytest.raises(InvalidModel) as error:
        read_family("ab.toml", RARE.replace(old, new))
    assert error.value.field == field
