"""Query parameters, read into values; one that breaks a rule is an InvalidQuery."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime

from reports.insight.entered import Spread
from reports.insight.rhythm import SOONEST_S
from reports.insight.status import FILLING_SHARE, REPORTED, Status, status
from reports.report import MAX_CAN_ID, MAX_LEVEL, Report, percent
from reports.store import Order
from reports.web import cursors
from reports.web.problems import InvalidQuery

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
class FleetQuery:
    """
    Which cans are asked for, in which order, and which page of them.

    level_min, level_max: percent. silent_h: no report for at least so many hours. battery: "low" where that of a sensor
    is to be low, or "". search: how the id begins, or words of name and address. is_ordered: whether the order was
    asked for. after, before: the position of another page; is_at_end: it is among the cans that never reported, which
    follow all others.
    """

    order: Order
    status: Status | None
    stream: str
    level_min: Decimal | None
    level_max: Decimal | None
    silent_h: int | None
    search: str
    battery: str
    size: int
    scope: str
    is_ordered: bool = False
    after: str | None = None
    before: str | None = None
    is_at_end: bool = False

    @property
    def has_reported(self) -> bool:
        """Whether cans that have reported are asked for."""
        return self.status != Status.NEVER_REPORTED

    @property
    def has_never_reported(self) -> bool:
        """Whether cans that have never reported are asked for: they have no level, and no time of a last report."""
        return self.status in (None, Status.NEVER_REPORTED) and not (self.has_level or self.silent_h)

    @property
    def needs_an_index(self) -> bool:
        """Whether the rows are to come in an order, or a part of an index holds them."""
        has_part = self.search or self.silent_h or self.has_level or self.status in (Status.FULL, Status.SILENT)
        has_part = has_part or self.battery
        return bool(self.is_ordered or has_part or self.after or self.before)

    @property
    def natural(self) -> Order:
        """The order where none is asked for: the one that finds what is, without looking at anything else."""
        return _natural(self.search, self.status, self.silent_h, self.battery)

    @property
    def has_level(self) -> bool:
        return self.level_min is not None or self.level_max is not None

    @property
    def is_filtered(self) -> bool:
        return bool(self.status or self.stream or self.search or self.silent_h or self.battery) or self.has_level

    @property
    def words(self) -> list[str]:
        """Return what is asked for in words, a part for each filter: for paper, where there is no form."""
        said = {
            "search {}": self.search,
            "status {}": self.status,
            "stream {}": self.stream,
            "level from {} %": self.level_min,
            "level to {} %": self.level_max,
            "silent for {} hours": self.silent_h,
            "battery {}": self.battery,
        }
        return [words.format(value) for words, value in said.items() if value not in (None, "")]

    def matches(self, report: Report, stream: str, now: datetime) -> bool:
        """
        Say whether a can is among those asked for, but for `search` and `battery`: what these ask, no report has.

        stream: the one that it is known under.
        """
        level = percent(report.level)
        return (
            (not self.status or status(report, now) == self.status)
            and (not self.stream or stream.casefold() == self.stream.casefold())
            and (self.level_min is None or (level is not None and level >= self.level_min))
            and (self.level_max is None or (level is not None and level <= self.level_max))
            and (not self.silent_h or _is_silent(report, self.silent_h, now))
        )

    @property
    def has_limits(self) -> bool:
        """Whether the limits of the cans decide which of them are asked for."""
        return self.status in (Status.FULL, Status.FILLING, Status.OK)

    def bounds(self, now: datetime, spread: Spread) -> tuple[dict[str, Any], bool]:
        """
        Return the part of the filter that the order's index serves, and whether that is the whole filter.

        The part: keyword arguments of store.ranked. Where it is not the whole, `matches` must judge each row. spread:
        of the limits of all cans, where they decide.
        """
        if self.order == "id":
            return self._bounds_of_id()
        if self.order == "silent":
            return self._bounds_of_silence(now)
        return self._bounds_of_level(spread)

    def _bounds_of_id(self) -> tuple[dict[str, Any], bool]:
        is_whole = not (self.status or self.stream or self.has_level or self.silent_h or self.battery)
        return {"prefix": self.search, "low_battery": bool(self.battery)}, is_whole

    def _bounds_of_silence(self, now: datetime) -> tuple[dict[str, Any], bool]:
        silence = timedelta(hours=self.silent_h or 0)
        if self.status == Status.SILENT:
            # No can is silent sooner: of the others each row says when it is.
            silence = max(silence, timedelta(seconds=SOONEST_S))
        # The index knows the hour, not the minute: of what is filtered each row is judged.
        return {"until": now - silence if silence else None}, not self.is_filtered

    def _bounds_of_level(self, spread: Spread) -> tuple[dict[str, Any], bool]:
        low, high = self.level_min, self.level_max
        least, most = Decimal(spread.least), Decimal(spread.most)
        if self.status == Status.FULL:
            # A can that was full stays so for some points below its threshold.
            low = max(low or Decimal(0), least - Decimal(spread.hysteresis))
        elif self.status == Status.FILLING:
            low = max(low or Decimal(0), least * FILLING_SHARE)
        if self.status in (Status.FILLING, Status.OK):
            high = min(most if high is None else high, most)
        # The index knows whole percents: 73 stands for levels up to 73.99, so as an upper bound only 100 is exact.
        is_exact = (low is None or low == int(low)) and high in (None, 100)
        is_whole = is_exact and not (self.status or self.stream or self.search or self.silent_h or self.battery)
        return {"low": None if low is None else int(low), "high": None if high is None else int(high)}, is_whole


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which page of a can's history is asked for: from `since` on, before `until`."""

    since: datetime | None
    until: datetime | None
    newest_first: bool
    size: int
    after: str | None
    scope: str


