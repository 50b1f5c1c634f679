"""What devices send, owners import and visitors ask for is text on every page, and runs on none: in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import boto3
import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import Token
from reports import queue, store
from reports.models import Can, SavedView
from reports.report import Report
from reports.store import Heartbeat
from reports.web import fleet_count

OWN = "window.owned=1"
#: One of each way out: of text, of an attribute, of a script, of a template, of an address.
EVIL = (
    f"<script>{OWN}<!-script><img src=x onerror={OWN}>",
    f"\"' onmouseover={OWN} x='<svg onload={OWN}>",
    f"javascript:{OWN}{{{{ 7919*7907 }}}}{{% debug %}}${{7919*7907}}",
)
NAME = EVIL[0][:60]


@pytest.fixture
def site(live_server: LiveServer, shared_suffix: str, people: None) -> str:
    """The address of a site without a fleet."""
    return str(live_server.url)


@pytest.fixture
def evil(site: str) -> None:
    """Evil text wherever somebody can put any."""
    now = datetime.now(UTC)
    for number, text in enumerate(EVIL):
        said = {"stream": text, "location": {"lat": 50.1, "lon": 14.4 + number / 100}, text: [text, {text: text}]}
        report = Report(
            text, "99.9", now, now, json.dumps(said), text[:64], (Decimal("50.1"), Decimal(f"{14.4 + number / 100}"))
        )
        earlier = [replace(report, level=f"{5 * back}", measured_at=now - timedelta(hours=2 * back)) for back in (2, 1)]
        store.put_reports([*earlier, report], now=now)
        Can.objects.create(can_id=text, name=text, address=text, stream=text[:64])
        SavedView.objects.create(name=text[:64], query=f'"><script>{OWN}</script>')
        store.beat(Heartbeat(f"{text}:1", now - timedelta(hours=1), {"stored": 1}, text))
    Token.objects.create(user=User.objects.get(username="admin"), name=NAME, digest=NAME)
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=queue.full_name(queue.DEAD))["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    for text in EVIL:
        attributes = {
            name: {"DataType": "String", "StringValue": text}
            for name in ("reason", "field", "error", "first_message_id")
        }
        sqs.send_message(QueueUrl=url, MessageBody=text, MessageAttributes=attributes)
    fleet_count.forget()


def addresses() -> list[str]:
    asked = quote(EVIL[0], safe="")
    of_cans = [
        f"{before}{quote(text, safe='')}{after}"
        for text in EVIL
        for before, after in (
            ("/reports/", ""),
            ("/reports/", "/history"),
            ("/cans/", "/facts/"),
            ("/cans/", "/changes"),
            ("/cans/", ""),
        )
    ]
    of_lists = ["/", "/reports/?order=id", f"/reports/?stream={asked}", f"/reports/?q={asked}", "/pipeline/"]
    of_lists.append("/views/")
    of_letters = ["/pipeline/dead-letters/", "/tokens"]
    refused = [
        f"/reports/?{asked}={asked}",
        f"/reports/?cursor={asked}",
        f"/reports/nobody{asked}",
        f"/nothing/{asked}",
    ]
    of_admin = ["/admin/", "/admin/reports/can/", "/admin/reports/savedview/", "/admin/accounts/token/"]
    return [*of_cans, *of_lists, *of_letters, *refused, f"/login/?next={asked}", "/cans/import/", *of_admin]


def test_evil_text_is_inert_on_every_page(visit: Callable[..., Page], evil: None) -> None:
    page = visit("/", user="admin")
    shown = 0
    for address in addresses():
        answer = page.goto(address)
        assert answer
        assert answer.status < 500, address
        shown += OWN in page.locator("body").inner_text()
        check(page, address)

    page.goto("/cans/import/")
    page.get_by_label("Or its text").fill(
        "can_id,name\n" + "".join(f'"{text.replace(chr(34), chr(34) * 2)}",new\n' for text in EVIL)
    )
    page.get_by_role("button", name="Show what would change").click()
    check(page, "import")
    assert shown >= 15, "the evil text was hardly on any page"


def check(page: Page, address: str) -> None:
    """Nothing ran, nothing would when touched, and nothing was computed by a template."""
    found = page.evaluate(
        """() => {
            document.querySelectorAll('details').forEach((one) => { one.open = true; });
            const all = [...document.querySelectorAll('*')];
            all.forEach((one) => one.dispatchEvent(new MouseEvent('mouseover')));
            const leads = (one) => ['href', 'action', 'src', 'formaction'].map((name) => one.getAttribute(name) || '');
            return {
                owned: window.owned || 0,
                scripts: all.filter((one) => one.matches('script:not([src])')).length,
                handlers: all.filter((one) => [...one.attributes].some((each) => each.name.startsWith('on'))).length,
                addresses: all.filter((one) => leads(one).some((to) => /^\\s*javascript:/i.test(to))).length,
                images: all.filter((one) => one.matches('img[src=x]')).length,
            };
        }"""
    )
    assert found == {"owned": 0, "scripts": 0, "handlers": 0, "addresses": 0, "images": 0}, address
    assert "62615533" not in [word for word in page.locator("body").inner_text().split() if "7919*7907" not in word], (
        address
    )
