"""
Deliver alerts: each by every rule that tells of it, until it is delivered, not to be told, or set aside.

What became of an alert is kept in its row after each try, so a message that comes again goes on where it was. A rule
whose receiver fails is not tried again at once for others: one that hangs takes a few seconds, once in a while.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reports import queue, store
from reports.insight.alert_rule import AlertRule
from reports.insight.change import Change, from_text
from reports.insight.standing import standing
from reports.store import Alert, Result
from reports.worker.alerts import channels, rules
from reports.worker.alerts.channels import ChannelFailed
from trashsite import aws, telemetry
from trashsite.sqs.delivery import Delivery

logger = logging.getLogger(__name__)

#: For so long from when it is due a delivery that fails is tried again; then the alert is set aside.
TRIED_FOR = timedelta(hours=12)
#: Pauses between tries: doubled from the first to the longest.
FIRST_PAUSE_S, MOST_PAUSE_S = 5, 900
#: A batch begins nothing more once it has taken so long, or the worker stops: its messages come again. With one try
#: more, of TRASH_SMTP_TIMEOUT at most, it ends before it counts as one that hangs.
BATCH_S = 8.0
#: After so many receives a message comes again no sooner than this: of ten rules that wait, each at its own time, it
#: would come 200 times within hours, and SQS would set it aside unsaid. So it comes 180 times in twelve hours.
MANY_RECEIVES, LATER_S = 36, 300
#: Source: AWS, ChangeMessageVisibility: 12 hours at most, counted from the receive.
MOST_INVISIBLE_S = 42_000


@dataclass(slots=True)
class _Receivers:
    """Which rules' receivers failed in this process a moment ago. By rule: tries in a row, until when not to try."""

    failing: dict[str, tuple[int, float]] = field(default_factory=dict)

    def failed(self, rule_id: str) -> None:
        count, _ = self.failing.get(rule_id, (0, 0.0))
        self.failing[rule_id] = count + 1, time.monotonic() + _pause_s(count + 1)

    def works(self, rule_id: str) -> None:
        self.failing.pop(rule_id, None)

    def rests_s(self, rule_id: str) -> float:
        """Return for how many seconds this rule's receiver is not tried."""
        return max(0.0, self.failing.get(rule_id, (0, 0.0))[1] - time.monotonic())


_receivers = _Receivers()


def deliver(deliveries: Sequence[Delivery], now: datetime) -> None:
    """
    Deliver a batch of alerts, delete those that are settled, and have the others come again in time.

    Raises StoreUnavailable and QueueUnavailable: then the batch has to come again.
    """
    ends_s = time.monotonic() + BATCH_S
    told_by = rules.current()
    for delivery in deliveries:
        wait_s = _deliver_one(delivery, told_by, now, ends_s)
        if wait_s is None:
            queue.delete([delivery])
        else:
            spaced_s = _spaced(wait_s, delivery)
            queue.postpone([delivery], lambda _, seconds=spaced_s: seconds)  # type: ignore[misc]


def _spaced(wait_s: int, delivery: Delivery) -> int:
    """Return after how many seconds a message comes again, so that it is not received too often."""
    return max(wait_s, LATER_S) if delivery.receive_count > MANY_RECEIVES else wait_s


def _deliver_one(delivery: Delivery, told_by: Sequence[AlertRule], now: datetime, ends_s: float) -> int | None:
    """
    Deliver an alert by each rule; return after how many seconds it has to come again, None where it is settled.

    ends_s: a monotonic time, after which nothing is begun, and nothing once the worker stops.
    """
    if _has_ended(ends_s):
        return 1
    try:
        change = from_text(delivery.body)
    except ValueError as error:
        logger.warning("set aside an alert's message that cannot be read: %s", error)
        queue.set_alert_aside(delivery, str(error))
        telemetry.ALERTS.add(1, "failed")
        return None
    alert = store.open_alert(change, now)
    found = [_deliver_by(rule, alert, change, delivery, now, ends_s) for rule in told_by if rule.matches(change)]
    waits = [wait_s for wait_s in found if wait_s is not None]
    return min(MOST_INVISIBLE_S, max(1, math.ceil(min(waits)))) if waits else None


def _deliver_by(
    rule: AlertRule, alert: Alert, change: Change, delivery: Delivery, now: datetime, ends_s: float
) -> float | None:
    """Deliver an alert by one rule, where it is time for that; return what `_deliver_one` does."""
    before = alert.results.get(rule.id)
    if change.again and before and before.state == "failed" and before.at < delivery.sent_at:
        # It was set aside, and somebody has sent it back since.
        before = None
    if before and before.is_settled:
        return None
    if _has_ended(ends_s):
        return 1.0
    if (until := rule.waits_until(change, now)) is not None:
        return (until - now).total_seconds()
    due_at = rule.waits_until(change, delivery.sent_at) or delivery.sent_at
    rest_s, is_over = _receivers.rests_s(rule.id), now - due_at > TRIED_FOR
    if not rest_s:
        result = _told(rule, alert, before, now, is_over=is_over)
    elif before and is_over:
        result = replace(before, state="failed", at=now)
    else:
        # No try of this alert: it, or another one, has just shown that the receiver fails.
        return rest_s
    if result.state == "failed":
        # Before it is noted: what is noted as failed is not set aside by a message that comes again.
        queue.set_alert_aside(delivery, result.reason, rule_name=rule.name, rule_id=rule.id)
    store.note_result(alert.key, rule.id, result)
    telemetry.ALERTS.add(1, "tried" if result.state == "waiting" else result.state)
    return None if result.is_settled else _pause_s(result.tries)


def _has_ended(ends_s: float) -> bool:
    return time.monotonic() > ends_s or aws.stopping.lasts_s() > 0


def _told(rule: AlertRule, alert: Alert, before: Result | None, now: datetime, *, is_over: bool) -> Result:
    """Tell of an alert by a rule, unless it is not to be told; return what became of it. is_over: on the last try."""
    tries = before.tries if before else 0

    def result(state: str, reason: str = "") -> Result:
        return Result(rule.name, rule.channel, state, now, reason, tries)

    change = alert.change
    if not tries:
        if reason := _why_not(rule, change, now):
            return result("skipped", reason)
        if store.count_in_hour(rule.id, now) > rule.most_an_hour:
            return result("failed", f"more than {rule.most_an_hour} alerts in this hour")
    tries += 1
    try:
        channels.send(rule, change)
    except ChannelFailed as error:
        _receivers.failed(rule.id)
        if is_over := is_over or error.for_good:
            logger.warning("alert %s is set aside for the rule %r: %s", change.id, rule.name, error)
        return result("failed" if is_over else "waiting", str(error)[:300])
    _receivers.works(rule.id)
    return result("delivered")


def _why_not(rule: AlertRule, change: Change, now: datetime) -> str:
    """Return why a rule does not tell of a change, "" where it does."""
    if rule.may_wait:
        row = store.latest_rows([change.can_id]).get(change.can_id)
        if row is not None and (status := standing(row, now).status) is not change.status:
            return f"it is {status} by now"
    if rule.pause_s and (told_at := store.claim_telling(rule.id, change, rule.pause_s, now)):
        return f"told of this can and status at {told_at:%H:%M} UTC"
    return ""


def _pause_s(tries: int) -> float:
    return float(min(MOST_PAUSE_S, FIRST_PAUSE_S << min(tries - 1, 10)))


def forget() -> None:
    """Forget which receivers failed, as between tests."""
    _receivers.failing.clear()
