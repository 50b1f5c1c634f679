"""A change of a can's status: what an alert tells, and the text in which it waits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reports.insight.status import Outlook, Status
from reports.report import iso

#: A report that was measured longer ago tells of the past: by then every can that sends no more is silent.
NEWS = timedelta(hours=24)
#: Characters of a can's level and reason that an alert keeps.
MOST_SAID = 300


@dataclass(frozen=True, slots=True)
class Change:
    """
    One change of a can's status.

    at: since when it is so, in whole seconds since 1970: when the report was measured that shows it, or the instant
    from which on it holds by time alone. version: of the row's write that made it, 0 where time alone did. level,
    reason: as they stood when it was noticed, "" where that is not known. again: the rule, by its id, that alone tells
    it once more after it was set aside; "" for all.
    """

    can_id: str
    before: Status
    status: Status
    at: int
    version: int = 0
    stream: str = ""
    level: str = ""
    reason: str = ""
    again: str = ""

    @property
    def id(self) -> str:
        """Its id: the same wherever and however often the change is noticed; of who, what and when alone."""
        said = json.dumps([self.can_id, self.before, self.status, self.at, self.version])
        return f"alert_{hashlib.blake2b(said.encode(), digest_size=12).hexdigest()}"

    @property
    def since(self) -> datetime:
        """Since when it is so, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    def told(self) -> dict[str, str | None]:
        """Return what is told of it outside: the members of a webhook's `data`, and of the list of alerts."""
        return {
            "id": self.id,
            "can_id": self.can_id,
            "status": self.status,
            "before": self.before,
            "since": iso(self.since),
            "level": self.level or None,
            "stream": self.stream or None,
            "reason": self.reason or None,
        }

    def text(self) -> str:
        """Return it as JSON, which `from_text` reads."""
        members = {name: getattr(self, name) for name in self.__slots__ if name != "again" or self.again}
        members |= {name: members[name][:MOST_SAID] for name in ("level", "reason")}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Change:
    """
    Return the change that a text tells of, without members that a later version has added.

    Raises ValueError, which says what is wrong, for any other text.
    """
    try:
        told = json.loads(text)
        members = {name: told[name] for name in Change.__slots__ if name in told}
        change = Change(**{**members, "before": Status(told["before"]), "status": Status(told["status"])})
    except (TypeError, KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"it tells of no change of a status: {error}") from None
    words = (change.can_id, change.stream, change.level, change.reason, change.again)
    if not (change.can_id and all(isinstance(word, str) for word in words) and _is_whole(change.version)):
        raise ValueError("can_id, stream, level, reason and again must be text, and version a whole number")
    if not (_is_whole(change.at) and 0 <= change.at < 1 << 37):
        raise ValueError("at must be whole seconds since 1970")
    return change


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def by_report(before: Outlook | None, after: Outlook, now: datetime) -> tuple[Status, Status] | None:
    """
    Return which status a can had at `now` and has since a report was taken in; None where both are the same.

    before, after: its outlook without and with that report, None for a can that had none.
    """
    was = Status.NEVER_REPORTED if before is None else before.at(now)
    return None if was is (status := after.at(now)) else (was, status)


def by_time(outlook: Outlook, since: float, until: float) -> Iterator[tuple[int, Status, Status]]:
    """Yield the changes that time alone makes after `since`, up to `until`: when, from which status, to which."""
    for (_, was), (after, status) in zip(outlook.steps, outlook.steps[1:], strict=False):
        if since < after <= until and was is not status:
            yield after, was, status


def is_news(at: int, now: datetime) -> bool:
    """Say whether a report that was measured then tells of the present."""
    return now.timestamp() - at <= NEWS.total_seconds()
