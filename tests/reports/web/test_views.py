"""What the API answers, asked through Django's client over a real store."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import boto3
import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from reports import store
from reports.insight.fleet_counts import Count, Urgent, Walked
from reports.models import Can, index_words
from reports.report import Report
from reports.store import walking
from reports.web import cursors, fleet, fleet_count, fleet_csv, fleet_listing, found_cans, never_reported
from reports.web.csv_files import as_it_was, harmless
from reports.web.fleet_count import FleetCount
from reports.web.problems import InvalidQuery
from tests.support.cans import a_can, a_report
from trashsite import aws

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

NOW = datetime.now(UTC).replace(microsecond=0)


def put(can_id: str, level: str = "50", *, ago_s: int = 0, attributes: str = "{}") -> Report:
    at = NOW - timedelta(seconds=ago_s)
    report = Report(can_id, level, at, at, attributes)
    store.put_reports([report], now=datetime.now(UTC))
    return report


@pytest.mark.parametrize("address", ["/reports/420", "/reports/420/"])
def test_a_can_is_answered_with_and_without_a_slash(client: Client, address: str) -> None:
    put("420", "70.69237046207665")

    answer = client.get(address)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert list(answer.json())[:4] == ["can_id", "level", "measured_at", "received_at"]
    assert answer.json()["can_id"] == "420"
    assert answer.json()["level"] == "70.69237046207665"


def test_no_number_among_the_attributes_is_rounded(client: Client) -> None:
    sent = '{"a":1.10,"big":123456789012345678901234567890.5,"huge":1e400,"deep":{"b":[0.1e-7,-0.0]}}'
    put("digits", attributes=sent)

    for address in ("/reports/digits", "/reports/digits/history"):
        assert sent in client.get(address).content.decode()


def test_text_that_looks_like_a_mark_stays_text(client: Client) -> None:
    put("marks", attributes='{"a":"\\u0000 \\"0\\" {} [] \\ud83d\\ude00"}')

    assert client.get("/reports/marks").json()["attributes"] == {"a": '\x00 "0" {} [] 😀'}


def test_an_unknown_can_is_404_in_the_labs_words(client: Client) -> None:
    answer = client.get("/reports/nobody")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert b"Error: Trash Can not found" in answer.content


@pytest.mark.parametrize("can_id", ["a b", "Náměstí Míru 🗑️", "50%", "?x=1", "<script>", "a;b", "x" * 128])
def test_any_id_that_the_wire_takes_has_an_address_that_works(client: Client, can_id: str) -> None:
    put(can_id, "12")

    (row,) = [row for row in pages(client, "/reports/?page_size=300") if row["can_id"] == can_id]

    assert client.get(row["links"]["self"]).json()["can_id"] == can_id
    assert client.get(row["links"]["history"]).json()["can_id"] == can_id


@pytest.mark.parametrize("path", ["/reports/..", "/reports/a%2Fb", "/reports/" + "x" * 10_000, "/reports/%00"])
def test_an_address_that_can_be_no_can_is_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_fleet_is_walked_by_cursor_and_each_can_met_once(client: Client) -> None:
    for number in range(7):
        put(f"walk-{number}")

    met = [row["can_id"] for row in pages(client, "/reports/?page_size=3")]

    assert len(met) == len(set(met))
    assert {f"walk-{number}" for number in range(7)} <= set(met)


def test_an_unknown_range_is_400_on_the_page_and_in_json(client: Client) -> None:
    put("432")

    for accept in ("text/html", "application/json"):
        answer = client.get("/reports/432?range=x", headers={"Accept": accept})
        assert (answer.status_code, b"must be one of 24h, 7d, 30d, all" in answer.content) == (400, True)


def test_history_runs_either_way_between_two_instants(client: Client) -> None:
    for ago_s in (0, 60, 120, 180):
        put("past", str(ago_s // 60), ago_s=ago_s)
    since = (NOW - timedelta(seconds=120)).isoformat()

    newest = list(pages(client, "/reports/past/history", since=since, page_size="2"))
    oldest = client.get("/reports/past/history", {"order": "oldest", "until": since}).json()["results"]

    assert [row["level"] for row in newest] == ["0", "1", "2"]
    assert [row["level"] for row in oldest] == ["3"]


def test_history_of_an_unknown_can_is_404_and_an_empty_span_is_not(client: Client) -> None:
    put("young")

    assert client.get("/reports/nobody/history").status_code == 404
    early = client.get("/reports/young/history", {"until": "2001-01-01"})
    assert (early.status_code, early.json()["results"]) == (200, [])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=301", "page_size"),
        ("page_size=five", "page_size"),
        ("page_size=%D9%A5", "page_size"),
        ("page_size=1e2", "page_size"),
        ("cursor=abc", "cursor"),
        ("cursor=%00", "cursor"),
        ("silent_h=0", "silent_h"),
        ("silent_h=1.5", "silent_h"),
        ("sort=level", "sort"),
        ("%ED%A0%80=1", "\ufffd\ufffd\ufffd"),
    ],
)
def test_a_bad_parameter_is_400_and_named(client: Client, query: str, field: str) -> None:
    answer = client.get(f"/reports/?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00Z", "until"),
        ("since=0001-01-01", "since"),
        ("since=2026-01-02&until=2026-01-01", "until"),
        ("order=fullest", "order"),
    ],
)
def test_a_bad_parameter_of_the_history_is_400_and_named(client: Client, query: str, field: str) -> None:
    answer = client.get(f"/reports/420/history?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_a_zone_whose_plus_nobody_escaped_is_understood(client: Client) -> None:
    put("zoned")

    assert client.get("/reports/zoned/history?since=2026-01-01T00:00:00+01:00").status_code == 200


def test_every_changed_byte_of_a_cursor_is_400(client: Client) -> None:
    for number in range(3):
        put(f"cursor-{number}")
    address = client.get("/reports/?page_size=1").json()["next"]
    cursor = address.partition("cursor=")[2]

    for at in range(len(cursor)):
        changed = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        answer = client.get("/reports/", {"page_size": "1", "cursor": changed})
        assert answer.status_code == 400, changed
        assert answer.json()["errors"][0]["field"] == "cursor"


@given(st.text(min_size=1), st.text(), st.data())
def test_every_flipped_bit_of_a_cursor_is_refused(position: str, scope: str, data: st.DataObject) -> None:
    cursor = cursors.seal(position, scope).encode()
    at = data.draw(st.integers(0, len(cursor) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(cursor)
    changed[at] ^= 1 << bit

    assert cursors.unseal(cursor.decode(), scope) == position
    for wrong in (changed.decode("latin-1"), cursor[:at].decode() or "x", cursor.decode() + "="):
        with pytest.raises(InvalidQuery):
            cursors.unseal(wrong, scope)


def test_a_cursor_is_good_for_its_own_list_alone(client: Client) -> None:
    for number in range(3):
        put("lists", str(number), ago_s=number)
    cursor = client.get("/reports/lists/history?page_size=1").json()["next"].partition("cursor=")[2]

    for address in (
        f"/reports/lists/history?page_size=2&cursor={cursor}",
        f"/reports/lists/history?page_size=1&order=oldest&cursor={cursor}",
        f"/reports/lists/history?page_size=1&since=2020-01-01&cursor={cursor}",
        f"/reports/others/history?page_size=1&cursor={cursor}",
        f"/reports/?page_size=1&cursor={cursor}",
    ):
        assert client.get(address).status_code == 400, address


def test_a_browser_gets_pages_and_all_else_gets_json(client: Client) -> None:
    put("420", "70.69")

    for accept, expected in (
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
    ):
        for address in ("/reports/", "/reports/420", "/reports/420/history", "/health/live"):
            assert client.get(address, headers={"Accept": accept})["Content-Type"] == expected
    assert client.get("/reports/420").json() == client.get("/reports/420?format=json").json()


def test_what_a_device_sends_is_inert_on_pages(client: Client) -> None:
    evil = '{"x":"<script>alert(1)</script>","{{ 411*21 }}":"javascript:alert(1)","y":["</code><img src=x>"]}'
    put("<b>{{ 411*21 }}", attributes=evil)

    address = next(r for r in pages(client, "/reports/?page_size=300") if "411*21" in r["can_id"])["links"]["self"]
    for page in (address, address + "/history", "/reports/?page_size=300"):
        text = client.get(page, headers={"Accept": "text/html"}).content.decode()
        assert "&lt;b&gt;{{ 411*21 }}" in text
        for raw in ("<script>alert", "<b>{{", "<img", ">8631", 'href="javascript:'):
            assert raw not in text


def test_addresses_in_the_json_of_a_page_can_be_followed(client: Client) -> None:
    there = "http://testserver/reports/" + "%22%3E%3Cb%3E"
    put('"><b>', attributes='{"a": "http://elsewhere.example/", "b": "javascript:x", "c": "http://testserver/<i>"}')

    page = client.get(there, headers={"Accept": "text/html"}).content.decode()

    assert f'<a href="{there}">{there}</a>' in page
    assert 'href="http://elsewhere' not in page
    assert "<i>" not in page


def test_an_address_of_nothing_is_a_problem_or_a_page(client: Client) -> None:
    assert client.get("/nothing").json()["status"] == 404
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert b"There is nothing at this address" in page.content


def test_an_anonymous_read_asks_the_database_for_the_facts_alone(
    client: Client, django_assert_num_queries: object
) -> None:
    put("420")

    with django_assert_num_queries(1):  # type: ignore[operator]
        assert client.get("/reports/420").status_code == 200


def test_a_can_is_answered_with_the_facts_that_the_list_has(client: Client) -> None:
    put("one-of-facts", attributes='{"stream": "paper"}')
    without = client.get("/reports/one-of-facts")
    a_can("one-of-facts", name="Market square", latitude="50.0875", longitude="14.4213")
    with_facts = client.get("/reports/one-of-facts", headers={"If-None-Match": without["ETag"]})

    (listed,) = client.get("/reports/?q=one-of-facts").json()["results"]

    assert without.json()["facts"] is None
    assert with_facts.json()["facts"] == listed["facts"]
    assert list(listed["facts"].items())[::3] == [("name", "Market square"), ("latitude", "50.087500")]


def test_a_database_that_is_away_is_asked_once_and_delays_no_other_level(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(can_id: str) -> None:
        asked.append(can_id)
        raise OperationalError("no connection within 3 s")

    put("away", "70.69")
    monkeypatch.setattr("reports.web.can.facts_of_one", away)
    answers = [client.get("/reports/away").json() for _ in range(3)]

    assert asked == ["away"]
    assert [(answer["level"], answer["unavailable"]) for answer in answers] == [("70.69", ["facts"])] * 3
    assert "facts" not in answers[0]


def test_a_store_out_of_reach_is_503_with_retry_after(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise store.StoreUnavailable("out of reach")

    for verb in ("latest_row", "ranked", "history", "ping"):
        monkeypatch.setattr(store, verb, fail)

    for address in ("/reports/", "/reports/420", "/reports/420/history", "/health/ready"):
        answer = client.get(address)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5"), address
    page = client.get("/reports/420", headers={"Accept": "text/html"})
    assert page.status_code == 503
    assert b"Try again" in page.content
    assert client.get("/health/ready").json()["checks"] == {"sqs": "ok", "dynamodb": "no answer"}
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("slash", ["", "/"])
def test_options_tells_what_can_be_asked_and_sent(client: Client, slash: str) -> None:
    fleet = client.options("/reports" + slash).json()
    names = [parameter["name"] for parameter in fleet["methods"]["GET"]["parameters"]]
    filters = {"order", "status", "stream", "level_min", "level_max", "silent_h", "suspect", "battery", "q"}
    assert {*filters, "page_size", "cursor"} == set(names)
    assert fleet["methods"]["POST"]["examples"][0] == {"can_id": "420", "level": "70.69237046207665"}
    assert "202" in fleet["methods"]["POST"]["answers"]

    can = client.options("/reports/420" + slash).json()
    assert can["methods"]["GET"]["answers"][0] == "200"
    assert client.get(can["schema"]).status_code == 200


def test_every_answer_tells_what_is_left_of_the_rate_limit(client: Client, settings: pytest.FixtureRequest) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "read": "2/h"}  # type: ignore[attr-defined]
    mine = {"REMOTE_ADDR": "192.0.2.7"}

    answers = [client.get("/reports/", headers={"X-Forwarded-For": f"10.0.0.{turn}"}, **mine) for turn in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert 0 < int(answers[2]["Retry-After"]) <= 3600
    assert answers[2]["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_no_forwarded_address_that_a_client_makes_up_dodges_the_limit(
    client: Client, settings: pytest.FixtureRequest, proxies: int
) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "read": "2/h"}  # type: ignore[attr-defined]
    settings.TRASH_PROXIES = proxies  # type: ignore[attr-defined]
    # Each proxy adds whom it heard it from.
    told = ", 192.0.2.8" * proxies

    codes = [
        client.get("/reports/", headers={"X-Forwarded-For": f"10.0.0.{turn}, 10.1.0.{turn}{told}"}).status_code
        for turn in range(4)
    ]

    assert codes == [200, 200, 429, 429]


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_one_host_with_many_addresses_has_one_limit(
    client: Client, settings: pytest.FixtureRequest, first: str, second: str, is_one: bool
) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "read": "1/h"}  # type: ignore[attr-defined]

    codes = [client.get("/reports/", REMOTE_ADDR=address).status_code for address in (first, second)]

    assert codes == [200, 429 if is_one else 200]


@pytest.mark.parametrize("text", ["x" * 10_000, "🗑️" * 3_000, "%2F..%2F", "\x00", "\ud800", "' OR 1=1 --", "{{ 7*7 }}"])
@pytest.mark.parametrize("name", ["order", "status", "stream", "level_min", "level_max", "q", "page_size", "cursor"])
def test_odd_queries_are_answered_or_refused_by_name(client: Client, name: str, text: str) -> None:
    answer = client.get(f"/reports/?{urlencode({name: text}, errors='surrogatepass')}")

    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert answer.json()["errors"][0]["field"] == name
    else:
        assert name in ("q", "stream")


def test_the_schema_and_its_console_load_nothing_from_elsewhere(client: Client) -> None:
    schema = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    page = client.get("/api/docs/", headers={"Accept": "text/html"}).content.decode()

    assert {"/reports/", "/reports/{can_id}", "/reports/{can_id}/history"} <= schema["paths"].keys()
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "<style" not in page


def pages(client: Client, address: str, **query: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    answer = client.get(address, query) if query else client.get(address)
    while True:
        found = json.loads(answer.content)
        rows += found["results"]
        if not found["next"]:
            return rows
        answer = client.get(found["next"])


def test_the_fleet_is_filtered_ordered_and_paged_both_ways(client: Client) -> None:
    for number in range(25):
        attributes = f'{{"stream":"{("paper", "glass")[number % 2]}"}}'
        at = NOW - timedelta(hours=number * 3)
        stream = ("paper", "glass")[number % 2]
        # Ten, for a can of fewer reports is NEW.
        reports = [
            Report(f"order-{number:02}", str(number * 4), at - timedelta(minutes=turn), at, attributes, stream)
            for turn in range(10)
        ]
        store.put_reports(reports, now=NOW)

    def ids(query: str) -> list[str]:
        # Within a page the order is exact; across pages, below 80 % and by time, it is the index's.
        met = [
            [str(row["can_id"]) for row in pages(client, f"/reports/?q=order-&page_size={size}&{query}")]
            for size in (3, 50)
        ]
        assert sorted(met[0]) == sorted(met[1])
        return met[1]

    def numbers(*wanted: int) -> list[str]:
        return [f"order-{number:02}" for number in wanted]

    assert ids("") == numbers(*range(25))
    assert ids("order=fullest&level_min=80") == numbers(24, 23, 22, 21, 20)
    assert ids("order=emptiest&level_max=8") == numbers(0, 1, 2)
    assert ids("order=fullest&level_min=40&level_max=50&stream=glass") == numbers(11)
    assert ids("order=silent&status=silent") == numbers(*range(19, 7, -1))
    assert ids("status=FULL&order=silent") == numbers(24, 23, 22, 21, 20)
    assert ids("status=OK&order=emptiest") == numbers(*range(8))
    assert ids("silent_h=60&order=silent") == numbers(24, 23, 22, 21, 20)
    assert ids("silent_h=30&status=SILENT&order=silent") == numbers(*range(19, 9, -1))
    assert ids("silent_h=60") == numbers(20, 21, 22, 23, 24)
    assert ids("silent_h=60&order=fullest&level_max=92") == numbers(23, 22, 21, 20)

    there = client.get("/reports/?q=order-&page_size=10").json()
    second = client.get(there["next"]).json()
    back = client.get(second["previous"]).json()
    assert back["results"] == there["results"]
    assert (there["previous"], back["previous"]) == (None, None)
    assert client.get(back["next"]).json()["results"] == second["results"]


def test_a_search_that_no_index_serves_goes_on_where_it_stopped(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUDGET", 10)
    # Not 0, which an empty fleet that was counted before has.
    monkeypatch.setattr(fleet, "SEARCHED_WHOLE", -1)
    for number in range(40):
        put(f"needle-{number}" if number % 20 == 0 else f"hay-{number}", str(number), attributes="{}")

    first = client.get("/reports/?q=needle-&order=fullest").json()
    found = pages(client, "/reports/?q=needle-&order=fullest")

    assert first["stopped"] is True
    assert {row["can_id"] for row in found} == {"needle-0", "needle-20"}


def test_csv_is_all_that_matches_and_runs_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_csv, "WHOLE_S", 60)
    for can_id in ("=cmd|calc", "+1", "-1", "@sum", " =1+1", 'a,"b"'):
        put(can_id, "97.5")
    a_can('a,"b"', name="=HYPERLINK(1)", address="Market square 3")

    answer = client.get("/reports/?format=csv&level_min=97&level_max=98&page_size=1")
    rows = list(csv.reader(io.StringIO(answer.content.decode())))

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    columns = ["can_id", "name", "address", "stream", "level", "status", "measured_at", "received_at"]
    assert rows[0] == [*columns, "latitude", "longitude", "sent_stream", "suspect"]
    assert len(rows) >= 7
    for row in rows:
        texts = [cell for cell in row if not re.fullmatch(r"-[0-9.]+", cell)]
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in texts)
    assert ['a,"b"', "'=HYPERLINK(1)", "Market square 3"] in [row[:3] for row in rows]


@pytest.mark.parametrize("failing_page", [1, 2])
def test_a_csv_file_is_whole_or_there_is_none(
    client: Client, monkeypatch: pytest.MonkeyPatch, failing_page: int
) -> None:
    for number in range(5):
        put(f"whole-{number}")
    monkeypatch.setattr(fleet_csv, "WHOLE_S", 60)
    monkeypatch.setattr(cursors, "MAX_SIZE", 2)
    read, pages_read = store.ranked, []

    def ranked(*arguments: object, **named: object) -> object:
        pages_read.append(1)
        if len(pages_read) == failing_page:
            raise store.StoreUnavailable("out of reach")
        return read(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "ranked", ranked)
    broken = client.get("/reports/?format=csv&q=whole-")
    whole = client.get("/reports/?format=csv&q=whole-")
    file = whole.content

    assert (broken.status_code, broken["Content-Type"]) == (503, "application/problem+json")
    assert broken["Retry-After"] == "5"
    assert (file.count(b"\r\n"), int(whole["Content-Length"])) == (6, len(file))


def test_a_large_csv_file_is_made_as_it_is_read_and_breaks_off_where_it_fails(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        put(f"large-{number}")
    monkeypatch.setattr(fleet_csv, "WHOLE_S", 0)
    monkeypatch.setattr(walking, "ROWS", 2)
    sorted_file = client.get("/reports/?format=csv&order=id")
    file = client.get("/reports/?format=csv")
    of_all, in_order = (
        list(csv.reader(io.StringIO(b"".join(each.streaming_content).decode()))) for each in (file, sorted_file)
    )
    assert "Content-Length" not in file
    assert of_all[0] == in_order[0]
    large = [row for row in in_order if row[0].startswith("large-")]
    assert [row[0] for row in large] == [f"large-{number}" for number in range(5)]
    assert sorted(row for row in of_all if row[0].startswith("large-")) == large

    broken = client.get("/reports/?format=csv").streaming_content
    monkeypatch.setattr(aws.Client, "patiently", unavailable)
    # The server breaks the connection then: tests/trashsite/server/test_server.py.
    with pytest.raises(store.StoreUnavailable):
        b"".join(broken)


@pytest.mark.parametrize("order", ["", "&order=id"])
def test_a_large_csv_file_holds_no_rows_while_its_reader_is_slow(
    client: Client, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    mine = f"slow{len(order)}-"
    for number in range(5):
        put(f"{mine}{number}")
    monkeypatch.setattr(fleet_csv, "WHOLE_S", 0)
    monkeypatch.setattr(walking, "ROWS", 2)
    monkeypatch.setattr(cursors, "MAX_SIZE", 2)

    # A worker remembers what it wrote, so does this process.
    before = reports_in_memory()
    file = client.get(f"/reports/?format=csv{order}").streaming_content
    begun = next(file) + next(file)
    held = [each for at, each in reports_in_memory().items() if at not in before]
    rest = b"".join(file)

    assert (begun + rest).count(f"\n{mine}".encode()) == 5
    assert not [each for each in held if each.can_id.startswith(mine)]


def reports_in_memory() -> dict[int, Report]:
    gc.collect()
    return {id(each): each for each in gc.get_objects() if type(each) is Report}


def unavailable(*_: object, **__: object) -> aws.Answer:
    raise aws.AwsSilent("out of reach")


def test_a_csv_file_sends_a_byte_at_a_time_while_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_csv, "BYTE_EVERY_S", 0)
    line = ",".join(fleet_csv.COLUMNS) + "\r\n"

    pieces = list(fleet_csv._pieces(iter([[]] * 200)))

    assert b"".join(pieces).decode() == line
    # All but the end of the line; what is sent then would stand in a line of its own.
    assert [len(piece) for piece in pieces] == [1] * (len(line) - 1) + [0] * (201 - len(line)) + [1]


@given(st.text())
def test_no_cell_of_a_csv_begins_as_a_formula(cell: str) -> None:
    shown = harmless(cell)

    if re.fullmatch(r"-[0-9]+(\.[0-9]+)?", cell):
        assert shown == cell
    else:
        # Where a comma is the decimal sign, a spreadsheet splits cells at ";" too.
        begins = [part.lstrip(" \t\r\n\v\f\u00a0\u3000")[:1] for part in shown.split(";")]
        assert not {*"=+-@＝＋－＠"}.intersection(begins)  # noqa: RUF001
    assert as_it_was(shown) == cell


def test_a_list_tells_what_is_known_of_each_can(client: Client) -> None:
    a_can("facts-1", name="Market square", stream="glass")
    put("facts-1", attributes='{"stream": "paper"}')
    put("facts-2")

    first, second = client.get("/reports/?q=facts-").json()["results"]

    place = {"latitude": None, "longitude": None}
    assert first["facts"] == {"name": "Market square", "address": "", "stream": "glass", **place}
    assert second["facts"] is None


def test_a_retired_can_is_gone_until_it_reports_again(client: Client) -> None:
    put("retired", "77", ago_s=60)
    a_can("retired", retired_at=NOW - timedelta(seconds=30))

    assert client.get("/reports/?q=retired").json()["results"] == []
    assert client.get("/reports/retired").status_code == 200

    put("retired", "5")
    assert [row["can_id"] for row in client.get("/reports/?q=retired").json()["results"]] == ["retired"]


def test_a_can_that_a_client_holds_is_304(client: Client) -> None:
    put("held", "10", ago_s=60)
    first = client.get("/reports/held")

    again = client.get("/reports/held", headers={"If-None-Match": first["ETag"]})
    since = client.get("/reports/held", headers={"If-Modified-Since": first["Last-Modified"]})
    assert (again.status_code, again.content, since.status_code) == (304, b"", 304)

    put("held", "11")
    assert client.get("/reports/held", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_chart_is_thinned_and_says_so(client: Client) -> None:
    times = [NOW - timedelta(seconds=40 * turn) for turn in range(1500)]
    reports = [a_report("chart", str(turn % 100), at) for turn, at in enumerate(times)]
    store.put_reports(reports, now=NOW)

    raw = client.get("/reports/chart/chart?range=24h").json()
    long = client.get("/reports/chart/chart?range=all").json()

    assert (raw["reports"], raw["thinned"], raw["complete"], len(raw["points"])) == (1500, True, True, 1000)
    assert (long["reports"], long["complete"]) == (1500, True)
    assert len(long["low"]) == len(long["high"]) == len(long["points"])
    assert (min(long["low"]), max(long["high"])) == (0, 99)
    since, until = (datetime.fromisoformat(raw[end]) for end in ("since", "until"))
    assert (until - since, long["since"]) == (timedelta(hours=24), None)
    # The page around it tells the newest report, so no earlier answer may be drawn.
    assert client.get("/reports/chart/chart")["Cache-Control"] == "private, no-cache"
    assert client.get("/reports/chart/chart?range=1y").status_code == 400
    assert client.get("/reports/nobody/chart").status_code == 404


def test_a_page_of_history_is_bounded_by_its_bytes_and_a_chart_asks_for_no_attributes(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({"note": "x" * 16_000})
    times = [NOW - timedelta(minutes=turn) for turn in range(40)]
    store.put_reports([Report("fat", "5", at, at, said) for at in times], now=NOW)
    received, patiently = [0], aws.Client.patiently

    def counted(*arguments: object, **named: object) -> aws.Answer:
        answer = patiently(*arguments, **named)  # type: ignore[arg-type]
        received[0] += len(json.dumps(answer))
        return answer

    monkeypatch.setattr(aws.Client, "patiently", counted)

    assert client.get("/reports/fat/chart").json()["reports"] == 40
    assert received[0] < 40 * 500
    met, address = [], "/reports/fat/history?page_size=500"
    while address:
        answer = client.get(address)
        assert len(answer.content) < 300_000
        met += [each["measured_at"] for each in answer.json()["results"]]
        address = answer.json()["next"]
    assert len(set(met)) == len(met) == 40


def test_pages_may_run_our_own_scripts_and_all_else_nothing(client: Client) -> None:
    put("420")

    for address in ("/", "/reports/", "/reports/420", "/login/", "/nothing"):
        policy = client.get(address, headers={"Accept": "text/html"})["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "style-src 'self'" in policy
        assert "unsafe" not in policy
    assert client.get("/reports/420")["Content-Security-Policy"].startswith("default-src 'none'")


def test_an_overview_is_counted_and_asked_for_cheaply_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put("counted", "95", ago_s=5)
    fleet_count.forget()
    with monkeypatch.context() as patch:
        patch.setattr(fleet_count, "RENEWED_AFTER", timedelta(0))
        patch.setattr(fleet_count, "MAX_AGE", timedelta(0))
        first = client.get("/")
    found = first.json()

    assert found["total"] == sum(found["by_status"].values()) > 0
    assert "counted" in {urgent["can_id"] for urgent in found["urgent"]} or found["by_status"]["FULL"] > 10
    assert client.get("/", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert b"<h1>Overview</h1>" in client.get("/", headers={"Accept": "text/html"}).content


def test_a_count_finds_what_another_service_wrote(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_count, "RENEWED_AFTER", timedelta(0))
    monkeypatch.setattr(fleet_count, "MAX_AGE", timedelta(0))
    table = f"trash-levels-{settings.TRASH_SUFFIX}"
    boto3.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "lab"}, "level": {"S": "88.8"}})
    assert client.get("/reports/lab").json()["measured_at"] is None
    assert client.get("/reports/?q=lab").json()["results"] == []

    fleet_count.forget()
    client.get("/")
    fleet_count.forget()

    assert [row["level"] for row in client.get("/reports/?q=lab").json()["results"]] == ["88.8"]
    assert client.get("/reports/lab", headers={"Accept": "text/html"}).status_code == 200


def test_pages_are_compressed_and_answers_are_not(client: Client) -> None:
    put("packed", attributes=json.dumps({"note": "x" * 500}))
    accept = {"Accept-Encoding": "gzip"}

    page = client.get("/reports/packed", headers={**accept, "Accept": "text/html"})
    answer = client.get("/reports/packed", headers=accept)

    assert (page["Content-Encoding"], "Accept-Encoding" in page["Vary"]) == ("gzip", True)
    assert "Content-Encoding" not in answer.headers


def test_a_filter_that_breaks_a_rule_stays_as_it_was_typed(client: Client) -> None:
    address = "/reports/?q=44&status=full&level_min=low&silent_h=3"
    answer = client.get(address, headers={"Accept": "text/html"})
    page = answer.content.decode()

    assert answer.status_code == 400
    assert all(f'value="{text}"' in page for text in ("44", "low", "3"))
    assert "<option selected>FULL</option>" in page
    assert "must be a number from 0 to 100</span>" in page
    assert "No can " not in page


def test_a_forecast_whose_time_has_passed_says_so(client: Client) -> None:
    for number in range(7):
        put("over", str(10 + 10 * number), ago_s=3600 * (46 - 6 * number))

    page = client.get("/reports/over", headers={"Accept": "text/html"}).content.decode()

    assert re.search(r"By its forecast it reached 80 % about <time[^>]*>[^<]*</time>, .*; no report since <time", page)
    assert "If nobody empties it before" not in page


def test_a_page_for_what_can_be_no_id_says_the_rule(client: Client) -> None:
    page = client.get("/reports/" + "x" * 129, headers={"Accept": "text/html"}).content.decode()

    assert "No can has such an id" in page and "must have 1 to 128 characters" in page
    assert "has not reported yet" not in page


def test_a_page_tells_a_broken_rule_once_and_in_the_words_of_its_form(client: Client) -> None:
    def told(address: str) -> str:
        page = client.get(address, headers={"Accept": "text/html"}).content.decode()
        # Below it stands the answer of the API, in its own names.
        return page.partition('class="pages"')[0]

    fleet = told("/reports/?level_min=90&level_max=5")
    assert fleet.count("must not be below “Level from”</span>") == 1
    assert "level_max must" not in fleet and "Nothing is listed: correct the filter above" in fleet
    assert "must be later than “Since”</span>" in told("/reports/1/history?since=2026-11-24&until=2026-11-23")
    rounds = told("/collections?by=2020-01-01T06:00&next=2020-01-02T06:00")
    # Beside what was typed, not beside the round of the next morning.
    assert 'value="2020-01-01T06:00"><span class="hint bad" id="wrong-by"' in rounds
    assert "nope is not known here" in told("/reports/?nope=1")
    (error,) = client.get("/reports/?level_min=90&level_max=5").json()["errors"]
    assert (error["field"], error["rule"]) == ("level_max", "must not be below level_min")


def test_a_stream_is_found_in_any_case_and_the_page_says_how_many_match(client: Client) -> None:
    for number, stream in enumerate(("Textile", "textile", "TEXTILE")):
        at = datetime.now(UTC)
        store.put_reports([a_report(f"case-{number}", "5", at, stream=stream)], now=at)
    fleet_count.forget()

    found = client.get("/reports/?stream=teXtile").json()["results"]
    page = client.get("/reports/?stream=teXtile", headers={"Accept": "text/html"}).content

    assert {row["can_id"] for row in found} == {"case-0", "case-1", "case-2"}
    assert b"3 cans match." in page


def test_the_first_page_says_what_it_shows_and_what_its_words_mean(client: Client) -> None:
    page = client.get("/", headers={"Accept": "text/html"}).content.decode()

    assert "How full the waste containers (cans) of the fleet are" in page
    assert (
        'FULL: 80 % or more, or the <a href="/streams">threshold entered</a> of the can or its stream. SILENT:'
    ) in page


def test_the_most_urgent_have_names_addresses_and_since_when(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for hours, level in ((7, "60"), (5, "85"), (3, "90"), (0, "100")):
        put("urgent", level, ago_s=3600 * hours)
    a_can("urgent", name="Market square", address="Market square 3")
    counted = Urgent("urgent", "100", "FULL", "", NOW.isoformat())
    overview = replace(Count().overview(Walked(1, None, None, True)), total=1, urgent=[counted])
    monkeypatch.setattr(fleet_count, "current", lambda: FleetCount(overview, datetime.now(UTC)))

    (row,) = client.get("/").json()["urgent"]
    page = client.get("/", headers={"Accept": "text/html"}).content.decode()

    assert (row["facts"]["name"], row["facts"]["address"]) == ("Market square", "Market square 3")
    assert datetime.fromisoformat(row["since"]) == NOW - timedelta(hours=5)
    assert row["or_earlier"] is False
    assert "Market square 3" in page
    assert ">5 h ago</time>" in page


def test_a_search_finds_names_and_addresses_whatever_their_case_and_accents(client: Client) -> None:
    known = {"find-a": ("Náměstí Míru", ""), "9-find": ("Old town", "Namesti 3"), "find-b": ("Bridge", "")}
    for can_id, (name, address) in known.items():
        put(can_id, "5")
        a_can(can_id, name=name, address=address)
    put("namesti-1", "7")

    def ids(q: str, order: str = "id") -> list[object]:
        return [row["can_id"] for row in client.get("/reports/", {"q": q, "order": order}).json()["results"]]

    assert ids("NÁMĚSTÍ") == ["9-find", "find-a"]
    assert ids("mir nam") == ["find-a"]
    assert ids("namesti") == ["9-find", "find-a", "namesti-1"]
    assert set(ids("namesti", "emptiest")) == {"9-find", "find-a", "namesti-1"}
    assert ids("ěstí") == ids("namesti xyz") == []


def test_a_search_is_walked_both_ways_and_each_can_met_once(client: Client) -> None:
    names = {f"{first}-{number}": "Harbour" for first in ("aa", "harbour", "zz") for number in range(4)}
    for can_id in [*names, "harbour-x", "harbour-y"]:
        put(can_id)
    Can.objects.bulk_create(Can(can_id=can_id, name=name) for can_id, name in names.items())
    index_words(list(Can.objects.all()))

    for size in (1, 3, 5, 13, 14):
        forwards, address = [], f"/reports/?q=harbour&page_size={size}"
        while address:
            page = client.get(address).json()
            forwards.append([row["can_id"] for row in page["results"]])
            address, back = page["next"], page["previous"]
        assert [can_id for page in forwards for can_id in page] == sorted([*names, "harbour-x", "harbour-y"])
        backwards = []
        while back:
            page = client.get(back).json()
            backwards.insert(0, [row["can_id"] for row in page["results"]])
            back = page["previous"]
        assert [can_id for page in backwards for can_id in page] == [
            can_id for page in forwards[:-1] for can_id in page
        ]


def test_a_search_that_finds_too_many_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        put(f"many-{number}")
        a_can(f"many-{number}", address=f"Quay {number}")
    assert client.get("/reports/?q=quay").json()["cut"] is False

    for limit in ("MOST_FOUND", "MOST_READ"):
        with monkeypatch.context() as patch:
            patch.setattr(found_cans, limit, 2)
            answer = client.get("/reports/?q=quay").json()
            page = client.get("/reports/?q=quay", headers={"Accept": "text/html"}).content
        assert (answer["cut"], len(answer["results"])) == (True, 2)
        assert b"some of their cans are not listed" in page


def test_what_is_found_follows_the_facts(admin_client: Client) -> None:
    put("moved")

    def is_found(word: str) -> bool:
        return bool(admin_client.get("/reports/", {"q": word}).json()["results"])

    admin_client.put("/cans/moved", {"name": "Orchard"}, content_type="application/json")
    assert is_found("orchard")
    admin_client.post("/cans/", "can_id,name\nmoved,Meadow\n", content_type="text/csv")
    assert (is_found("orchard"), is_found("meadow")) == (False, True)
    admin_client.post("/admin/reports/can/moved/change/", {"can_id": "moved", "name": "Hill"})
    assert (is_found("meadow"), is_found("hill")) == (False, True)
    admin_client.delete("/cans/moved")
    assert not is_found("hill")


def test_a_known_can_that_never_reported_is_in_the_list_and_has_a_page(client: Client) -> None:
    a_can("never-1", name="New bridge", address="Bridge 1", stream="Glass")
    put("never-0", "5")

    reported, never = client.get("/reports/?q=never-").json()["results"]
    page = client.get("/reports/?q=never-", headers={"Accept": "text/html"}).content.decode()
    file = client.get("/reports/?q=never-&format=csv").getvalue().decode()

    assert (reported["can_id"], never["can_id"]) == ("never-0", "never-1")
    assert (never["status"], never["level"], never["measured_at"]) == ("NEVER_REPORTED", None, None)
    assert "NEVER REPORTED</span>" in page
    assert "2 cans match." in page
    assert "never-1,New bridge,Bridge 1,Glass,,NEVER_REPORTED,,,," in file
    assert never.items() <= client.get("/reports/never-1").json().items()
    can_page = client.get("/reports/never-1", headers={"Accept": "text/html"})
    assert (can_page.status_code, b"no report of it is stored" in can_page.content) == (200, True)
    assert client.get("/reports/never-1/history").json()["results"] == []
    assert client.get("/reports/never-1/chart").json()["points"] == []
    assert client.get("/reports/never-2").status_code == 404


def test_those_that_never_reported_obey_the_filter_and_leave_with_their_first_report(client: Client) -> None:
    a_can("new-1", name="Bridge", stream="Glass")
    a_can("new-2", retired_at=NOW)

    def ids(**query: str) -> list[object]:
        return [row["can_id"] for row in client.get("/reports/", {"q": "new-", **query}).json()["results"]]

    assert ids() == ids(stream="glass") == ids(status="never_reported") == ids(order="silent") == ["new-1"]
    assert ids(stream="paper") == ids(status="OK") == ids(level_max="100") == ids(silent_h="1") == []
    assert [row["can_id"] for row in client.get("/reports/?q=bridge&status=NEVER_REPORTED").json()["results"]] == [
        "new-1"
    ]

    put("new-1")
    assert (ids(), ids(status="NEVER_REPORTED"), ids(status="NEW")) == (["new-1"], [], ["new-1"])
    assert Can.objects.get(can_id="new-1").has_reported


@pytest.mark.parametrize("order", ["id", "emptiest"])
def test_a_list_with_those_that_never_reported_is_walked_both_ways(
    client: Client, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(never_reported, "AT_ONCE", 2)
    monkeypatch.setattr(never_reported, "MOST_ASKED", 2 if order == "id" else 6)
    reported, never = [f"both-{number}" for number in range(4)], [f"both-{number}x" for number in range(4)]
    for can_id in reported:
        put(can_id)
    Can.objects.bulk_create(Can(can_id=can_id) for can_id in [*reported, *never])

    for size in (1, 2, 3, 4, 5, 7, 8, 9):
        forwards, address = [], f"/reports/?q=both-&order={order}&page_size={size}"
        while address:
            page = client.get(address).json()
            forwards.append([row["can_id"] for row in page["results"]])
            address, back = page["next"], page["previous"]
            assert len(forwards) < 20
        backwards = [forwards[-1]]
        while back:
            page = client.get(back).json()
            backwards.insert(0, [row["can_id"] for row in page["results"]])
            back = page["previous"]
            assert len(backwards) < 20
        for met in (forwards, backwards):
            assert [can_id for page in met for can_id in page] == [*reported, *never], size
    file = client.get(f"/reports/?q=both-&order={order}&format=csv").content.decode()
    assert [line.partition(",")[0] for line in file.splitlines()[1:]] == [*reported, *never]


def test_a_cans_page_shows_each_attribute_as_it_was_sent_last(client: Client) -> None:
    put("known", ago_s=3 * 3600, attributes='{"battery": 3.710, "note": "' + "x" * 60 + '"}')
    put("known", ago_s=150, attributes='{"temperature": 21.50}')

    page = client.get("/reports/known", headers={"Accept": "text/html"}).content.decode()

    listed = re.findall(r"<dt>(\w+)</dt><dd>(.*?) <span class=\"hint\"><time [^>]*>(.*?)<", page)
    assert [(name, re.sub("<[^>]+>", "", value)) for name, value, _ in listed] == [
        ("temperature", "21.50"),
        ("note", "too long to be kept"),
        ("battery", "3.710"),
    ]
    assert [age.split()[1:] for *_, age in listed] == [["min", "ago"], ["h", "ago"], ["h", "ago"]]
    assert client.get("/reports/known").json()["attributes"] == {"temperature": 21.5}


def test_a_search_of_several_pages_says_about_how_many_it_finds(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        put(f"about-{number}")
    put("9-about")
    Can.objects.create(can_id="9-about", name="About street")
    address = "/reports/?q=about&page_size=2"

    assert b"About 6 cans match" in client.get(address, headers={"Accept": "text/html"}).content
    monkeypatch.setattr(fleet_listing, "COUNTED_BY", 2)
    assert b"How many match is not counted" in client.get(address, headers={"Accept": "text/html"}).content


def an_emptied_can(can_id: str) -> None:
    """Filled twice, emptied once an hour ago, and now falling again: with glass's patience it would not be decided."""
    levels = [30, 45, 60, 75, 84, 3, 9, 20, 40, 60, 72, 2]
    reports = [
        Report(can_id, str(level), NOW - timedelta(minutes=20 * turn), NOW, "{}")
        for turn, level in enumerate(reversed(levels))
    ]
    store.put_reports(reports, now=NOW)


