"""Alerts and dashboard name metrics that there are, and Prometheus's own tool takes the rules and their tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.servers import ROOT
from trashsite import telemetry

RULES = ROOT / "deploy/prometheus/rules.yml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/trashsite.json").read_text())
RULE_TESTS = ["tests/deploy/prometheus_rules.yml", "tests/deploy/prometheus_rules_of_days.yml"]
PROMTOOL = shutil.which("promtool")
#: As Prometheus is asked for them: a counter, and each part of a histogram, by a name of its own.
KNOWN = {
    f"{each.name}{ending}"
    for each in telemetry._Metric.all
    for ending in {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}[each.kind]
}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def expressions() -> Iterator[str]:
    """Every expression of the dashboard's panels."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def test_every_metric_that_an_alert_or_a_panel_asks_for_is_counted() -> None:
    asked = set(re.findall(r"\btrashsite_\w+", RULES.read_text() + " ".join(expressions())))
    assert asked - KNOWN == set()
    assert len(asked) > 20


def test_every_alert_has_a_page_in_the_runbook_and_every_page_an_alert() -> None:
    pages = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sorted(pages) == sorted(rule["alert"] for rule in alerts())
    for rule in alerts():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed; Debian's package is prometheus")
@pytest.mark.parametrize("command", [["check", "rules", str(RULES)],
                                     ["test", "rules", *RULE_TESTS],
                                     ["check", "config", "deploy/prometheus/prometheus.yml"]])  # fmt: skip
def test_promtool_takes_the_rules_and_each_alert_speaks_when_it_must(command: list[str]) -> None:
    done = subprocess.run([str(PROMTOOL), *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    tested = [each for file in RULE_TESTS for each in yaml.safe_load((ROOT / file).read_text())["tests"]]
    speaks = {one["alertname"] for each in tested for one in each["alert_rule_test"] if one.get("exp_alerts")}
    silent = {one["alertname"] for each in tested for one in each["alert_rule_test"] if not one.get("exp_alerts")}
    assert speaks == silent == {rule["alert"] for rule in alerts()}
