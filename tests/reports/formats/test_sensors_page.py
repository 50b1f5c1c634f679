"""docs/sensors.md lists what the code knows: each server in the order of recognition, each model with what it tells."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from reports.formats.models import Family, load
from reports.formats.readings import EVENTS, MAX_READINGS, Verdict
from reports.formats.servers import SERVERS
from reports.formats.unwrap import MAX_ENVELOPES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "sensors.md").read_text()


def table(heading: str) -> list[str]:
    """The rows of the first table below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def tells(family: Family) -> str:
    distance = family.channels[0][1] if family.channels else family.distance
    parts = [
        f"distance in {distance.unit}" if distance else "",
        f"{len(family.channels)} channels" if family.channels else "",
        "percent" if family.level and family.is_level_trusted else "",
        "percent (not trusted)" if family.level and not family.is_level_trusted else "",
        "°C" if family.temperature else "",
        f"battery in {family.battery.quantity.unit}" if family.battery and family.battery.quantity else "",
        "battery low or ok" if family.battery and not family.battery.quantity else "",
        "place" if family.latitude else "",
        *sorted({rule.event for rule in family.events}),
        "past" if family.history else "",
    ]
    return ", ".join(part for part in parts if part)


def test_the_servers_are_listed_in_the_order_of_recognition() -> None:
    assert table("Network servers") == [
        f"| {index} | {server.title} | {server.told_by} | {server.name} |" for index, server in enumerate(SERVERS, 1)
    ]


def test_the_models_are_listed_with_what_they_tell() -> None:
    assert table("Models") == [
        f"| {', '.join(model.name for model in family.models)} | {family.file.removesuffix('.toml')} | "
        f"{'bytes' if any(not layout.ignored for layout in family.layouts) else 'fields alone'} | {tells(family)} |"
        for family in load()
    ]


def test_each_word_of_a_models_file_is_explained() -> None:
    folder = Path(__file__).resolve().parents[3] / "reports" / "formats" / "models"
    source = "".join(path.read_text() for path in folder.glob("loading*.py"))
    words = set(re.findall(r'(?:table|told|root|level|distance|place)\.\w+\(\s*"([a-z_]+)"', source))
    # Of each of its files.
    assert words >= {"models", "blind_zone_mm", "flag_bytes"}
    words |= {"requires", "row_tags", "sensor_error", "no_distance", "blind_spot", "latitude", "longitude", "groups"}
    explained = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert words - explained == set()


def test_each_event_and_verdict_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {*EVENTS, *Verdict} - explained == set()


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"at most {MAX_READINGS} readings" in PAGE
    assert MAX_ENVELOPES == 3 and "three envelopes" in PAGE


def test_no_model_is_without_a_name_for_people() -> None:
    assert all(model.name.strip() == model.name for family in load() for model in family.models)
    assert dataclasses.is_dataclass(Family)