def test_a_cans_emptyings_are_listed_marked_and_told(client: Client) -> None:
    an_emptied_can("emptied")

    answer = client.get("/reports/emptied/emptyings").json()
    told = [(each["before"], each["after"], each["stage"]) for each in answer["results"]]
    assert told == [(60.0, 2.0, "PROVISIONAL"), (75.0, 3.0, "CONFIRMED")]
    assert answer["results"][1]["at"] < answer["results"][1]["known_at"]
    rows = list(csv.DictReader(io.StringIO(client.get("/reports/emptied/emptyings?format=csv").content.decode())))
    assert [(row["before"], row["stage"]) for row in rows] == [("60.0", "PROVISIONAL"), ("75.0", "CONFIRMED")]
    can = client.get("/reports/emptied").json()
    assert can["emptied"] == answer["results"][0]

    page = client.get("/reports/emptied", headers={"Accept": "text/html"}).content.decode()
    assert "if the next report confirms it" in page and "/reports/emptied/emptyings" in page
    page = client.get("/reports/emptied/emptyings", headers={"Accept": "text/html"}).content.decode()
    assert "PROVISIONAL" in page and "75.0 %" in page


def test_emptyings_come_in_pages(client: Client) -> None:
    an_emptied_can("paged")
    # One that is not decided yet is on the first page beyond its size.
    first = client.get("/reports/paged/emptyings?page_size=1").json()
    assert [each["stage"] for each in first["results"]] == ["PROVISIONAL", "CONFIRMED"]
    assert first["next"] is None
    assert client.get("/reports/nobody/emptyings").status_code == 404
    assert client.get("/reports/paged/emptyings?page_size=0").status_code == 400


def test_a_forecast_is_told_with_its_interval_or_why_not(client: Client) -> None:
    for turn in range(12):
        put("rising", str(5 * turn), ago_s=7200 * (11 - turn))
    told = client.get("/reports/rising").json()["forecast"]
    assert told["low"] <= told["full_at"] <= told["high"] and told["reliability"] == "POOR" and told["reason"] is None
    page = client.get("/reports/rising", headers={"Accept": "text/html"}).content.decode()
    assert "it reaches 80 % about" in page and 'data-full-at="' in page

    put("brim", "91")
    assert client.get("/reports/brim").json()["forecast"] == {
        "threshold": 80.0, "full_at": None, "low": None, "high": None, "reliability": None,
        "reason": "It is at 91 %, and its threshold is 80 %.",
    }  # fmt: skip
    assert "No forecast: It is at 91 %" in client.get("/reports/brim", headers={"Accept": "text/html"}).content.decode()
