"""`manage.py receive-alerts`: whoever is told of alerts in a demonstration, a webhook on this machine with its rule."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from reports.alert_rules import AlertRule
from reports.insight.alert_rule import Channel

#: The rule that leads here.
RULE = "Demonstration"
#: A rule that is new tells of the last day, too: of the simulated past that is about to come.
TELLS_FROM = timedelta(hours=24)
MAX_BYTES = 65_536
#: Seconds between two lines at least: of a past of many cans there are hundreds of alerts.
SAYS_EVERY_S = 10.0


class Command(BaseCommand):
    """Receive alerts until Ctrl-C. The secret by which it checks them is that of the rule, as the database has it."""

    help = (
        "Receive alerts by a webhook on this machine, check their signatures, and print some of them. It makes a rule."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with receiver(self.stdout.write) as server:
            make_rule(f"http://127.0.0.1:{server.server_port}/")
            self.stdout.write(f"the rule {RULE!r} tells 127.0.0.1:{server.server_port}")
            server.serve_forever()


def make_rule(address: str) -> None:
    """Make the rule that leads to an address, or lead the one that is there to it: what else was changed stays."""
    rule = AlertRule.objects.filter(name=RULE).first()
    if rule is None:
        rule = AlertRule(
            name=RULE, channel=Channel.WEBHOOK, most_an_hour=1000, tells_from=timezone.now() - TELLS_FROM
        )  # fmt: skip
    rule.address = address
    rule.save()


def receiver(say: Callable[[str], object]) -> HTTPServer:
    """Return a server that takes signed alerts on a free port of the loopback address, and says what came."""
    count, say_at = 0, 0.0

    class Handler(BaseHTTPRequestHandler):
        # One at a time: a client that says nothing must not stand in the way of the others.
        timeout = 5

        def do_POST(self) -> None:
            nonlocal count, say_at
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > MAX_BYTES:
                self._answer(413)
                return
            body = self.rfile.read(int(length)).decode(errors="replace")
            secret = AlertRule.objects.filter(name=RULE).values_list("secret", flat=True).first()
            if not secret:
                self._answer(410)
                return
            try:
                Webhook(secret).verify(body, {name.lower(): value for name, value in self.headers.items()})
            except WebhookVerificationError:
                self._answer(401)
                return
            self._answer(204)
            count += 1
            if time.monotonic() >= say_at:
                say_at = time.monotonic() + SAYS_EVERY_S
                say(f"{count} told; this one: {_line(json.loads(body)['data'])}")

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    return HTTPServer(("127.0.0.1", 0), Handler)


def _line(data: dict[str, Any]) -> str:
    text = f"can {data['can_id']}: {data['before']} -> {data['status']} since {data['since']}. {data['reason'] or ''}"
    # A can's id comes from a device.
    return text.rstrip() if text.isprintable() else repr(text)
