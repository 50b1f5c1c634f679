"""What an operator does in the morning, done in a real Chromium."""

from __future__ import annotations

import csv
import gzip
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from django.contrib.admin.models import LogEntry
from playwright.sync_api import Page, Response, Route, expect

from reports import queue, store
from reports.insight.fleet_map import Place
from reports.insight.over_time import HOUR, FleetHour, begin_of
from reports.insight.replay import Frame
from reports.report import Report
from reports.web import queries
from tests.reports.web.browser.conftest import AXE

Visit = Callable[..., Page]

#: Without the rules whose every violation is of less than serious impact, which nobody looks at here.
AXE_RUN = """axe.run({
    resultTypes: ['violations'],
    rules: Object.fromEntries(axe._audit.rules
        .filter((one) => ['minor', 'moderate'].includes(one.impact)).map((one) => [one.id, { enabled: false }])),
})"""

PAGES = {
    "/": "operator",
    "/reports/": "operator",
    "/reports/?q=none-such": None,
    "/reports/420": "operator",
    "/reports/420?range=all": None,
    "/reports/420/history": None,
    "/reports/420/emptyings": None,
    "/over-time": None,
    "/sensors": "operator",
    "/sensors/explain/": "operator",
    "/sensors/mount/": "operator",
    "/collections": "operator",
    "/collections?order=stops": None,
    "/collections/what-if": None,
    "/pipeline/": "operator",
    "/pipeline/dead-letters/": "operator",
    "/cans/420/facts/": "operator",
    "/cans/420/changes": "operator",
    "/cans/420": "operator",
    "/cans/import/": "operator",
    "/tokens": "operator",
    "/views/": "operator",
    "/alerts": "operator",
    "/alerts/rules": "operator",
    "/alerts/rules/add/": "operator",
    "/login/": None,
    "/health/live": None,
}


def test_find_the_fullest_can_and_read_its_chart(visit: Visit, fleet: dict[str, Report]) -> None:
    page = visit("/reports/", user="operator")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("98.8 %")
    expect(rows.first).to_contain_text("Market square 3")

    rows.first.get_by_role("link").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Can 420")
    chart = page.get_by_role("application")
    expect(chart).to_have_attribute("aria-label", re.compile("Chart of the level"))
    note = page.locator("#chart-note")
    expect(note).to_contain_text("reports")
    chart.focus()
    page.keyboard.press("End")
    expect(note).to_contain_text("98.8 %")
    page.keyboard.press("ArrowLeft")
    expect(note).not_to_contain_text("98.8 %")

    page.get_by_role("link", name="all", exact=True).click()
    expect(page.locator("#chart-note")).to_contain_text("summed up in")
    page.get_by_text("Show the points as a table").click()
    expect(page.locator(".points tbody tr").first).to_contain_text("98.8 %")
    expect(page.locator(".points thead")).to_contain_text("Lowest")
    page.get_by_role("link", name="List").click()
    expect(page).to_have_url(re.compile("/reports/$"))


@pytest.mark.parametrize(
    ("reach", "said"), [("24h", "No reports in this range"), ("7d", "1 report."), ("30d", "1 report")]
)
def test_a_chart_spans_its_range_however_little_there_is(visit: Visit, reach: str, said: str) -> None:
    page = visit(f"/reports/403?range={reach}")
    expect(page.locator("#chart-note")).to_contain_text(said)

    begin, end = page.evaluate("[chart.scales.x.min, chart.scales.x.max]")

    assert end - begin == pytest.approx(queries.RANGES[reach].total_seconds(), abs=3600)
    assert time.time() - end < 60


def test_neighbours_lead_through_the_list(visit: Visit) -> None:
    page = visit("/reports/?order=id&q=40")
    page.get_by_role("link", name="404").click()

    page.get_by_role("link", name="405").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Can 405")
    page.get_by_role("link", name="404").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Can 404")


def test_beyond_the_end_of_its_page_a_can_leads_to_the_next_page(visit: Visit) -> None:
    page = visit("/reports/?order=id&q=40&page_size=5")
    page.get_by_role("link", name="404").click()

    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tbody th").first).to_have_text("405")
    page.get_by_role("link", name="405").click()
    page.get_by_role("link", name="Page before").click()
    expect(page.locator("tbody th").last).to_have_text("404")


def test_headings_sort_the_list_and_keep_its_filter(visit: Visit) -> None:
    page = visit("/reports/?stream=glass")
    heading = page.get_by_role("columnheader", name="Level")
    expect(heading).to_have_attribute("aria-sort", "descending")

    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("columnheader", name="Last report").get_by_role("link").click()

    expect(page.get_by_label("Order").locator("option:checked")).to_have_text("Longest silent first")
    assert set(page.locator("[data-stream]").all_inner_texts()) == {"glass"}


