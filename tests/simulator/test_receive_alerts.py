"""The receiver of alerts in a demonstration takes what the rule signs, and nothing else."""

from __future__ import annotations

import importlib
import threading
from datetime import UTC, datetime

import pytest

from reports.alert_rules import AlertRule
from reports.insight.change import Change
from reports.insight.status import Status
from reports.worker.alerts.channels import body_of
from trashsite.webhooks import WebhookFailed, post

command = importlib.import_module("simulator.management.commands.receive-alerts")


@pytest.mark.django_db
def test_alerts_of_the_rule_are_told_others_refused_and_a_deleted_rule_is_the_end() -> None:
    lines: list[str] = []
    now = datetime.now(UTC)
    change = Change("no\x1bcan", Status.OK, Status.FULL, int(now.timestamp()), reason="At 81.5 %.")
    with command.receiver(lines.append) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        command.make_rule(url)
        command.make_rule(url)
        (rule,) = AlertRule.objects.all()

        def answered(secret: str) -> str:
            """Send it in a thread, and take it in this one, whose database the rule is in."""
            refused: list[str] = []

            def send() -> None:
                try:
                    post(url, secret, change.id, body_of(change), now, allow_private=True)
                except WebhookFailed as error:
                    refused.append(str(error))

            thread = threading.Thread(target=send)
            thread.start()
            server.handle_request()
            thread.join()
            return "".join(refused)

        assert answered(rule.secret) == ""
        assert answered(AlertRule().new_secret()) == "it answered 401"
        rule.delete()
        assert answered(rule.secret) == "it answered 410"
    (line,) = lines
    assert line.startswith("1 told; this one: 'can no\\x1bcan: OK -> FULL since ")
