"""The entries of the register that tell workers of rules of alerts, and the rules for who reads the database itself."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import time

from django.conf import settings

from reports.alert_rules import AlertRule
from reports.insight import alert_rule
from reports.insight.alert_rule import LISTED, Channel
from reports.insight.status import Status


def rule_texts(ids: Sequence[str]) -> dict[str, str]:
    """Return the entries of rules of alerts that are switched on, by id, and the list of their ids."""
    on = AlertRule.objects.filter(is_on=True).order_by("pk")
    texts = {str(row.pk): rule_of(row).text() for row in on.filter(pk__in=[id_ for id_ in ids if id_.isdigit()])}
    if LISTED in ids:
        texts[LISTED] = json.dumps([str(pk) for pk in on.values_list("pk", flat=True)])
    return texts


def rule_ids() -> Iterator[str]:
    """Yield the ids of all entries."""
    yield LISTED
    yield from (str(pk) for pk in AlertRule.objects.values_list("pk", flat=True))


def rules_on() -> list[alert_rule.AlertRule]:
    """Return all rules that are switched on, as the database has them now."""
    return [rule_of(row) for row in AlertRule.objects.filter(is_on=True).order_by("pk")]


def rule_of(row: AlertRule) -> alert_rule.AlertRule:
    """Return a rule as workers know it."""
    return alert_rule.AlertRule(
        id=str(row.pk),
        name=row.name,
        statuses=frozenset(map(Status, row.statuses.split(","))),
        channel=Channel(row.channel),
        address=row.address,
        secret=row.secret,
        stream=row.stream,
        can_id=row.can_id,
        quiet_from=_minute(row.quiet_from),
        quiet_until=_minute(row.quiet_until),
        zone=settings.TRASH_TIME_ZONE,
        hold_s=row.hold_minutes * 60,
        pause_s=row.pause_minutes * 60,
        most_an_hour=row.most_an_hour,
        tells_from=math.floor(row.tells_from.timestamp()) if row.tells_from else 0,
    )


def _minute(at: time | None) -> int | None:
    return None if at is None else at.hour * 60 + at.minute