def test_those_silent_for_hours_are_found(visit: Visit, fleet: dict[str, Report]) -> None:
    page = visit("/reports/")
    page.get_by_label("No report for, hours").fill("60")
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()

    since = datetime.now(UTC) - timedelta(hours=60)
    silent = {one.can_id for one in fleet.values() if one.measured_at and one.measured_at < since}
    assert set(page.locator("tbody th").all_inner_texts()) == silent != set()


def test_filter_page_and_come_back(visit: Visit, fleet: dict[str, Report]) -> None:
    page = visit("/reports/?page_size=10")
    page.get_by_label("Stream").select_option("glass")
    page.get_by_label("Level from").fill("10")
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()

    first = page.locator("tbody th").all_inner_texts()
    assert set(page.locator("[data-stream]").all_inner_texts()) == {"glass"}
    with page.expect_navigation():
        page.get_by_role("link", name="Next").click()
    second = page.locator("tbody th").all_inner_texts()
    assert len(first) == 10
    assert not set(first) & set(second)
    with page.expect_navigation():
        page.get_by_role("link", name="Previous").click()
    assert page.locator("tbody th").all_inner_texts() == first


def test_the_order_names_its_default_and_what_is_set_stands_out(visit: Visit) -> None:
    page = visit("/reports/")
    order = page.get_by_label("Order")
    expect(order.locator("option:checked")).to_have_text("Fullest first (default)")
    expect(page.locator(".bar .set")).to_have_count(0)

    page.goto("/reports/?status=SILENT")
    expect(order.locator("option:checked")).to_have_text("Longest silent first (default)")
    order.select_option(label="Emptiest first")
    page.get_by_role("button", name="Show").click()

    expect(order.locator("option:checked")).to_have_text("Emptiest first")
    expect(page.locator(".bar .set")).to_have_count(2)
    page.get_by_role("link", name="Clear").click()
    expect(page).to_have_url(re.compile("/reports/$"))


def test_export_what_is_shown(visit: Visit, tmp_path: Path) -> None:
    page = visit("/reports/?status=SILENT")
    shown = page.locator("tbody th").all_inner_texts()

    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "fleet.csv")

    rows = list(csv.DictReader((tmp_path / "fleet.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["can_id"] for row in rows] == shown
    assert {row["status"] for row in rows} == {"SILENT"}


def test_send_a_dead_letter_back(visit: Visit, dead_letter: str) -> None:
    before = queue.depth().waiting
    page = visit("/pipeline/", user="operator")
    expect(page.get_by_text("dead letter").first).to_be_visible()
    page.get_by_role("link", name="List dead letters").click()
    expect(page.locator("pre").first).to_have_text(dead_letter)

    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Redrive the selected").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Redrive 1?")
    page.get_by_role("button", name="Redrive").click()

    expect(page.get_by_role("status")).to_contain_text("1 redriven: sent back to the queue")
    assert queue.depth().waiting == before + 1
    assert LogEntry.objects.get().change_message.startswith("redrive")


def test_all_dead_letters_are_selected_at_once(visit: Visit, dead_letter: str) -> None:
    queue_url = queue.url_of(queue.DEAD)
    boto3.client("sqs").send_message(QueueUrl=queue_url, MessageBody="[")
    page = visit("/pipeline/dead-letters/", user="operator")
    page.get_by_label("Select all").check()
    page.get_by_role("button", name="Discard the selected").click()

    expect(page.get_by_role("heading", level=2)).to_contain_text("Discard 2 for good?")


def test_an_id_that_was_mistyped_leads_to_those_like_it(visit: Visit) -> None:
    page = visit("/login/")
    # A browser logs each 404 as an error.
    page.goto("/reports/?q=4170")
    expect(page.get_by_text("No can matches")).to_be_visible()
    answer = page.request.get("/reports/4170", headers={"Accept": "text/html"})

    assert 'href="/reports/?q=417"' in answer.text()


def test_paper_tells_when_and_what_was_asked(visit: Visit) -> None:
    page = visit("/reports/?order=silent&level_min=5&stream=Paper", dark=True)
    words = page.get_by_text("Filter: stream Paper, level from 5 %. Order: longest silent first.")
    expect(words).to_be_hidden()
    page.emulate_media(media="print")

    expect(words).to_be_visible()

    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.get_by_text("/reports/?order=silent&level_min=5&stream=Paper, 20")).to_be_visible()
    page.set_viewport_size({"width": 700, "height": 900})
    expect(page.get_by_role("columnheader", name="Address")).to_be_visible()
    exact = page.locator("tbody time").first.evaluate("one => getComputedStyle(one, '::after').content")
    assert re.match(r'"20\d\d-\d\d-\d\d \d\d:\d\d', exact)


def test_send_a_report_by_the_form(visit: Visit) -> None:
    page = visit("/reports/", user="operator")
    page.get_by_text("Send a report").click()
    page.get_by_label("Can", exact=True).fill("432")
    page.get_by_label("Level, percent").fill("70.69")
    page.get_by_role("button", name="Send").click()

    expect(page.get_by_role("heading", name="Sent to the queue")).to_be_visible()
    expect(page.get_by_role("link", name="Can 432")).to_have_attribute("href", "/reports/432")


def test_facts_are_edited_and_shown(visit: Visit) -> None:
    page = visit("/reports/421", user="operator")
    page.get_by_role("link", name="Edit details").click()
    page.get_by_label("Name").fill("Town hall")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Town hall")


def test_facts_are_imported_after_a_dry_run(visit: Visit) -> None:
    page = visit("/cans/import/", user="operator")
    page.get_by_label("Or its text").fill("can_id,name,address\n420,Old market,Market 1\n499,<b>Bridge</b>,\n")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("2 cans would change, 1 of them new")).to_be_visible()
    expect(page.get_by_role("cell", name="<b>Bridge</b>")).to_be_visible()

    page.get_by_role("button", name="Import 2 cans").click()

    expect(page.get_by_text("Imported the details of 2 cans.")).to_be_visible()
    page.goto("/reports/420")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Old market")


