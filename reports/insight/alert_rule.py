"""Rules of alerts: of which changes whom to tell, by what, and when not. Pure; the register keeps each as a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from reports.insight.change import Change
from reports.insight.status import Status

#: The entry of the register that lists the ids of all rules; each has an entry of its own.
LISTED = "rules"


class Channel(StrEnum):
    """By what an alert is delivered."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SNS = "sns"


@dataclass(frozen=True, slots=True)
class Need:
    """What a channel needs: `setting` must not be empty, else `missing` says what there is not."""

    setting: str
    missing: str


NEEDS = {
    Channel.EMAIL: Need("TRASH_SMTP", "no mail server is set (TRASH_SMTP)"),
    Channel.SNS: Need("TRASH_ALERT_TOPIC", "no topic is set (TRASH_ALERT_TOPIC)"),
}


@dataclass(frozen=True, slots=True)
class AlertRule:
    """
    Of which changes to tell whom.

    statuses: those a can comes to have. stream, can_id: "" for all; a can_id that ends with * is how ids begin.
    address: of a webhook, or of e-mail recipients with commas between; "" for SNS. secret: signs what a webhook gets.
    quiet_from, quiet_until: minutes of the day in `zone` between which nothing is sent, None for no such hours.
    hold_s: for how long a status must have lasted. pause_s: for how long the same can and status is not told again.
    most_an_hour: alerts that it sends in an hour of the clock. tells_from: seconds since 1970; it does not tell
    of what is older.
    """

    id: str
    name: str
    statuses: frozenset[Status]
    channel: Channel
    address: str = ""
    secret: str = ""
    stream: str = ""
    can_id: str = ""
    quiet_from: int | None = None
    quiet_until: int | None = None
    zone: str = "UTC"
    hold_s: int = 0
    pause_s: int = 3600
    most_an_hour: int = 60
    tells_from: int = 0

    def matches(self, change: Change) -> bool:
        """Say whether it tells of this change."""
        if change.status not in self.statuses or change.at < self.tells_from or change.again not in ("", self.id):
            return False
        if self.stream and self.stream.casefold() != change.stream.casefold():
            return False
        if self.can_id.endswith("*"):
            return change.can_id.startswith(self.can_id[:-1])
        return not self.can_id or self.can_id == change.can_id

    def waits_until(self, change: Change, now: datetime) -> datetime | None:
        """Return until when it waits with a change: for the status to have lasted, then for quiet hours to end."""
        held_until = change.since + timedelta(seconds=self.hold_s) if self.hold_s else now
        quiet_until = self._quiet_until(max(now, held_until))
        until = quiet_until or held_until
        return until if until > now else None

    @property
    def may_wait(self) -> bool:
        """Say whether it may wait before it tells: then a status must still be so when it does."""
        return bool(self.hold_s) or self._is_quiet_sometimes

    @property
    def _is_quiet_sometimes(self) -> bool:
        return self.quiet_from is not None and self.quiet_until is not None and self.quiet_from != self.quiet_until

    def _quiet_until(self, instant: datetime) -> datetime | None:
        """Return when the quiet hours end in which an instant lies, None where it lies in none."""
        if not self._is_quiet_sometimes:
            return None
        assert self.quiet_from is not None and self.quiet_until is not None
        local = instant.astimezone(ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        length = (self.quiet_until - self.quiet_from) % 1440
        if (minute - self.quiet_from) % 1440 >= length:
            return None
        left = (self.quiet_until - minute) % 1440
        return local.replace(second=0, microsecond=0) + timedelta(minutes=left)

    def text(self) -> str:
        """Return it as JSON, which `rule_from_text` reads."""
        members = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**members, "statuses": sorted(self.statuses)}, ensure_ascii=False, separators=(",", ":"))


def rule_from_text(text: str) -> AlertRule:
    """
    Return the rule that a text holds, without members that a later version has added.

    Raises ValueError, KeyError or TypeError for what `text` did not write.
    """
    told = json.loads(text)
    members = {name: told[name] for name in AlertRule.__slots__ if name in told}
    statuses = frozenset(Status(each) for each in told["statuses"])
    return AlertRule(**{**members, "statuses": statuses, "channel": Channel(told["channel"])})


def any_of(rules: Sequence[AlertRule]) -> Callable[[Change], bool] | None:
    """Return what says whether any of these rules tells of a change; None where there are none: no change matters."""
    return (lambda change: any(rule.matches(change) for rule in rules)) if rules else None
