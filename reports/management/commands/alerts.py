"""`manage.py alerts`: list the newest alerts, or try each rule with a change of no can."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reports import store
from reports.report import iso
from reports.rule_entries import rules_on
from reports.store import Alert, StoreUnavailable
from reports.worker.alerts import channels
from reports.worker.alerts.channels import ChannelFailed


class Command(BaseCommand):
    """Lists alerts, or sends one of no can by each rule."""

    help = (
        "List the newest alerts with what became of each, or, with --test, send one of no can by each rule that is "
        "switched on. It needs the workers' settings and rights, and for --test the database's address."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --test, --most and --json."""
        parser.add_argument("--test", action="store_true", help="send an alert of the can 'test' by each rule")
        parser.add_argument(
            "--most", type=int, default=20, metavar="N", help="list at most N (default 20, at most 1000)"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON array, with the members of GET /alerts/")

    def handle(self, **options: Any) -> None:
        """Print what was listed, or what became of each rule's test. Raises CommandError where one failed."""
        if options["test"]:
            self._test(as_json=options["json"])
            return
        try:
            found = store.alerts(timezone.now(), size=max(1, min(options["most"], 1000))).items
        except StoreUnavailable as error:
            raise CommandError(f"{error} Try again when DynamoDB answers.") from error
        for line in [json.dumps([each.told() for each in found])] if options["json"] else map(_line, found):
            self.stdout.write(line)
        self.stderr.write(f"{len(found)} alerts")

    def _test(self, *, as_json: bool) -> None:
        results: list[dict[str, str]] = []
        rules = rules_on()
        if not rules:
            raise CommandError("No rule is switched on. Make one at /alerts/rules.")
        change = channels.a_test_change()
        for rule in rules:
            reason = ""
            try:
                channels.send(rule, change)
            except ChannelFailed as error:
                reason = str(error)
            results.append({"rule": rule.name, "channel": rule.channel, "reason": reason})
            if not as_json:
                self.stdout.write(f"{rule.name} ({rule.channel}): {f'failed: {reason}' if reason else 'sent'}")
        if as_json:
            self.stdout.write(json.dumps(results))
        if failed := _failed(results):
            raise CommandError(f"{len(failed)} of {len(rules)} rules failed: {', '.join(failed)}. See docs/alerts.md.")


def _failed(results: Sequence[dict[str, str]]) -> list[str]:
    return [each["rule"] for each in results if each["reason"]]


def _line(alert: Alert) -> str:
    change = alert.change
    told = "; ".join(f"{each.rule}: {each.state}" for _, each in sorted(alert.results.items()))
    # A can's id comes from a device: its escapes, where it is no plain text.
    can_id = change.can_id if change.can_id.isprintable() else repr(change.can_id)
    return f"{iso(change.since)}  {can_id}  {change.before} -> {change.status}  {told or 'not told yet'}"
