"""Alerts and their rules, as an operator and others see and change them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.roles import give_role, make_roles
from reports import store
from reports.alert_rules import AlertRule
from reports.insight.change import Change
from reports.insight.status import Status
from reports.store import Heartbeat, Result
from reports.worker.alerts import channels
from tests.support.cans import a_can

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

NOW = datetime.now(UTC)


def of_role(role: str) -> Client:
    make_roles()
    user, _ = User.objects.get_or_create(username=role)
    give_role(user, role)
    client = Client()
    client.force_login(user)
    return client


def an_alert(can_id: str, status: Status = Status.FULL, minutes_ago: int = 1) -> store.Alert:
    at = int((NOW - timedelta(minutes=minutes_ago)).timestamp())
    alert = store.open_alert(Change(can_id, Status.OK, status, at, 7, "paper", "81.5", "At 81.5 %."), NOW)
    store.note_result(alert.key, "1", Result("North", "webhook", "delivered", NOW, "", 1))
    return alert


def listed(client: Client, query: str) -> list[dict[str, object]]:
    results: list[dict[str, object]] = client.get(f"/alerts?{query}").json()["results"]
    return results


def test_alerts_are_listed_filtered_and_acknowledged_once(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.TRASH_READS = "open"
    operator = of_role("operator")
    alert = an_alert("alert-a")
    an_alert("alert-b", Status.SILENT, 2)

    assert [each["can_id"] for each in listed(operator, "status=silent")] == ["alert-b"]
    (mine,) = listed(operator, "can_id=alert-a")
    assert (mine["status"], mine["before"], mine["acknowledged_at"]) == ("FULL", "OK", None)
    assert [(one["rule"], one["state"]) for one in mine["results"]] == [("North", "delivered")]  # type: ignore[attr-defined]
    # Rules and receivers are nobody else's affair.
    assert listed(Client(), "can_id=alert-a")[0]["results"] is None

    gone = re.sub("[0-9a-f]{24}$", "0" * 24, alert.key)
    body = json.dumps({"acknowledge": [alert.key, gone]})
    assert Client().post("/alerts", body, content_type="application/json").status_code in (401, 403)
    answer = operator.post("/alerts", body, content_type="application/json")
    assert answer.json() == {"acknowledged": [alert.key], "unknown": [gone]}
    assert listed(operator, "can_id=alert-a&open=yes") == []
    assert listed(operator, "can_id=alert-a")[0]["acknowledged_by"]
    assert listed(Client(), "can_id=alert-a")[0]["acknowledged_by"] is None
    call_command("alerts", json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed == [{name: each[name] for name in each if name != "links"} for each in listed(operator, "")]
    wrong = operator.post("/alerts", '{"acknowledge": ["x"]}', content_type="application/json")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "acknowledge")


def test_the_page_acknowledges_by_a_form_and_shows_no_button_to_others(settings: Settings) -> None:
    settings.TRASH_READS = "open"
    operator = of_role("operator")
    alert = an_alert("alert-c")
    a_can("alert-c", name="Market square", address="Market square 3")
    page, of_others = (
        client.get("/alerts?can_id=alert-c", headers={"Accept": "text/html"}).content.decode()
        for client in (operator, Client())
    )
    assert f'value="{alert.key}"' in page and "<button form" in page
    assert "Market square 3" in page
    assert "Market square" in of_others and "<button form" not in of_others

    sent = urlencode({"acknowledge": alert.key, "back": "can_id=alert-c"})
    answer = operator.post(
        "/alerts", sent, content_type="application/x-www-form-urlencoded", headers={"Accept": "text/html"}
    )
    assert (answer.status_code, answer["Location"]) == (303, "/alerts?can_id=alert-c")
    assert listed(operator, "can_id=alert-c&open=yes") == []


def test_rules_are_made_changed_and_deleted_and_their_secret_is_told_once() -> None:
    operator = of_role("operator")
    rule = {"name": "Full paper", "statuses": "full", "channel": "webhook", "address": "https://hooks.example.org/a"}
    made = operator.post("/alerts/rules", json.dumps(rule), content_type="application/json")
    assert made.status_code == 201
    secret, pk = made.json()["secret"], made.json()["id"]
    assert secret.startswith("whsec_") and made.json()["statuses"] == "FULL"
    assert secret not in operator.get("/alerts/rules").content.decode()

    changed = operator.put(
        f"/alerts/rules/{pk}", json.dumps({**rule, "name": "Paper"}), content_type="application/json"
    )
    assert (changed.status_code, changed.json()["name"]) == (200, "Paper")
    assert AlertRule.objects.get(pk=pk).secret == secret
    assert operator.post(f"/alerts/rules/{pk}/secret").json()["secret"] != secret
    wrong = operator.put(
        f"/alerts/rules/{pk}", json.dumps({**rule, "address": "https://10.0.0.1/"}), content_type="application/json"
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "address")
    assert operator.delete(f"/alerts/rules/{pk}").status_code == 204
    assert operator.get(f"/alerts/rules/{pk}").status_code == 404
    assert of_role("viewer").get("/alerts/rules").status_code == 403


def test_a_rule_is_made_by_the_form_too() -> None:
    operator = of_role("operator")
    assert operator.get("/alerts/rules/add/").status_code == 200
    sent = {
        "name": "Mail", "is_on": "on", "statuses": ["FIRE", "TILT"], "channel": "email", "address": "a@example.org",
        "hold_minutes": "0", "pause_minutes": "60", "most_an_hour": "60",
    }  # fmt: skip
    refused = operator.post("/alerts/rules/add/", {**sent, "address": "nobody"})
    assert "mail addresses" in refused.content.decode()
    assert operator.post("/alerts/rules/add/", sent).status_code == 302
    (rule,) = AlertRule.objects.all()
    assert (rule.statuses, rule.secret) == ("FIRE,TILT", "")
    assert operator.get(f"/alerts/rules/{rule.pk}/edit/").status_code == 200
    assert operator.post(f"/alerts/rules/{rule.pk}/edit/", {"delete": "yes"}).status_code == 302
    assert not AlertRule.objects.exists()


def test_a_rule_says_that_the_workers_have_no_setting_for_its_channel() -> None:
    operator = of_role("operator")
    store.beat(Heartbeat("rules:1", datetime.now(UTC), {}, unusable=channels.unusable()))
    rule = {"name": "Mail", "statuses": "FIRE", "channel": "email", "address": "a@example.org"}
    made = operator.post("/alerts/rules", json.dumps(rule), content_type="application/json").json()
    assert "no mail server is set (TRASH_SMTP)" in made["warning"]
    form = {**rule, "hold_minutes": "0", "pause_minutes": "60", "most_an_hour": "60"}
    asked = {"Accept": "text/html"}
    page = operator.post(f"/alerts/rules/{made['id']}/edit/", form, follow=True, headers=asked).content.decode()
    assert re.search(rf'class="note warning"[^>]*>{re.escape(made["warning"])}', page)
    assert f'<small class="bad">{made["warning"]}</small>' in page

    hook = {"name": "Hook", "statuses": "FIRE", "channel": "webhook", "address": "https://hooks.example.org/a"}
    assert operator.post("/alerts/rules", json.dumps(hook), content_type="application/json").json()["warning"] is None
    store.leave("rules:1")


def test_each_rule_is_tried_by_hand(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="No rule is switched on"):
        call_command("alerts", test=True)
    AlertRule(name="Mail", statuses="FULL", channel="email", address="a@example.org").save()
    with pytest.raises(CommandError, match="1 of 1 rules failed"):
        call_command("alerts", test=True)
    settings.TRASH_SMTP = "smtp://localhost:1025"
    call_command("alerts", test=True)
    assert [message.subject for message in mail.outbox] == ["test: FULL"]
    assert "Mail (email): sent" in capsys.readouterr().out
