"""A real Chromium against the real server, with a fleet to look at; a page that logs an error fails its test."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.templatetags.static import static
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.roles import give_role, make_roles
from reports import queue, store
from reports.models import Can
from reports.report import Report
from reports.web import fleet_count
from tests.support.chromium import CHROMIUM, FLAGS

AXE = Path(__file__).parent / "axe" / "axe.min.js"
PASSWORD = "turn-the-lid"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: apt-get install chromium")
    # Playwright's loop runs in this thread, and Django would take its own queries for mistakes. It ends with the
    # module, or tests elsewhere that have a loop of their own could not run it.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def fleet(shared_suffix: str) -> dict[str, Report]:
    """120 cans of all levels and ages, one with a long history, one that means harm."""
    chance = random.Random(11)
    now = datetime.now(UTC)
    cans = {}
    for number in range(118):
        at = now - timedelta(minutes=chance.expovariate(1 / 90)) - timedelta(days=3 * (number % 17 == 3))
        place = (Decimal(f"{50.05 + chance.random() / 12:.5f}"), Decimal(f"{14.36 + chance.random() / 6:.5f}"))
        stream = chance.choice(("paper", "glass", "plastic", "residual"))
        said = {"stream": stream, "location": {"lat": float(place[0]), "lon": float(place[1])}, "battery": 3.71}
        level = f"{chance.betavariate(1.3, 1.6) * 98:.11f}"
        cans[f"{400 + number}"] = Report(f"{400 + number}", level, at, now, json.dumps(said), stream, place)
    evil = '{"x": "<script>document.title=\'owned\'</script>", "{{ 7*7 }}": ["javascript:alert(1)"]}'
    cans["<img src=x onerror=alert(1)>"] = Report("<img src=x onerror=alert(1)>", "55", now, now, evil)
    past, level = [], 8.0
    for turn in range(10 * 144, 0, -1):
        level = chance.uniform(2, 6) if level > 91 else level + chance.expovariate(1 / 0.45)
        past.append(Report("420", f"{level:.4f}", now - timedelta(minutes=10 * turn), now, stream="paper"))
    cans["420"] = Report("420", "98.76543210987", now, now, '{"stream": "paper", "temperature": 21.50}', "paper")
    # A row remembers one level in two hours: the day before comes in waves.
    pace = {can_id: chance.uniform(0.5, 4) for can_id in cans}
    for wave in range(11):
        hours = 24 - 2 * wave
        at = now - timedelta(hours=hours)
        earlier = [
            replace(report, measured_at=at, level=f"{(float(report.level) - pace[can_id] * hours) % 95:.2f}")
            for can_id, report in cans.items()
            # 420 has a history of its own.
            if can_id != "420" and report.measured_at and at < report.measured_at - timedelta(hours=2)
        ]
        store.put_reports(earlier, now=now)
    store.put_reports([*past, *cans.values()], now=now)
    store.beat(store.Heartbeat("worker-1:4711", now, {"messages": 9000, "stored": 88123, "older": 12, "set_aside": 3}))
    fleet_count.forget()
    return cans


@pytest.fixture
def people(transactional_db: None) -> None:
    make_roles()
    for role in ("viewer", "operator", "admin"):
        give_role(User.objects.create_user(role, password=PASSWORD, is_superuser=role == "admin"), role)
    Can.objects.create(can_id="420", name="Market square", address="Market square 3")


@pytest.fixture
def site(live_server: LiveServer, fleet: dict[str, Report], people: None) -> str:
    """The address of a running site."""
    return str(live_server.url)


@pytest.fixture
def dead_letter(shared_suffix: str) -> str:
    body = '{"can_id": "431", "level": "a lot"}'
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=queue.full_name(queue.DEAD))["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    why = {"reason": "invalid", "field": "level", "error": "must be a number"}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in why.items()}
    sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    return body


def session_of(user: str, site: str) -> Any:
    """The cookie of somebody who has signed in."""
    client = Client()
    client.force_login(User.objects.get(username=user))
    return {
        "name": settings.SESSION_COOKIE_NAME,
        "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
        "url": site,
    }


#: A page without a script of the site's origin.
STILL = static("reports/site.css")
#: Adds up by how much things on a page move while it comes.
SHIFTS = """
    window.shift = 0;
    new PerformanceObserver((seen) => {
        for (const one of seen.getEntries()) if (!one.hadRecentInput) window.shift += one.value;
    }).observe({ type: 'layout-shift', buffered: true });
"""


def opened(chromium: Browser, site: str, **options: Any) -> Page:
    """Open a window of its own."""
    context = chromium.new_context(base_url=site, **options)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    page.set_default_timeout(10_000)
    return page


@pytest.fixture(scope="module")
def usual_page(chromium: Browser, live_server: LiveServer) -> Page:
    """A page that tests have one after another: a new window costs 1.2 s of CPU, mostly for what is around a page."""
    return opened(chromium, str(live_server.url))


@pytest.fixture
def visit(chromium: Browser, site: str, usual_page: Page) -> Iterator[Callable[..., Page]]:
    """
    Open the site in a browser that knows nothing of it: visit("/reports/", user="operator", width=390, dark=True).

    by_form: sign in by the page for it, which costs two pages more than a session that is there already.
    own_window: for a test that changes more than cookies, storage, size and media; so do further options.
    """
    pages: list[Page] = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # That the page itself is a refusal, with a status of 4xx, is what some tests ask for.
        is_page = message.page and message.location["url"] == message.page.url
        if message.type == "error" and not (is_page and message.text.startswith("Failed to load resource")):
            errors.append(message.text)

    listeners: dict[Any, Callable[[Any], None]] = {
        "console": note,
        "pageerror": lambda error: errors.append(str(error)),
        "dialog": lambda dialog: errors.append(f"dialog: {dialog.message}"),
    }

    def open_page(
        path: str,
        *,
        user: str | None = None,
        width: int = 1280,
        dark: bool = False,
        by_form: bool = False,
        own_window: bool = False,
        **options: Any,
    ) -> Page:
        page = opened(chromium, site, **options) if own_window or options else usual_page
        assert page not in pages, "a second visit of one test needs a window of its own"
        pages.append(page)
        for event, listener in listeners.items():
            page.on(event, listener)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        if user and not by_form:
            page.context.add_cookies([session_of(user, site)])
        if user and by_form:
            page.goto("/login/")
            page.get_by_label("Name").fill(user)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("main").get_by_role("button", name="Sign in").click()
        page.goto(path)
        return page

    yield open_page
    for page in pages:
        if page is not usual_page:
            page.context.close()
            continue
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
        forget(page)
    assert errors == []


def forget(page: Page) -> None:
    """Leave a page as a new one would be."""
    page.goto(STILL)
    page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.context.clear_cookies()
    session = page.context.new_cdp_session(page)
    session.send("Network.clearBrowserCache")
    session.detach()
    page.emulate_media(media="null", color_scheme="null")
    page.mouse.move(0, 0)