def test_the_theme_is_switched_and_remembered(visit: Visit) -> None:
    page = visit("/reports/420")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="Switch between dark and light").click()
    page.goto("/reports/")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.get_by_role("button", name="Switch between dark and light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_what_a_device_sent_does_nothing(visit: Visit) -> None:
    page = visit("/reports/?q=%3C")
    page.get_by_role("link", name="<img src=x onerror=alert(1)>").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Can <img src=x onerror=alert(1)>")
    expect(page.get_by_text("<script>document.title='owned'</script>").first).to_be_visible()
    page.get_by_text("The API behind this page").click()

    assert "owned" not in page.title()
    assert page.locator("img").count() == 0
    assert page.get_by_text("{{ 7*7 }}").count()


def test_everything_but_charts_works_without_javascript(visit: Visit) -> None:
    page = visit("/reports/?page_size=20", user="operator", by_form=True, java_script_enabled=False)
    page.get_by_label("Level from").fill("50")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Next").click()
    page.locator("tbody th a").first.click()
    expect(page.get_by_text("The chart needs JavaScript")).to_be_visible()
    expect(page.get_by_role("table")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_the_map_shows_the_cans(visit: Visit) -> None:
    page = visit("/")
    expect(page.locator("#map canvas")).to_be_visible()
    expect(page.locator(".leaflet-control-scale")).to_be_visible()

    expect(page.get_by_role("heading", name="Needs attention first")).to_be_visible()
    expect(page.locator(".fleet tbody tr")).to_have_count(10)
    expect(page.locator(".legend")).to_contain_text("FIRE TILT FULL SILENT SUSPECT FILLING OK, NEW")
    expect(page.get_by_role("link", name="glass")).to_have_attribute("href", "/reports/?stream=glass")


def test_each_chart_over_time_is_as_wide_as_its_frame(visit: Visit) -> None:
    begins_at = begin_of(datetime.now(UTC), HOUR) - HOUR
    store.put_fleet_hour(FleetHour(begins_at, begins_at + HOUR, {"FULL": 9, "OK": 100}, {"paper": (50, 5)}, reports=5))
    page = visit("/over-time")
    expect(page.locator(".series canvas")).to_have_count(6)

    frames = page.locator(".series figure").evaluate_all("all => all.map((one) => [one.clientWidth, one.scrollWidth])")

    assert all(needed <= there for there, needed in frames), frames


def test_the_last_day_is_replayed_on_the_map_by_keyboard(visit: Visit) -> None:
    # Another hour may end before the page asks: then it is the second of these that is three hours back.
    for hours in (3, 2):
        begins_at = begin_of(datetime.now(UTC), HOUR) - hours * HOUR
        frame = Frame(begins_at, 0.0, [Place(50.08, 14.42, 90, "FULL", "420", full=1)], (begins_at, begins_at))
        store.keep_snapshot(frame.name, frame.packed(store.MAX_BYTES), begins_at)
    page = visit("/")
    canvas = page.locator("#map canvas")
    expect(canvas).to_be_visible()
    page.get_by_role("button", name="Replay the last day").press("Enter")
    slider = page.get_by_role("slider", name="Hour of the last day")
    slider.press("End")
    expect(page.locator(".replay output")).to_have_text("now")
    now = canvas.evaluate("one => one.toDataURL()")

    # Three hours back, of which the first was counted by nobody.
    slider.press("ArrowLeft")
    expect(page.locator(".replay output")).to_contain_text("not counted")
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")

    expect(page.locator(".replay output")).to_contain_text(re.compile(r"\d\d:00 UTC$"))
    page.wait_for_function("was => document.querySelector('#map canvas').toDataURL() !== was", arg=now)
    page.get_by_role("button", name="Replay the last day").press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()


def test_the_map_follows_the_counts_unless_the_tab_is_hidden(visit: Visit) -> None:
    page = visit("/login/", own_window=True)
    page.clock.install()
    page.goto("/")
    canvas = page.locator("#map canvas")
    expect(canvas).to_be_visible()
    page.clock.run_for(1_000)
    drawn = canvas.evaluate("one => one.toDataURL()")
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        news = route.fetch().json()
        route.fulfill(json={**news, "places": news["places"][:1]}, headers={"ETag": '"new"'})

    page.route("**/?format=json", answer)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.clock.run_for(60_000)
    assert asked == []
    assert canvas.evaluate("one => one.toDataURL()") == drawn

    page.evaluate("delete document.hidden")
    page.clock.run_for(10_000)
    expect(page.locator("[data-part=overview]")).to_be_visible()
    page.clock.resume()
    page.wait_for_function("was => document.querySelector('#map canvas').toDataURL() !== was", arg=drawn)
    assert asked


def test_the_console_of_the_api_works_offline(visit: Visit) -> None:
    page = visit("/api/docs/")

    expect(page.get_by_text("/reports/{can_id}", exact=True).first).to_be_visible()


def test_the_console_of_the_api_is_dark_where_the_site_is(visit: Visit) -> None:
    page = visit("/api/docs/", dark=True)
    expect(page.get_by_text("/reports/{can_id}", exact=True).first).to_be_visible()

    paper, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('.title')).color]"
        ".map((colour) => Math.max(...colour.match(/\\d+/g).slice(0, 3)))"
    )

    assert paper < 60 < 180 < ink
    page.emulate_media(color_scheme="light")
    expect(page.locator("html.dark-mode")).to_have_count(0)


