"""Collection lists, and other rounds tried on the past, asked through Django's client over a real store."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from django.test import Client

from reports import store
from reports.report import Report
from reports.web import collection_list, part_of_fleet
from tests.support.cans import a_can, a_report

pytestmark = [pytest.mark.usefixtures("suffix"), pytest.mark.django_db]

NOW = datetime.now(UTC).replace(microsecond=0)
LISTS, TRIALS = "/collections", "/collections/what-if"
HTML = {"Accept": "text/html"}


def put(can_id: str, levels: Sequence[float], *, every_h: float = 2, ago_h: float = 0, **more: Any) -> None:
    """Store a can's levels, the last of them so many hours ago."""
    reports = [
        a_report(can_id, f"{level:g}", NOW - timedelta(hours=ago_h + every_h * turn), **more)
        for turn, level in enumerate(reversed(levels))
    ]
    for at in range(0, len(reports), 400):
        store.put_reports(reports[::-1][at : at + 400], now=NOW)


#: It fills by 8 % in two hours, and is emptied at 96 %.
SAW = [*range(0, 100, 8)] * 4


def place(lat: float, lon: float) -> dict[str, tuple[Decimal, Decimal]]:
    return {"location": (Decimal(str(lat)), Decimal(str(lon)))}


def a_town() -> None:
    put("full", [*SAW, *range(0, 89, 8)], stream="paper", **place(50.09, 14.42))
    put("soon", [*SAW, *range(0, 65, 8)], stream="plastic", **place(50.08, 14.42))
    put("stuck", [40.0] * 30, every_h=8, **place(50.10, 14.43))
    put("low", [*SAW, 0, 8], stream="plastic")
    put("gone", [*SAW, 0, 8], ago_h=60)
    put("retired", [90, 90])
    a_can("full", name="Market", address="Market square 3")
    a_can("retired", retired_at=NOW)


def listed(client: Client, query: str = "", **more: str) -> dict[str, Any]:
    # The client's own `data` would stand in place of the query.
    answer = client.get(f"{LISTS}?{query}&{urlencode(more)}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def in_hours(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def test_a_list_says_what_to_empty_and_why_and_what_is_left(client: Client) -> None:
    a_town()

    found = listed(client, f"by={in_hours(10)}&age_days=99")

    assert [(can["can_id"], can["why"]) for can in found["results"]] == [
        ("full", "FULL"), ("soon", "FORECAST"), ("stuck", "SUSPECT"),
    ]  # fmt: skip
    assert found["counts"] == {"FULL": 1, "FORECAST": 1, "SUSPECT": 1, "AGE": 0}
    left = {group["why"]: [can["can_id"] for can in group["cans"]] for group in found["left"]}
    assert left["SILENT"] == ["gone"]
    assert "low" in [*left.get("POSSIBLE", ()), *left.get("LATER", ())]
    assert "retired" not in json.dumps(found)
    assert (found["looked_at"], found["complete"], found["complete_from"]) == (6, True, 0)
    soon = found["results"][1]
    assert soon["chance"] >= 0.5
    assert soon["low"] < soon["full_at"] < soon["high"]
    assert 0 < soon["overflow_h_avoided"] <= 24
    assert found["overflow_untold"] == sum(can["overflow_h_avoided"] is None for can in found["results"]) == 1
    assert sorted(can["stop"] for can in found["results"]) == [1, 2, 3]
    assert found["way"]["length_km"] == pytest.approx(sum(can["leg_km"] for can in found["results"]), abs=0.01)
    assert {can["can_id"] for can in listed(client, f"by={in_hours(10)}&stream=PAPER")["results"]} == {"full"}


def test_an_area_is_a_circle_a_box_or_words_of_the_details(client: Client) -> None:
    a_town()
    a_can("stuck", name="Market hall", latitude=Decimal("50.2"), longitude=Decimal("14.5"))
    a_can("new", address="Market square 4", latitude=Decimal("50.09"), longitude=Decimal("14.42"))

    def cans(area: str) -> set[str]:
        return {can["can_id"] for can in listed(client, f"by={in_hours(10)}", area=area)["results"]}

    # What is known of a can's place goes before what its device sends.
    assert cans("50.085,14.42,1") == {"full", "soon"}
    assert cans("50.1999,14.4999,50.2001,14.5001") == {"stuck"}
    assert cans("market") == {"full", "stuck"}
    near = listed(client, area="50.09,14.42,0.1")
    assert [group["cans"][0]["can_id"] for group in near["left"] if group["why"] == "NEVER_REPORTED"] == ["new"]


def test_a_list_is_as_long_as_was_asked_for_and_says_what_is_beyond(client: Client) -> None:
    a_town()

    found = listed(client, f"by={in_hours(10)}&stops=1")

    assert [can["can_id"] for can in found["results"]] == ["full"]
    beyond = {group["why"]: group["count"] for group in found["left"]}["BEYOND"]
    assert beyond == 2


def test_of_a_large_fleet_the_fullest_are_looked_at_and_the_answer_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_of_fleet, "LOOKED_AT", 3)
    # Of a page of a hundred there are none.
    monkeypatch.setattr("reports.store.ranking.SPARE_ROWS", 0)
    store.put_reports([a_report(f"{level}", f"{level}.5", NOW) for level in (91, 84, 83, 75, 62, 5)], now=NOW)

    found = listed(client)
    page = client.get(LISTS, headers=HTML).content.decode()

    assert [can["can_id"] for can in found["results"]] == ["91", "84", "83"]
    assert (found["looked_at"], found["complete"], found["complete_from"]) == (3, False, 84)
    assert "Every can of at least 84 % is among them" in page


