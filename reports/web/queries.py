"""Query parameters, read into values; one that breaks a rule is an InvalidQuery."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime

from reports.insight.status import REPORTED, Status
from reports.report import MAX_CAN_ID, MAX_LEVEL, percent
from reports.web import cursors
from reports.web.problems import InvalidQuery

#: What may be asked of a sensor's battery.
BATTERIES = ("low",)
#: Whether the level of a can is not to be trusted.
SUSPECTS = ("yes", "no")
#: Alerts on a page at most: each is more than a kilobyte.
MAX_ALERTS = 100
#: What a `+` before a zone becomes in a query string that nobody escaped.
_UNESCAPED_ZONE = re.compile(r" (?=\d\d:?\d\d$)")


@dataclass(frozen=True, slots=True)
class CansQuery:
    """Which page of a list is asked for: what comes after this position."""

    size: int
    scope: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class AlertsQuery:
    """Which page of the alerts is asked for. is_open: those alone that nobody has acknowledged."""

    status: Status | None
    can_id: str
    is_open: bool
    size: int
    scope: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class SensorsQuery:
    """Which page of the sensors is asked for: those after this position; battery: "low" for these alone, or "" ."""

    size: int
    scope: str
    battery: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which page of a can's history is asked for: from `since` on, before `until`."""

    since: datetime | None
    until: datetime | None
    newest_first: bool
    size: int
    after: str | None
    scope: str


def choice(query: Mapping[str, str], name: str, allowed: Sequence[str], fold: Callable[[str], str]) -> str:
    """Return one of the allowed words, "" where the parameter is missing or empty. Raises InvalidQuery."""
    text = fold(query.get(name, "").strip())
    if text and text not in allowed:
        raise InvalidQuery(name, f"must be one of {', '.join(allowed)}")
    return text


def level(query: Mapping[str, str], name: str) -> Decimal | None:
    """Return a level asked for, None where the parameter is missing or empty. Raises InvalidQuery."""
    text = query.get(name, "").strip()
    if not text:
        return None
    level = percent(text) if len(text) <= MAX_LEVEL and text.isascii() else None
    if level is None or not 0 <= level <= 100:
        raise InvalidQuery(name, "must be a number from 0 to 100")
    return level


def page_size(query: Mapping[str, str], most: int) -> int:
    """Return how many rows of a page are asked for. Raises InvalidQuery."""
    return whole(query, "page_size", most) or cursors.DEFAULT_SIZE


def whole(query: Mapping[str, str], name: str, most: int, *, least: int = 1) -> int | None:
    """Return a whole number asked for, None where the parameter is missing or empty. Raises InvalidQuery."""
    text = query.get(name, "").strip()
    if not text:
        return None
    # isdecimal alone would let through digits of other scripts.
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise InvalidQuery(name, f"must be a whole number from {least} to {most}")
    return int(text)


def history_query(query: Mapping[str, str], can_id: str) -> HistoryQuery:
    """Return which page of a can's history is asked for. Raises InvalidQuery."""
    known(query, {"since", "until", "order", "page_size", "cursor"})
    since, until = instant(query, "since"), instant(query, "until")
    if since and until and since >= until:
        raise InvalidQuery("until", "must be later than since", on_page="must be later than “Since”")
    order = query.get("order") or "newest"
    if order not in ("newest", "oldest"):
        raise InvalidQuery("order", "must be newest or oldest")
    size = page_size(query, cursors.MAX_SIZE)
    # The id last: it alone may hold anything.
    scope = f"history {size} {order} {since} {until} {can_id}"
    after = cursors.unseal(query.get("cursor", ""), scope)
    return HistoryQuery(since, until, order == "newest", size, after, scope)


def emptyings_query(query: Mapping[str, str], can_id: str) -> CansQuery:
    """Return which page of a can's emptyings is asked for. Raises InvalidQuery."""
    known(query, {"page_size", "cursor"})
    size = page_size(query, cursors.MAX_SIZE)
    scope = f"emptyings {size} {can_id}"
    return CansQuery(size, scope, cursors.unseal(query.get("cursor", ""), scope))


