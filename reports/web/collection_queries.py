"""What a collection list, or a replay of other rounds, is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from reports.insight.area import Area, area_of
from reports.insight.collection import Round
from reports.insight.stops import Place
from reports.report import MAX_CAN_ID
from reports.web.problems import InvalidQuery
from reports.web.queries import choice, instant, known, level, whole

#: Stops of a list, at most: a way through them is found in a tenth of a second.
MOST_STOPS, STOPS = 200, 100
#: Forecasts reach no further.
FURTHEST = timedelta(days=30)
#: A round comes at this hour of the site's zone, where none is said.
HOUR = 6
CHANCE, AGE_DAYS = 50, 28
ORDERS = ("urgency", "stops")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Of a replay: cans, days back, and percent.
MOST_CANS, CANS = 50, 20
MOST_DAYS_BACK, DAYS_BACK = 90, 60
THRESHOLD = 70


@dataclass(frozen=True, slots=True)
class Part:
    """
    Which part of the fleet is asked for. stream: "" for any. area: None where it is not a circle or a box.

    words: of names and addresses, "" for none.
    """

    stream: str = ""
    area: Area | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """A list is asked for a round. start: where the way begins and ends, None for the most urgent can."""

    part: Part
    plan: Round
    stops: int
    by_stops: bool
    start: Place | None


@dataclass(frozen=True, slots=True)
class WhatIfQuery:
    """Other rounds are asked for. rounds: when the truck would have come, oldest first. cans: of the sample."""

    part: Part
    since: datetime
    threshold: float
    days: tuple[str, ...]
    hour: int
    days_back: int
    rounds: tuple[datetime, ...]
    cans: int


def collection_query(query: Mapping[str, str], now: datetime) -> CollectionQuery:
    """Return which list is asked for. Raises InvalidQuery."""
    known(query, {"by", "next", "stream", "area", "chance", "age_days", "stops", "start", "order"})
    by = instant(query, "by") or next_morning(now)
    if not now <= by <= now + FURTHEST:
        raise InvalidQuery("by", f"must be from now on, and within {FURTHEST.days} days")
    next_at = instant(query, "next") or by + timedelta(days=1)
    if not by < next_at <= by + FURTHEST:
        rule = f"must be later than {{}}, and within {FURTHEST.days} days of it"
        raise InvalidQuery("next", rule.format("by"), on_page=rule.format("“Round at”"))
    chance = whole(query, "chance", 99) or CHANCE
    age = timedelta(days=whole(query, "age_days", 999) or AGE_DAYS)
    return CollectionQuery(
        _part(query),
        Round(now, by, next_at, chance / 100, age),
        whole(query, "stops", MOST_STOPS) or STOPS,
        choice(query, "order", ORDERS, str.lower) == "stops",
        _place(query, "start"),
    )


def what_if_query(query: Mapping[str, str], now: datetime) -> WhatIfQuery:
    """Return which rounds are asked for. Raises InvalidQuery."""
    known(query, {"threshold", "days", "hour", "days_back", "stream", "area", "cans"})
    threshold = level(query, "threshold")
    days = tuple(dict.fromkeys(query.get("days", "").lower().replace(",", " ").split())) or ("mon", "thu")
    if wrong := [day for day in days if day not in DAYS]:
        raise InvalidQuery("days", f"must be some of {', '.join(DAYS)}, and is {wrong[0][:16]}")
    hour = whole(query, "hour", 23, least=0)
    days_back = whole(query, "days_back", MOST_DAYS_BACK) or DAYS_BACK
    since = now - timedelta(days=days_back)
    hour = HOUR if hour is None else hour
    return WhatIfQuery(
        _part(query),
        since,
        float(THRESHOLD if threshold is None else threshold),
        tuple(day for day in DAYS if day in days),
        hour,
        days_back,
        tuple(_rounds(since, now, days, hour)),
        whole(query, "cans", MOST_CANS) or CANS,
    )


def next_morning(now: datetime) -> datetime:
    """Return the next time at which a round comes where none is said, at least an hour from now."""
    zone = ZoneInfo(settings.TRASH_TIME_ZONE)
    soonest = (now + timedelta(hours=1)).astimezone(zone)
    at = soonest.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return at if at >= soonest else at + timedelta(days=1)


def _rounds(since: datetime, now: datetime, days: tuple[str, ...], hour: int) -> list[datetime]:
    zone = ZoneInfo(settings.TRASH_TIME_ZONE)
    at = since.astimezone(zone).replace(hour=hour, minute=0, second=0, microsecond=0)
    found = []
    # The clock's hour, whatever summer time does.
    while at <= now:
        if at > since and DAYS[at.weekday()] in days:
            found.append(at)
        at += timedelta(days=1)
    return found


def _part(query: Mapping[str, str]) -> Part:
    stream, text = query.get("stream", "").strip(), query.get("area", "").strip()
    if not text:
        return Part(stream)
    numbers = _numbers(text)
    if numbers is None:
        if len(text) > MAX_CAN_ID:
            raise InvalidQuery("area", f"must be at most {MAX_CAN_ID} characters long")
        return Part(stream, words=text)
    try:
        return Part(stream, area_of(numbers))
    except ValueError as error:
        raise InvalidQuery("area", str(error)) from None


def _place(query: Mapping[str, str], name: str) -> Place | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    numbers = _numbers(text)
    if numbers is None or len(numbers) != 2 or abs(numbers[0]) > 90 or abs(numbers[1]) > 180:
        raise InvalidQuery(name, "must be latitude,longitude in degrees")
    return numbers[0], numbers[1]


def _numbers(text: str) -> list[float] | None:
    """Return numbers apart by commas, None where it is other text, or a single number: that may be a house's."""
    try:
        numbers = [float(part) for part in text.split(",")] if text.isascii() else []
    except ValueError:
        return None
    return numbers if len(numbers) > 1 and all(abs(number) < 1e6 for number in numbers) else None