WRONG = {
    LISTS: (
        ("by=yesterday", "by"), ("by=2001-01-01", "by"), ("by=2999-01-01", "by"), ("next=2001-01-01", "next"),
        ("area=91,0,1", "area"), ("area=" + "x" * 129, "area"), ("start=50", "start"), ("chance=100", "chance"),
        ("age_days=0", "age_days"), ("stops=201", "stops"), ("order=best", "order"), ("threshold=70", "threshold"),
    ),
    TRIALS: (
        ("threshold=101", "threshold"), ("days=someday", "days"), ("hour=24", "hour"), ("days_back=91", "days_back"),
        ("cans=51", "cans"), ("area=0,0,0", "area"), ("by=2026-11-27", "by"),
    ),
}  # fmt: skip


def test_what_breaks_a_rule_is_400_in_json_and_on_the_page(client: Client) -> None:
    for address, queries in WRONG.items():
        for query, field in queries:
            answer = client.get(f"{address}?{query}")
            page = client.get(f"{address}?{query}", headers=HTML)

            assert (answer.status_code, page.status_code) == (400, 400), query
            (error,) = answer.json()["errors"]
            assert error["field"] == field
            assert error["rule"] in page.content.decode().replace("&#x27;", "'"), query


def test_a_list_as_csv_has_a_row_for_each_can_and_no_formula(client: Client) -> None:
    a_town()
    a_can("soon", name="=1+1")

    answer = client.get(f"{LISTS}?by={in_hours(10)}&format=csv&order=stops")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["stop"] for row in rows] == ["1", "2", "3"]
    assert {row["can_id"]: row["name"] for row in rows} == {"full": "Market", "soon": "'=1+1", "stuck": ""}
    assert {row["why"] for row in rows} == {"FULL", "FORECAST", "SUSPECT"}


# -- GPX: the structure of its schema, https://www.topografix.com/GPX/1/1/gpx.xsd ------------------------------------

GPX = "{http://www.topografix.com/GPX/1/1}"
#: The children that each type may have, in this order; those with `*` any number of times.
SEQUENCES = {
    "gpx": "metadata wpt* rte* trk* extensions",
    "metadata": "name desc author copyright link* time keywords bounds extensions",
    "rte": "name cmt desc src link* number type extensions rtept*",
    "rtept": "ele time magvar geoidheight name cmt desc src link* sym type fix sat hdop vdop pdop ageofdgpsdata dgpsid "
    "extensions",
}


def check_gpx(element: ElementTree.Element) -> None:
    """Fail where an element, or one within it, is not as GPX 1.1 says."""
    name = element.tag.removeprefix(GPX)
    assert element.tag == GPX + name
    if name not in SEQUENCES:
        assert len(element) == 0
        assert element.attrib == {}
        return
    pattern = "".join(f"(<{one.rstrip('*')}>){'*' if one.endswith('*') else '?'}" for one in SEQUENCES[name].split())
    assert re.fullmatch(pattern, "".join(f"<{child.tag.removeprefix(GPX)}>" for child in element)), name
    if name == "gpx":
        assert element.attrib["version"] == "1.1"
        assert element.attrib["creator"]
    if name == "rtept":
        assert set(element.attrib) == {"lat", "lon"}
        assert -90 <= Decimal(element.attrib["lat"]) <= 90
        assert -180 <= Decimal(element.attrib["lon"]) < 180
    for child in element:
        check_gpx(child)
    if name == "metadata" and (at := element.findtext(f"{GPX}time")):
        assert datetime.fromisoformat(at).tzinfo