def test_the_schema_is_a_link_away_without_javascript(visit: Visit) -> None:
    page = visit("/api/docs/", java_script_enabled=False)

    page.get_by_role("link", name="OpenAPI schema").click()

    assert '"openapi":' in page.content()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_named_compressed_and_accessible_stands_still_and_fits_a_phone(
    visit: Visit, dead_letter: str, path: str
) -> None:
    page = visit("about:blank", user=PAGES[path])

    answer = page.goto(path, wait_until="networkidle")

    assert answer
    assert answer.headers["content-encoding"] == "gzip"
    assert re.fullmatch(".+ · trashsite", page.title())
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("meta[name=viewport]").count() == page.locator("h1").count() == 1
    assert page.locator("img:not([width]), img:not([alt])").count() == 0
    # The measure of a good page by web.dev, 2026.
    assert page.evaluate("window.shift") < 0.1
    assert found_by_axe(page) == []
    # On a phone, with all details open; a chart takes its new width a moment later.
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")


def found_by_axe(page: Page) -> list[str]:
    """Return what axe calls serious, of a page with all of its details open."""
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    if page.locator(".series").count():
        expect(page.locator("#series-note")).to_contain_text("arrow keys")
    if page.locator(".chart").count():
        expect(page.locator("#chart-note")).to_contain_text("report")
    # Run by the debugger, not by the page, whose Content-Security-Policy would refuse it.
    page.evaluate(AXE.read_text())
    serious = []
    for theme, width in (("light", 1280), ("dark", 390)):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        found = page.evaluate(AXE_RUN)
        serious += [
            f"{theme}, {width} px: {one['id']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
    return serious


@pytest.mark.parametrize("path", ["/reports/", "/reports/420"])
def test_a_page_weighs_under_200_kilobytes(visit: Visit, path: str) -> None:
    page = visit("/login/", own_window=True)
    parts: list[Response] = []

    def note(answer: Response) -> None:
        # The icon of the tab is no part of the page, and Chromium does not keep its body.
        if answer.request.resource_type != "other":
            parts.append(answer)

    page.on("response", note)
    page.goto(path, wait_until="networkidle")

    weights = {answer.url: len(gzip.compress(answer.body())) for answer in parts}
    assert page.url in weights and any(url.endswith(".js") for url in weights), weights
    assert sum(weights.values()) < 200_000, weights


def test_the_fleet_refreshes_itself_and_keeps_focus_scroll_and_selection(visit: Visit) -> None:
    page = visit("/login/", own_window=True)
    page.clock.install()
    page.goto("/reports/?q=4&page_size=100")
    link = page.locator("tbody th a", has_text="451")
    link.focus()
    page.evaluate("scrollTo(0, 300); document.querySelector('tbody tr:last-child').remove()")
    # Where something comes above, the browser scrolls on by its height, so that what is read stays.
    where = link.bounding_box()["y"]

    def answered(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("No worker", "Nothing").replace(">451<", ">451*<"))

    page.route("**/reports/?q=4&page_size=100", answered)
    page.clock.run_for(16_000)

    expect(page.locator("tbody th a", has_text="451*")).to_be_focused()
    expect(page.locator("tbody tr")).to_have_count(100)
    assert page.locator("tbody th a", has_text="451").bounding_box()["y"] == pytest.approx(where, abs=2)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('tbody'))")
    selected = page.evaluate("String(getSelection())")
    page.clock.run_for(16_000)
    assert page.evaluate("String(getSelection())") == selected != ""
    page.unroute_all(behavior="wait")


