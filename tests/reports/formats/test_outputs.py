"""Reports in FIWARE's and OMA's words: what they say is what our own parser reads out of them again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.formats import parse
from reports.formats.ngsi_ld import PREFIX, waste_container
from reports.formats.readings import Location, Reading, Verdict
from reports.formats.senml import pack
from reports.report import Report

NOW = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
AT = datetime(2026, 11, 26, 17, 0, 0, 250_000, tzinfo=UTC)


def from_80(report: Report) -> bool:
    return Decimal(report.level) >= 80


def a_report(**others: Any) -> Report:
    return Report(**{"can_id": "432", "level": "70.69", "measured_at": AT, "received_at": NOW, **others})


def sensor(**others: Any) -> str:
    return json.dumps({"sensor": "24E124713B492011", **others})


def again(written: Any) -> list[Reading]:
    found = parse(json.dumps(written), NOW)
    assert all(isinstance(each, Reading) for each in found), found
    return [each for each in found if isinstance(each, Reading)]


def test_an_entity_is_a_waste_container_as_the_data_model_writes_it() -> None:
    place = Decimal("50.08"), Decimal("14.43")
    entity = waste_container(a_report(location=place, attributes=sensor(temperature_c=21.5, events=["fire"])))
    assert entity.pop("@context")
    assert entity == {
        "id": "urn:ngsi-ld:WasteContainer:432",
        "type": "WasteContainer",
        "fillingLevel": {
            "type": "Property", "value": 0.7069, "unitCode": "C62", "observedAt": "2026-11-26T17:00:00.250000Z",
        },
        "temperature": {
            "type": "Property", "value": 21.5, "unitCode": "CEL", "observedAt": "2026-11-26T17:00:00.250000Z",
        },
        "status": {"type": "Property", "value": "burning", "observedAt": "2026-11-26T17:00:00.250000Z"},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [14.43, 50.08]}},
    }  # fmt: skip


def test_a_pack_names_can_object_and_resource() -> None:
    assert pack([a_report(attributes=sensor(temperature_c=21.5, events=["tilt"]))], is_full=from_80) == [
        {"bn": "432/3435/0/", "bt": 1795712400.25, "n": "2", "u": "/100", "v": 70.69},
        {"n": "5", "vb": False},
        {"n": "13", "vb": True},
        {"n": "21", "vb": False},
        {"n": "22", "vb": False},
        {"bn": "432/3303/0/", "n": "5700", "u": "Cel", "v": 21.5},
    ]


def test_an_entity_reads_as_what_was_written() -> None:
    place = Decimal("50.08"), Decimal("14.43")
    (found,) = again(waste_container(a_report(location=place, attributes=sensor(temperature_c=21.5, events=["fire"]))))
    assert (found.level_percent, found.measured_at, found.temperature_c) == (Decimal("70.69"), AT, Decimal("21.5"))
    assert (found.events, found.location) == (("fire",), Location(*place))


def test_a_notification_of_entities_reads_as_what_was_written() -> None:
    entities = [waste_container(a_report(can_id=str(index), level=str(index))) for index in range(3)]
    for message in (entities, {"type": "Notification", "subscriptionId": "s", "data": entities}):
        assert [(each.frame.key, each.level_percent) for each in again(message)] == [
            (f"{PREFIX}{index}", index) for index in range(3)
        ]


def test_a_pack_of_several_cans_reads_as_what_was_written() -> None:
    reports = [a_report(can_id=str(index), level=str(index)) for index in range(3)]
    found = again(pack(reports, is_full=from_80))
    assert [(each.frame.key, each.level_percent, each.measured_at) for each in found] == [
        (str(index), index, AT) for index in range(3)
    ]


@pytest.mark.parametrize(("event", "status"), [("tilt", "dropped"), ("lid_open", "lidOpen"), ("fire", "burning")])
def test_a_sensors_event_comes_back_from_both(event: str, status: str) -> None:
    report = a_report(attributes=sensor(events=[event]))
    entity = waste_container(report)
    assert entity["status"]["value"] == status
    for written in (entity, pack([report], is_full=from_80)):
        (found,) = again(written)
        assert found.events == (event,)
        assert (found.verdict is Verdict.HOLD) == (event == "lid_open")


def test_a_full_can_says_so() -> None:
    (found,) = again(pack([a_report(level="80")], is_full=from_80))
    assert found.events == ("full",)


def test_no_status_is_said_where_no_sensor_told_one() -> None:
    assert "status" not in waste_container(a_report())
    assert len(pack([a_report()], is_full=from_80)) == 2


@pytest.mark.parametrize("attributes", ["[]", "7", "{", '{"temperature_c":"warm"}', '{"temperature_c":1e400}', "{}"])
def test_attributes_of_any_kind_are_left_alone(attributes: str) -> None:
    assert "temperature" not in waste_container(a_report(attributes=attributes))
    assert len(pack([a_report(attributes=attributes)], is_full=from_80)) == 2


@settings(deadline=None, max_examples=200)
@given(
    st.text(min_size=1, max_size=128).filter(lambda text: text.strip() == text and text.isprintable()),
    st.decimals(min_value=0, max_value=100, places=6, allow_nan=False),
)
def test_any_can_and_level_come_back(can_id: str, level: Decimal) -> None:
    report = a_report(can_id=can_id, level=f"{level:f}")
    entity = waste_container(report)
    assert unquote(entity["id"].removeprefix(PREFIX)) == can_id
    if len(entity["id"]) <= 128:
        (found,) = again(entity)
        assert found.frame.key == entity["id"]
        assert found.level_percent is not None and abs(found.level_percent - level) < Decimal("1e-9")
    records = pack([report], is_full=from_80)
    if len(records[0]["bn"]) <= 128:
        (found,) = again(records)
        assert found.level_percent is not None and abs(found.level_percent - level) < Decimal("1e-9")
