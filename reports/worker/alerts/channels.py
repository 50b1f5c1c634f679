"""The ways by which an alert leaves: a webhook, e-mail, SNS. Each try is over after a few seconds, whoever hangs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from reports.insight.alert_rule import NEEDS, AlertRule, Channel
from reports.insight.change import Change
from reports.insight.status import Status
from reports.report import iso
from trashsite import sns, telemetry, webhooks
from trashsite.sns import SnsFailed
from trashsite.webhooks import WebhookFailed

#: Of one try by SNS, whose own limits hold for each step alone.
TIMEOUT_S = 5.0
#: Tries that may still hang beside others: more are not begun.
MOST_HANGING = 4

_slots = threading.Semaphore(MOST_HANGING)


class ChannelFailed(Exception):
    """An alert was not taken; `for_good`: nor will it be, however often it is sent."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


def send(rule: AlertRule, change: Change) -> None:
    """Send what a change tells by a rule's channel. Raises ChannelFailed, after some seconds where nobody answers."""
    began = time.monotonic()
    try:
        if rule.channel in unusable():
            raise ChannelFailed(NEEDS[rule.channel].missing, for_good=True)
        _SENDERS[rule.channel](rule, change)
    except (WebhookFailed, ChannelFailed) as error:
        raise ChannelFailed(str(error), for_good=error.for_good) from error
    except (SnsFailed, SMTPException, OSError) as error:
        raise ChannelFailed(f"{type(error).__name__}: {error}") from error
    finally:
        telemetry.ALERT_SECONDS.observe(time.monotonic() - began, rule.channel)


def unusable() -> frozenset[Channel]:
    """Return the channels for which this process has no setting, so it can tell nobody by them."""
    return frozenset(channel for channel, need in NEEDS.items() if not getattr(settings, need.setting))


def a_test_change() -> Change:
    """Return a change of no can, by which a rule can be tried."""
    now_s = int(time.time())
    return Change("test", Status.OK, Status.FULL, now_s, level="81.0", reason="This is a test. No can is full.")


def body_of(change: Change) -> str:
    """Return what a webhook and SNS get: JSON with type, timestamp and data."""
    told = {"type": "can.status_changed", "timestamp": iso(change.since), "data": change.told()}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _by_webhook(rule: AlertRule, change: Change) -> None:
    now, allowed = datetime.now(UTC), settings.TRASH_PRIVATE_WEBHOOKS
    webhooks.post(rule.address, rule.secret, change.id, body_of(change), now, allow_private=allowed)


def _by_email(rule: AlertRule, change: Change) -> None:
    # A line's end in a header would begin another one; what a can is called comes from a device.
    subject = " ".join(f"{change.can_id}: {change.status}".split())[:200]
    lines = [
        f"Can {change.can_id} is {change.status} since {format_datetime(change.since)}; it was {change.before}.",
        change.reason,
        f"Rule: {rule.name}. Alert: {change.id}.",
    ]
    message = EmailMessage(
        subject,
        "\n\n".join(line for line in lines if line) + "\n",
        to=[each.strip() for each in rule.address.split(",")],
        headers={"Message-ID": f"<{change.id}.{rule.id}@trashsite>", "Auto-Submitted": "auto-generated"},
    )
    # Its own limit holds for each step alone.
    _within(settings.EMAIL_TIMEOUT, lambda: _send_mail(message))


def _send_mail(message: EmailMessage) -> None:
    connection = get_connection()
    try:
        connection.open()
        connection.send_messages([message])
    finally:
        # It was taken, or not: how the connection ends changes nothing of that.
        with suppress(SMTPException, OSError):
            connection.close()


def _by_sns(rule: AlertRule, change: Change) -> None:
    topic = settings.TRASH_ALERT_TOPIC
    attributes = {"id": change.id, "status": str(change.status), "stream": change.stream}
    _within(TIMEOUT_S, lambda: sns.publish(topic, body_of(change), attributes))


_SENDERS: dict[Channel, Callable[[AlertRule, Change], None]] = {
    Channel.WEBHOOK: _by_webhook,
    Channel.EMAIL: _by_email,
    Channel.SNS: _by_sns,
}


def _within(seconds: float, job: Callable[[], object]) -> None:
    """Do a job in a thread, and raise what it raises, or ChannelFailed where it is not done in time."""
    if not _slots.acquire(blocking=False):
        raise ChannelFailed("earlier tries hang")
    raised: list[Exception] = []

    def run() -> None:
        try:
            job()
        except Exception as error:  # raised again where it is waited for
            raised.append(error)
        finally:
            _slots.release()

    thread = threading.Thread(target=run, name="alert", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise ChannelFailed(f"no answer within {seconds:g} s")
    if raised:
        raise raised[0]