#: Every parameter of the fleet but the page's own.
FLEET_FILTERS = ("order", "status", "stream", "level_min", "level_max", "silent_h", "battery", "q")
#: What may be asked of a sensor's battery.
BATTERIES = ("low",)
#: More than a year.
MAX_SILENT_H = 9999


def fleet_query(query: Mapping[str, str]) -> FleetQuery:
    known(query, {*FLEET_FILTERS, "page_size", "cursor"})
    asked_status = choice(query, "status", tuple(Status), str.upper)
    search = query.get("q", "").strip()
    if len(search) > MAX_CAN_ID:
        raise InvalidQuery("q", f"must be at most {MAX_CAN_ID} characters long")
    if "\0" in search:
        # PostgreSQL takes none in a text, and no name holds one.
        raise InvalidQuery("q", "must not hold the character NUL")
    silent_h = whole(query, "silent_h", MAX_SILENT_H)
    battery = choice(query, "battery", BATTERIES, str.lower)
    order = choice(query, "order", get_args(Order), str.lower) or _natural(search, asked_status, silent_h, battery)
    level_min, level_max = level(query, "level_min"), level(query, "level_max")
    if level_min is not None and level_max is not None and level_min > level_max:
        raise InvalidQuery("level_max", "must not be below level_min")
    size, stream = _page_size(query, cursors.MAX_FLEET), query.get("stream", "").strip()
    scope = json.dumps(
        ["fleet", size, order, asked_status, stream, str(level_min), str(level_max), silent_h, search, battery]
    )
    position = cursors.unseal(query.get("cursor", ""), scope)
    first_page = FleetQuery(
        order=cast(Order, order),
        status=Status(asked_status) if asked_status else None,
        stream=stream,
        level_min=level_min,
        level_max=level_max,
        silent_h=silent_h,
        search=search,
        battery=battery,
        size=size,
        scope=scope,
        is_ordered=bool(query.get("order", "").strip()),
    )
    if position is None:
        return first_page
    mark, key = position[0], position[1:]
    page = replace(first_page, is_at_end=mark in cursors.AT_END)
    return replace(page, before=key) if mark in cursors.BACKWARDS else replace(page, after=key)


def _natural(search: str, asked_status: str | None, silent_h: int | None, battery: str) -> Order:
    return "id" if search or battery else "silent" if silent_h or asked_status == Status.SILENT else "fullest"


def _is_silent(report: Report, hours: int, now: datetime) -> bool:
    return report.measured_at is not None and now - report.measured_at >= timedelta(hours=hours)


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


def _page_size(query: Mapping[str, str], most: int) -> int:
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
    known(query, {"since", "until", "order", "page_size", "cursor"})
    since, until = instant(query, "since"), instant(query, "until")
    if since and until and since >= until:
        raise InvalidQuery("until", "must be later than since")
    order = query.get("order") or "newest"
    if order not in ("newest", "oldest"):
        raise InvalidQuery("order", "must be newest or oldest")
    size = _page_size(query, cursors.MAX_SIZE)
    # The id last: it alone may hold anything.
    scope = f"history {size} {order} {since} {until} {can_id}"
    after = cursors.unseal(query.get("cursor", ""), scope)
    return HistoryQuery(since, until, order == "newest", size, after, scope)


def emptyings_query(query: Mapping[str, str], can_id: str) -> CansQuery:
    """Return which page of a can's emptyings is asked for. Raises InvalidQuery."""
    known(query, {"page_size", "cursor"})
    size = _page_size(query, cursors.MAX_SIZE)
    scope = f"emptyings {size} {can_id}"
    return CansQuery(size, scope, cursors.unseal(query.get("cursor", ""), scope))


def cans_query(query: Mapping[str, str]) -> CansQuery:
    known(query, {"page_size", "cursor"})
    size = _page_size(query, cursors.MAX_SIZE)
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
    size, battery = _page_size(query, cursors.MAX_SIZE), choice(query, "battery", BATTERIES, str.lower)
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
