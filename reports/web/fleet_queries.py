"""What the fleet is asked for: which cans, in which order, which page; and what of that an index serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast, get_args

from reports.insight.entered import Spread
from reports.insight.rhythm import SOONEST_S
from reports.insight.status import FILLING_SHARE, Status, outlook_of
from reports.report import MAX_CAN_ID, Report, percent
from reports.store import CanList, Order
from reports.web import cursors, queries
from reports.web.problems import InvalidQuery

ORDERS: tuple[Order, ...] = get_args(Order)
#: Every parameter of the fleet but the page's own.
FLEET_FILTERS = ("order", "status", "stream", "level_min", "level_max", "silent_h", "suspect", "battery", "q")
#: More than a year.
MAX_SILENT_H = 9999


@dataclass(frozen=True, slots=True)
class FleetQuery:
    """
    Which cans are asked for, in which order, and which page of them.

    level_min, level_max: percent. silent_h: no report for at least so many hours. suspect: "yes" where the level is not
    to be trusted, also that of a FULL can, "no" where it is, or "". battery: "low" where that of a sensor is to be low,
    or "". search: how the id begins, or words of name and address. is_ordered: whether the order was asked for. after,
    before: the position of another page; is_at_end: it is among the cans that never reported, which follow all others.
    """

    order: Order
    status: Status | None
    stream: str
    level_min: Decimal | None
    level_max: Decimal | None
    silent_h: int | None
    suspect: str
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
        has_report = self.has_level or self.silent_h or self.suspect == "yes"
        return self.status in (None, Status.NEVER_REPORTED) and not has_report

    @property
    def needs_an_index(self) -> bool:
        """Whether the rows are to come in an order, or a part of an index holds them."""
        has_part = self.silent_h or self.has_level or self.status in (Status.FULL, Status.SILENT)
        has_part = bool(self.search or self.among) or has_part
        return bool(self.is_ordered or has_part or self.after or self.before)

    @property
    def natural(self) -> Order:
        """The order where none is asked for: the one that finds what is, without looking at anything else."""
        return _natural(self.search, self.status, self.silent_h, self.among)

    @property
    def among(self) -> CanList | None:
        """The list that holds all cans asked for, None where none does."""
        return _among(self.battery, self.suspect)

    @property
    def has_level(self) -> bool:
        return self.level_min is not None or self.level_max is not None

    @property
    def is_filtered(self) -> bool:
        return bool(self.search) or self.has_level or self.is_judged

    @property
    def is_judged(self) -> bool:
        """Whether something else than a search, or a level, filters."""
        return bool(self.status or self.stream or self.silent_h or self.suspect or self.battery)

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
            "suspect {}": self.suspect,
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
            self._stands_so(report, now)
            and (not self.stream or stream.casefold() == self.stream.casefold())
            and (self.level_min is None or (level is not None and level >= self.level_min))
            and (self.level_max is None or (level is not None and level <= self.level_max))
            and (not self.silent_h or _is_silent(report, self.silent_h, now))
        )

    def _stands_so(self, report: Report, now: datetime) -> bool:
        if not self.status and not self.suspect:
            return True
        outlook = outlook_of(report)
        status = outlook.at(now)
        is_asked = not self.suspect or outlook.is_suspect(status) == (self.suspect == "yes")
        return is_asked and self.status in (None, status)

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
        return {"prefix": self.search, "among": self.among}, not (self.has_level or self.is_judged)

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
        is_whole = is_exact and not (self.search or self.is_judged)
        return {"low": None if low is None else int(low), "high": None if high is None else int(high)}, is_whole


def fleet_query(query: Mapping[str, str]) -> FleetQuery:
    """Return which part of the fleet is asked for. Raises InvalidQuery."""
    queries.known(query, {*FLEET_FILTERS, "page_size", "cursor"})
    asked_status = queries.choice(query, "status", tuple(Status), str.upper)
    search = query.get("q", "").strip()
    if len(search) > MAX_CAN_ID:
        raise InvalidQuery("q", f"must be at most {MAX_CAN_ID} characters long")
    if "\0" in search:
        # PostgreSQL takes none in a text, and no name holds one.
        raise InvalidQuery("q", "must not hold the character NUL")
    silent_h = queries.whole(query, "silent_h", MAX_SILENT_H)
    suspect = queries.choice(query, "suspect", queries.SUSPECTS, str.lower)
    battery = queries.choice(query, "battery", queries.BATTERIES, str.lower)
    natural = _natural(search, asked_status, silent_h, _among(battery, suspect))
    order = queries.choice(query, "order", ORDERS, str.lower) or natural
    level_min, level_max = queries.level(query, "level_min"), queries.level(query, "level_max")
    if level_min is not None and level_max is not None and level_min > level_max:
        raise InvalidQuery("level_max", "must not be below level_min", on_page="must not be below “Level from”")
    size, stream = queries.page_size(query, cursors.MAX_FLEET), query.get("stream", "").strip()
    scope = json.dumps(
        ["fleet", size, order, asked_status, stream, str(level_min), str(level_max), silent_h, suspect, search, battery]
    )
    position = cursors.unseal(query.get("cursor", ""), scope)
    first_page = FleetQuery(
        order=cast(Order, order),
        status=Status(asked_status) if asked_status else None,
        stream=stream,
        level_min=level_min,
        level_max=level_max,
        silent_h=silent_h,
        suspect=suspect,
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


def _among(battery: str, suspect: str) -> CanList | None:
    return CanList.LOW_BATTERY if battery else CanList.SUSPECT if suspect == "yes" else None


def _natural(search: str, asked_status: str | None, silent_h: int | None, among: CanList | None) -> Order:
    return "id" if search or among else "silent" if silent_h or asked_status == Status.SILENT else "fullest"


def _is_silent(report: Report, hours: int, now: datetime) -> bool:
    return report.measured_at is not None and now - report.measured_at >= timedelta(hours=hours)
