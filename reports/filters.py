"""Query parameters, read into values; one that breaks a rule is an InvalidQuery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime

from reports import pagination
from reports.problems import InvalidQuery

#: What a `+` before a zone becomes in a query string that nobody escaped.
_UNESCAPED_ZONE = re.compile(r" (?=\d\d:?\d\d$)")


@dataclass(frozen=True, slots=True)
class FleetQuery:
    """Which page of the fleet is asked for."""

    size: int
    after: str | None
    scope: str


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which page of a can's history is asked for: from `since` on, before `until`."""

    since: datetime | None
    until: datetime | None
    newest_first: bool
    size: int
    after: str | None
    scope: str


def fleet_query(query: Mapping[str, str]) -> FleetQuery:
    known(query, {"page_size", "cursor"})
    size = pagination.page_size(query)
    scope = f"fleet {size}"
    return FleetQuery(size, pagination.unseal(query.get("cursor", ""), scope), scope)


def history_query(query: Mapping[str, str], can_id: str) -> HistoryQuery:
    known(query, {"since", "until", "order", "page_size", "cursor"})
    since, until = instant(query, "since"), instant(query, "until")
    if since and until and since >= until:
        raise InvalidQuery("until", "must be later than since")
    order = query.get("order") or "newest"
    if order not in ("newest", "oldest"):
        raise InvalidQuery("order", "must be newest or oldest")
    size = pagination.page_size(query)
    # The id last: it alone may hold anything.
    scope = f"history {size} {order} {since} {until} {can_id}"
    after = pagination.unseal(query.get("cursor", ""), scope)
    return HistoryQuery(since, until, order == "newest", size, after, scope)


#: How far back a chart reaches, by the name of its range; None: to the first report.
SPANS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "all": None}


def span(query: Mapping[str, str], default: str = "24h") -> str:
    """Return the name of the range asked for. Raises InvalidQuery."""
    name = query.get("range") or default
    if name not in SPANS:
        raise InvalidQuery("range", f"must be one of {', '.join(SPANS)}")
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
        found = parse_datetime(text)
        if found is None and (day := parse_date(text)):
            found = datetime.combine(day, datetime.min.time())
        if found and found.tzinfo is None:
            found = found.replace(tzinfo=ZoneInfo(settings.TRASH_TIME_ZONE))
        # Years 1 and 9999 have no neighbours to convert to.
        if found and 1900 <= found.year <= 9000:
            return found
    except ValueError:
        pass
    raise InvalidQuery(name, "must be an ISO 8601 date or time, like 2026-11-24T09:30:00Z")


def known(query: Mapping[str, str], names: set[str]) -> None:
    """Refuse parameters that mean nothing here: a mistyped filter would answer with the whole fleet."""
    for name in query:
        if name not in names and name != "format":
            raise InvalidQuery(name[:64], f"is not known here: use {', '.join(sorted(names))}")