def test_json_is_a_key_press_away_and_a_token_is_made_by_keyboard(visit: Visit) -> None:
    page = visit("/tokens", user="operator", width=390)
    page.get_by_label("Name").press_sequentially("phone")
    page.keyboard.press("Enter")
    expect(page.locator("#key")).to_contain_text("trash_")
    page.get_by_role("link", name="To the list").press("Enter")
    page.get_by_text("Revoke phone").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Revoke phone").press("Enter")
    expect(page.get_by_text("Revoked the token phone.")).to_be_visible()

    # Playwright's own keys carry no text with Alt, by which Chromium looks for an access key.
    alt_j = {"type": "keyDown", "modifiers": 1, "key": "j", "code": "KeyJ", "text": "j", "unmodifiedText": "j"}
    page.context.new_cdp_session(page).send("Input.dispatchKeyEvent", alt_j)

    page.wait_for_url("**/tokens?format=json")
    assert '"state":"revoked"' in page.content()


def test_a_page_that_cannot_be_refreshed_says_so(visit: Visit) -> None:
    page = visit("/login/", own_window=True)
    page.clock.install()
    page.goto("/reports/420")
    expect(page.get_by_text("This page cannot be refreshed")).to_be_hidden()
    # A refusal would be an error in the console.
    page.route("**/reports/420", lambda route: route.fulfill(status=200, body=""))
    # The page sets its next timer when it has handled an answer, which no event tells.
    warning = page.get_by_text("This page cannot be refreshed")
    for _ in range(40):
        page.clock.run_for(60_000)
        if warning.is_visible():
            break
        page.wait_for_timeout(100)

    expect(warning).to_be_visible()


def test_a_cans_chart_refreshes_itself_and_the_reader_stays_where_they_are(visit: Visit) -> None:
    page = visit("/login/", own_window=True)
    page.clock.install()
    with page.expect_response("**/reports/420/chart?range=24h") as first:
        page.goto("/reports/420?range=24h")
    # Asked again, the site would leave out what is by then older than the range.
    drawn = first.value.json()
    note, chart = page.locator("#chart-note"), page.get_by_role("application")
    expect(note).to_contain_text("reports")
    chart.focus()
    page.evaluate(
        "chart.batch(() => chart.setScale('x', { min: chartData.points[0][0], max: chartData.points[20][0] }))"
    )
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    read = note.inner_text()
    points, part = page.evaluate("[chartData.points.length, chart.scales.x.max - chart.scales.x.min]")

    drawn["points"].append([time.time(), 12.5])
    page.route("**/reports/420/chart?range=24h", lambda route: route.fulfill(json=drawn))
    with page.expect_response("**/reports/420/chart?range=24h"):
        page.clock.run_for(16_000)

    page.wait_for_function("count => chartData.points.length === count + 1", arg=points)
    expect(chart).to_be_focused()
    assert note.inner_text() == read
    assert page.evaluate("chart.cursor.idx") == 1
    assert page.evaluate("chart.scales.x.max - chart.scales.x.min") == pytest.approx(part)
    page.keyboard.press("End")
    expect(note).to_contain_text("12.5 %")
    page.unroute_all(behavior="wait")