def cans_query(query: Mapping[str, str]) -> CansQuery:
    """Return which page of the known cans is asked for. Raises InvalidQuery."""
    known(query, {"page_size", "cursor"})
    size = page_size(query, cursors.MAX_SIZE)
    scope = f"cans {size}"
    return CansQuery(size, scope, cursors.unseal(query.get("cursor", ""), scope))


def alerts_query(query: Mapping[str, str]) -> AlertsQuery:
    """Return which page of the alerts is asked for. Raises InvalidQuery."""
    known(query, {"status", "can_id", "open", "page_size", "cursor"})
    asked_status = choice(query, "status", REPORTED, str.upper)
    is_open = choice(query, "open", ("yes",), str.lower) == "yes"
    can_id = query.get("can_id", "").strip()
    if len(can_id) > MAX_CAN_ID:
        raise InvalidQuery("can_id", f"must be at most {MAX_CAN_ID} characters long")
    size = whole(query, "page_size", MAX_ALERTS) or cursors.DEFAULT_SIZE
    # The id last: it alone may hold anything.
    scope = f"alerts {size} {asked_status} {is_open} {can_id}"
    after = cursors.unseal(query.get("cursor", ""), scope)
    return AlertsQuery(Status(asked_status) if asked_status else None, can_id, is_open, size, scope, after)


def sensors_query(query: Mapping[str, str]) -> SensorsQuery:
    """Return which page of the sensors is asked for. Raises InvalidQuery."""
    known(query, {"page_size", "cursor", "battery"})
    size, battery = page_size(query, cursors.MAX_SIZE), choice(query, "battery", BATTERIES, str.lower)
    scope = f"sensors {size} {battery}"
    return SensorsQuery(size, scope, battery, cursors.unseal(query.get("cursor", ""), scope))


#: The ranges of a chart: how far each reaches back from now; None: to the first report.
RANGES = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "all": None}
#: Those with a point for each report; the others have one for each hour or day.
RANGES_BY_REPORT = ("24h", "7d")


def chart_range(query: Mapping[str, str], default: str = "24h") -> str:
    """Return the name of the range of a can's chart. Raises InvalidQuery."""
    return named_range(query, RANGES, default)


def named_range(query: Mapping[str, str], ranges: Collection[str], default: str) -> str:
    """Return which of these ranges is asked for, which is all that may be. Raises InvalidQuery."""
    if not query:
        return default
    known(query, {"range"})
    name = query.get("range") or default
    if name not in ranges:
        raise InvalidQuery("range", f"must be one of {', '.join(ranges)}")
    return name


def instant(query: Mapping[str, str], name: str) -> datetime | None:
    """
    Return an instant given as ISO 8601; a date alone is its midnight, and without a zone it is the site's.

    None where the parameter is missing. Raises InvalidQuery.
    """
    text = query.get(name, "").strip()
    if not text:
        return None
    text = _UNESCAPED_ZONE.sub("+", text)
    try:
        at = parse_datetime(text)
        if at is None and (day := parse_date(text)):
            at = datetime.combine(day, datetime.min.time())
        if at and at.tzinfo is None:
            at = at.replace(tzinfo=ZoneInfo(settings.TRASH_TIME_ZONE))
        # Near the years 1 and 9999 a conversion to another zone fails.
        if at and 1900 <= at.year <= 9000:
            return at
    except ValueError:
        pass
    raise InvalidQuery(name, "must be an ISO 8601 date or time, like 2026-11-24T09:30:00Z")


def known(query: Mapping[str, str], names: set[str]) -> None:
    """Refuse parameters that mean nothing here: a mistyped filter would answer with the whole fleet."""
    for name in query:
        if name not in names and name != "format":
            raise InvalidQuery(name[:64], f"is not known here: use {', '.join(sorted(names))}")
