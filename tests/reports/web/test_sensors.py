"""Sensors by API, by CSV and on pages: mounted, calibrated, found by their battery."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from reports import store
from reports.formats import sensor_state
from reports.formats.sensor_state import Fact, SensorState
from reports.models import Can
from reports.sensor_models import Mounting, Sensor
from reports.store import LowBattery, StoredState
from tests.reports.formats.test_uplinks import body
from tests.support.cans import a_report
from tests.support.people import signed_in

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

KEY = "24E124713B492077"
NOW = datetime.now(UTC)
HTML = {"Accept": "text/html"}


@pytest.fixture
def operator() -> Client:
    return signed_in("olga", "operator")


def tell(key: str, *, low: bool = False, **facts: str) -> None:
    """Write what a sensor told, as a worker does."""
    state = SensorState(
        NOW,
        model="Milesight EM310-UDL",
        is_battery_low=low,
        facts={name: Fact(text, NOW) for name, text in facts.items()},
        events={"fire": NOW},
        active=("fire",),
    )
    known = store.sensor_states([key])
    store.change_states({key: known.get(key, StoredState())}, lambda *_: sensor_state.to_text(state))


def mount(client: Client, key: str = KEY, **members: Any) -> tuple[int, Any]:
    answer = client.post(f"/sensors/{key}/mountings", json.dumps(members), content_type="application/json")
    return answer.status_code, answer.json()


def test_a_sensor_is_mounted_moved_and_calibrated_by_api(operator: Client) -> None:
    status, first = mount(
        operator, "24-e1-24-71-3b-49-20-77", can_id="1", since="2026-11-01T00:00:00Z", empty_mm=2000, full_mm=200
    )
    assert (status, first["can_id"], first["calibration"]) == (201, "1", 1)
    assert mount(operator, can_id="1", since="2026-11-01T00:00:00Z", empty_mm=1900, full_mm=200)[1]["calibration"] == 2
    assert mount(operator, can_id="2", since="2026-11-20T00:00:00Z")[0] == 201

    (channel,) = operator.get(f"/sensors/{KEY}").json()["channels"]
    assert [(each["can_id"], each["until"]) for each in channel["mountings"]] == [
        ("2", None),
        ("1", "2026-11-20T00:00:00Z"),
    ]
    path = f"/sensors/{KEY}/mountings/{channel['mountings'][0]['id']}"
    changed = operator.patch(path, '{"blind_mm": 9}', content_type="application/json")
    assert changed.json()["errors"] == [
        {"field": "blind_mm", "rule": "The blind zone must be less than the distance when empty."}
    ]
    assert operator.delete(f"/sensors/{KEY}").status_code == 204
    assert operator.get(f"/sensors/{KEY}").status_code == 404


@pytest.mark.parametrize("key", ["urn:ngsi-ld:Device/7", "/rd/5", "a/", ".."])
def test_a_key_may_hold_slashes(operator: Client, key: str) -> None:
    sent = quote(key, safe="")
    status, mounting = mount(operator, sent, can_id="1", since="2026-11-01T00:00:00Z")
    assert (status, Sensor.objects.get().key) == (201, key)

    page = operator.get(f"/mountings/{mounting['id']}/").content.decode()
    address = re.search(r'href="(/sensors/[^"]+format=json)"', page)
    assert address
    assert operator.get(html.unescape(address[1])).json()["key"] == key
    path = f"/sensors/{sent}/mountings/{mounting['id']}"
    assert operator.patch(path, '{"empty_mm": 900, "full_mm": 9}', content_type="application/json").status_code == 200
    assert operator.post(f"{path}/empty/").json()["errors"][0]["rule"].startswith("No distance of this sensor")
    assert operator.delete(f"/sensors/{key}/").status_code == 204


def test_the_present_reading_is_taken_as_empty(operator: Client) -> None:
    _, mounting = mount(operator, can_id="1", since="2026-11-01T00:00:00Z")
    path = f"/sensors/{KEY}/mountings/{mounting['id']}/empty"
    assert operator.post(path).status_code == 400
    tell(KEY, distance="1874 mm")

    assert (operator.post(path).json()["empty_mm"], Mounting.objects.get().full_mm) == (1874, 0)
    page = operator.post(f"/mountings/{mounting['id']}/", {"empty_now": "yes", "full_mm": 200}, follow=True)
    assert "Saved." in page.content.decode()


def test_a_csv_mounts_all_or_none(operator: Client) -> None:
    def post(text: str) -> tuple[int, Any]:
        answer = operator.post("/sensors", text, content_type="text/csv")
        return answer.status_code, answer.json()

    good = "key;can_id;since;empty_mm;full_mm\nA;1;2026-11-01T00:00:00Z;1500;300\nB;2;;;\n"
    assert post(good) == (200, {"new": 2, "same": 0})
    status, problem = post("key,can_id,since,empty_mm\nC,3,yesterday,\nD,4,,1500\nE,a/b,,\n")
    assert status == 400
    assert [each["rule"].partition(":")[0] for each in problem["errors"]] == ["Line 2", "Line 3", "Line 4"]
    assert sorted(Sensor.objects.values_list("key", flat=True)) == ["A", "B"]


def test_who_waits_is_listed_and_mounted_on_the_page(operator: Client) -> None:
    told = sensor_state.to_text(SensorState(NOW, model="Teneo", facts={"distance": Fact("900 mm", NOW)}))
    store.put_waiting([store.Waiting("<b>w", NOW, NOW, 3, told)])

    page = operator.get("/sensors", headers=HTML).content.decode()
    assert "&lt;b&gt;w" in page and "900 mm" in page
    assert "900 mm" in operator.get("/sensors/mount/?key=%3Cb%3Ew").content.decode()
    answer = operator.post("/sensors/mount/", {"key": "<b>w", "can_id": "7", "empty_mm": "1500", "full_mm": "200"})
    assert answer.status_code == 302
    assert Mounting.objects.get().can_id == "7"
    assert ">is mounted<" in operator.get("/sensors", headers=HTML).content.decode()
    refused = operator.post("/sensors/mount/", {"key": "<b>w", "can_id": "7/8", "empty_mm": "1500"}).content.decode()
    assert "Enter both distances" in refused


def test_an_error_of_the_form_has_the_id_by_which_its_field_names_it(operator: Client) -> None:
    page = operator.post("/sensors/mount/", {"key": "A", "can_id": ""}).content.decode()
    assert re.search('name="can_id"[^>]+aria-describedby="id_can_id_error".*id="id_can_id_error" role="alert">', page)


def test_a_cans_page_shows_its_sensors_state_with_ages(operator: Client) -> None:
    store.put_reports([a_report("777", "50", NOW)], now=NOW)
    mount(operator, can_id="777", since="2026-11-01T00:00:00Z")
    tell(KEY, battery="3.2 V", temperature="21.5 °C", low=True)

    page = operator.get("/reports/777", headers=HTML).content.decode()
    for said in (KEY, "3.2 V", "21.5 °C", "fire", "Calibrate or take out"):
        assert said in page


def test_sensors_of_low_battery_are_found(operator: Client) -> None:
    for at in range(3):
        mount(operator, f"S{at}", can_id=str(at), since="2026-11-01T00:00:00Z")
        tell(f"S{at}", battery="17 %", low=at == 1)

    found = operator.get("/sensors?battery=low").json()
    assert [each["key"] for each in found["results"]] == ["S1"]
    assert found["results"][0]["state"]["facts"]["battery"]["value"] == "17 %"
    assert operator.get("/sensors?battery=full").status_code == 400
    first = operator.get("/sensors?page_size=2").json()
    rest = operator.get(first["next"]).json()
    assert [each["key"] for each in [*first["results"], *rest["results"]]] == ["S0", "S1", "S2"]


def ids(answer: Any) -> list[str]:
    return [each["can_id"] for each in answer.json()["results"]]


def test_the_fleet_is_filtered_by_low_batteries_from_their_list(operator: Client) -> None:
    for at in range(6):
        mount(operator, f"L{at}", can_id=f"low{at}", since="2026-11-01T00:00:00Z")
        tell(f"L{at}", battery="17 %", low=at != 4)
    # Two sensors in one can, one taken out of its can, and one in a can that never had a level.
    mount(operator, "L6", can_id="low0", since="2026-11-01T00:00:00Z")
    tell("L6", battery="3.7 V")
    operator.patch(
        f"/sensors/L5/mountings/{Mounting.objects.get(sensor__key='L5').pk}",
        json.dumps({"until": "2026-11-20T00:00:00Z"}),
        content_type="application/json",
    )
    Can.objects.create(can_id="low3")
    store.put_reports([a_report(f"low{at}", f"{10 * at}", NOW) for at in (0, 1, 2, 4, 5)], now=NOW)
    store.note_low_batteries([LowBattery(f"low{at}", f"L{at}") for at in range(6)], NOW)

    assert ids(operator.get("/reports/?battery=low")) == ["low0", "low1", "low2", "low3"]
    assert ids(operator.get("/reports/?battery=low&order=fullest")) == ["low2", "low1", "low0", "low3"]
    assert ids(operator.get("/reports/?battery=low&level_min=10&q=low")) == ["low1", "low2"]
    assert 'value="low" selected' in operator.get("/reports/?battery=low", headers=HTML).content.decode()

    pages = [operator.get("/reports/?battery=low&page_size=2")]
    while pages[-1].json()["next"]:
        pages.append(operator.get(pages[-1].json()["next"]))
    assert [can_id for page in pages for can_id in ids(page)] == ["low0", "low1", "low2", "low3"]
    assert ids(operator.get(pages[1].json()["previous"])) == ["low0", "low1"]
    assert operator.get("/reports/?battery=full").json()["errors"][0]["rule"] == "must be one of low"
    # The last: a slow export closes the database of this thread, since another one goes on.
    lines = operator.get("/reports/?battery=low&format=csv").getvalue().decode().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["can_id", "low0", "low1", "low2", "low3"]


def test_a_mounting_in_the_past_ends_before_the_next(operator: Client) -> None:
    mount(operator, can_id="1", since="2026-11-20T00:00:00Z")
    status, problem = mount(operator, can_id="2", since="2026-11-01T00:00:00Z")
    assert (status, problem["errors"][0]["rule"]) == (
        400,
        "From 2026-11-20T00:00:00Z on the sensor is in can 1: this mounting has to end by then, or the begin of that "
        "one has to be corrected.",
    )
    assert mount(operator, can_id="2", since="2026-11-01T00:00:00Z", until="2026-11-20T00:00:00Z")[0] == 201
    status, problem = mount(operator, can_id="3", since="2026-11-10T00:00:00Z", until="2026-11-15T00:00:00Z")
    assert (status, problem["errors"][0]["rule"]) == (
        400,
        "The sensor is in can 2 at that time: from 2026-11-01T00:00:00Z on until 2026-11-20T00:00:00Z.",
    )


def a_waiting_sensor(*measured_at: datetime) -> None:
    """List a sensor that waits, with a kept message of each of these instants, as a worker does."""
    message = json.loads(body("awsiot-em310-udl.json"))
    kept = []
    for count, at in enumerate(measured_at):
        message["WirelessMetadata"]["LoRaWAN"] |= {"Timestamp": at.isoformat(), "FCnt": count}
        kept.append(store.KeptMessage(json.dumps(message), f"m{count}", at + timedelta(seconds=3), ""))
    store.keep_messages({KEY: kept})
    told = sensor_state.to_text(SensorState(NOW, model="Milesight EM310-UDL"))
    store.put_waiting([store.Waiting(KEY, NOW, NOW, len(kept), told)])


def test_the_begin_of_a_mounting_is_proposed_told_and_corrected(operator: Client) -> None:
    first, last = (NOW.replace(microsecond=0) - timedelta(hours=hours) for hours in (2, 1))
    a_waiting_sensor(first, last)
    page = operator.get(f"/sensors/mount/?key={KEY}").content.decode()
    assert f'name="since" value="{first:%Y-%m-%d %H:%M:%S}"' in page

    # Without it the mounting begins now, and what was kept lies before it.
    form = {"key": KEY, "can_id": "waits", "empty_mm": "2500", "full_mm": "300"}
    page = operator.post("/sensors/mount/", form, follow=True, headers=HTML).content.decode()
    for said in (
        "Measurements kept of it: 2.", "stored under the can within half a minute: 0.",
        f"not stored: 2, the first at {first:%Y-%m-%dT%H:%M:%SZ}.", "No report of can waits is stored yet",
    ):  # fmt: skip
        assert said in page
    mounting = Mounting.objects.get()
    assert f'<a href="/mountings/{mounting.pk}/">is mounted</a>' in page

    # The page of the mounting corrects it, and the API.
    sent = {**form, "since": f"{last:%Y-%m-%d %H:%M:%S}"}
    page = operator.post(f"/mountings/{mounting.pk}/", sent, follow=True).content.decode()
    assert "within half a minute: 1." in page and "not stored: 1, the first" in page
    path = f"/sensors/{KEY}/mountings/{mounting.pk}"
    answer = operator.patch(path, json.dumps({"since": first.isoformat()}), content_type="application/json")
    assert answer.json()["since"] == f"{first:%Y-%m-%dT%H:%M:%SZ}"
    # A time whose fraction the page does not show stays as it is.
    Mounting.objects.update(since=first.replace(microsecond=7))
    page = operator.post(f"/mountings/{mounting.pk}/", {**form, "since": f"{first:%Y-%m-%d %H:%M:%S}", "blind_mm": 9})
    mounting.refresh_from_db()
    assert (mounting.since, mounting.blind_mm) == (first.replace(microsecond=7), 9)


def test_a_sensor_is_mounted_while_dynamodb_is_away(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise store.StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "kept_messages", away)
        assert operator.get("/sensors/mount/?key=away").status_code == 200
        assert operator.post("/sensors/mount/", {"key": "away", "can_id": "1"}).status_code == 302
    page = operator.get("/sensors", headers=HTML).content.decode()
    assert "away is mounted in can 1" in page and "cannot be told just now" in page


def test_a_mounting_sent_twice_is_one_and_one_of_nobody_or_of_the_future_says_so(operator: Client) -> None:
    form = {"key": "zz", "can_id": "typo", "empty_mm": "2500", "full_mm": "300"}
    for said in (".", ", as before."):
        page = operator.post("/sensors/mount/", form, follow=True, headers=HTML).content.decode()
        assert "Nothing has been heard from this sensor yet" in page and "No report of can typo is stored yet" in page
        assert re.search(rf"zz is mounted in can typo since [^ ]+Z{re.escape(said)} ", page)
    (mounting,) = Mounting.objects.all()
    Sensor.objects.update(model="Netvox R718PE")
    assert operator.post("/sensors/mount/", {**form, "empty_mm": "2400"}).status_code == 302
    assert Sensor.objects.get().model == "Netvox R718PE"
    assert Mounting.objects.count() == 2

    page = operator.post("/sensors/mount/", {**form, "since": "2130-01-01"}).content.decode()
    assert "It must not be in the future: now it is 2" in page
    path = f"/sensors/zz/mountings/{mounting.pk}"
    refused = operator.patch(path, '{"since": "2130-01-01T00:00:00Z"}', content_type="application/json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "since")
    assert Mounting.objects.filter(since__gt=NOW + timedelta(days=1)).count() == 0


def test_a_pasted_message_is_explained_and_stored_nowhere(operator: Client) -> None:
    page = operator.post("/sensors/explain/", {"message": body("awsiot-em310-udl.json")}).content.decode()
    assert "store: Milesight EM310-UDL 24E124713B492077, 2116 mm" in page
    assert "01755C03824408040001 is battery = 92" in page
    assert "must be JSON" in operator.post("/sensors/explain/", {"message": "<b>no"}).content.decode()