def test_a_list_as_gpx_is_a_route_as_the_schema_of_gpx_says(client: Client) -> None:
    store.put_reports(
        [
            a_report("<a>&\"'", "99", NOW, **place(0, 180)),
            a_report("b\x01", "98", NOW, **place(-89.5, -180)),
            a_report("nowhere", "97", NOW),
        ],
        now=NOW,
    )
    a_can("<a>&\"'", name="]]> \uffff", address="Ulice č. 1")

    answer = client.get(f"{LISTS}?format=gpx&start=0,179.9")

    assert answer["Content-Type"] == "application/gpx+xml"
    root = ElementTree.fromstring(answer.content)  # noqa: S314 - our own
    check_gpx(root)
    points = root.findall(f"{GPX}rte/{GPX}rtept")
    assert [point.findtext(f"{GPX}name") for point in points] == ["Start", "1. <a>&\"'", "2. b\ufffd", "End"]
    assert "Ulice č. 1" in (points[1].findtext(f"{GPX}desc") or "")
    check_gpx(ElementTree.fromstring(client.get(f"{LISTS}?format=gpx&area=none-such").content))  # noqa: S314


def test_the_page_draws_a_map_without_javascript_and_the_driver_has_the_stops_in_order(client: Client) -> None:
    a_town()

    page = client.get(f"{LISTS}?by={in_hours(10)}&order=stops", headers=HTML).content.decode()

    assert page.count('<rect class="') >= 3
    # The list leads to the same cans: who uses the keyboard need not go through the map.
    drawing = page[page.index('<figure class="stop-map">') : page.index("</figure>")]
    assert drawing.count("<a ") == drawing.count('tabindex="-1"') >= 3
    assert "<polyline points=" in page
    rows = re.findall(r'<td class="n">(\d+)</td>', page)
    assert rows[:3] == ["1", "2", "3"]
    assert "Market square 3" in page
    assert "no roads" in page


def test_an_empty_fleet_has_an_empty_list(client: Client) -> None:
    found = listed(client)

    assert (found["results"], found["overflow_h_avoided"], found["way"]["length_km"]) == ([], None, None)
    assert "Nothing to empty" in client.get(LISTS, headers=HTML).content.decode()
    assert "No history to try it on" in client.get(TRIALS, headers=HTML).content.decode()


# -- other rounds, tried on the past -----------------------------------------------------------------------------------


def test_other_rounds_are_tried_on_what_was_reported(client: Client) -> None:
    put("can", SAW * 3, stream="plastic")
    query = "days=mon,tue,wed,thu,fri,sat,sun&days_back=30&threshold=20"

    answer = client.get(f"{TRIALS}?{query}")

    found = answer.json()
    assert answer.status_code == 200
    assert found["happened"]["collections"] == 11
    assert found["happened"]["overflow_h"] > 30
    # It takes a day to fill: once a day nearly suffices.
    assert 10 <= found["instead"]["collections"] <= 13
    assert found["known_h"] == pytest.approx(310)
    assert (found["cans"], found["chosen_from"], found["complete"], found["shortened"]) == (1, 1, True, 0)
    page = client.get(f"{TRIALS}?{query}", headers=HTML).content.decode()
    assert f"{found['instead']['collections']} collections" in page
    weekly = client.get(f"{TRIALS}?days=mon&threshold=20&days_back=30").json()
    assert weekly["instead"]["overflow_h"] > found["instead"]["overflow_h"]


def test_a_sample_is_the_same_each_time_and_no_larger_than_was_asked_for(client: Client) -> None:
    for number in range(5):
        put(f"{number}", [10, 20, 30])

    first, second = (client.get(f"{TRIALS}?cans=2").json() for _ in range(2))

    assert [can["can_id"] for can in first["results"]] == [can["can_id"] for can in second["results"]]
    assert (first["cans"], first["chosen_from"]) == (2, 5)


def test_of_a_can_with_more_reports_than_are_read_the_newest_are(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.web.what_if.MOST_REPORTS", 10)
    put("can", SAW)

    found = client.get(TRIALS).json()

    assert (found["shortened"], found["known_h"]) == (1, 18)


def test_a_list_names_so_many_of_those_it_leaves_and_counts_all(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection_list, "NAMED", 2)
    store.put_reports([Report(f"{number}", "5", NOW, NOW) for number in range(5)], now=NOW)

    (group,) = listed(client)["left"]

    assert (group["why"], group["count"], len(group["cans"])) == ("UNKNOWN", 5, 2)
    assert "not yet seen to get full" in group["cans"][0]["reason"]
