"""
A can's history by the hour: one row a UTC day that is over, made when somebody first looks at it.

The row `d#2026-11-24` holds the hours of that day. It stays right under late reports: whoever makes it first
announces that, then reads the reports, then writes the hours on condition that nobody marked the row meanwhile;
whoever stores a report of a day that is over marks that day's row, if there is one, after the report is safe.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings

from reports.insight.hours import LevelSummary, by_hour
from reports.report import Report
from reports.store.batches import WRITES
from reports.store.dynamodb import HISTORY, READ_WITHIN_S, Item, dynamodb, epoch_seconds
from reports.store.errors import as_store_errors
from reports.store.keys import day_key, instant_key
from reports.store.reading import AFTER_ALL, query_history
from reports.store.report_items import report_of
from trashsite.names import full_name

#: A day is summed up when it is over for so long: most of its late reports have come.
SETTLED = timedelta(hours=1)
#: Days summed up in one call at most, so that a first look at a long history stays quick.
DAYS = 60
#: Of the day that is not over, so many reports are read in one call at most, in so many pages of a megabyte.
FRESH, FRESH_PAGES = 20_000, 16
_DAY = timedelta(days=1)

#: Hours by the day that they are of.
_Days = dict[date, Sequence[LevelSummary]]


@dataclass(frozen=True, slots=True)
class HourlyHistory:
    """
    How a can's level went: by the hour, oldest first.

    complete: False where what lies before the first hour is not summed up yet, and asking again goes on there; or where
    the can has sent more since the last day that is summed up than one call reads.
    """

    hours: Sequence[LevelSummary]
    complete: bool


def hourly_history(can_id: str, *, since: datetime | None, now: datetime, pages: int = 3) -> HourlyHistory:
    """
    Return how a can's level went since the day of an instant, or since its history begins.

    Costs a Query for the days that are summed up, a further one for each megabyte of them (some 700 days), and one
    for the reports after them. Where days are missing: one more, then for at most 60 of them the reports (`pages`
    pages of a megabyte) and two writes a day.
    Raises StoreUnavailable.
    """
    if not settings.TRASH_HISTORY_DAYS:
        return HourlyHistory((), True)
    begin = now - timedelta(days=settings.TRASH_HISTORY_DAYS)
    first, today = max(since or begin, begin).date(), (now - SETTLED).date()
    with as_store_errors():
        rows = _rows(can_id, first, today)
        days: _Days = {day: _read(day, row["hours"]["S"]) for day, row in rows.items() if _is_good(row)}
        missing = [day for day in _range(first, today) if day not in days]
        if missing:
            oldest = _oldest(can_id, _start(first), now)
            missing = [day for day in missing if oldest and day >= oldest]
        made = _make(can_id, missing[-DAYS:], rows, now, pages) if missing else {}
        fresh, is_whole = _fresh(can_id, _start(today), now)
    if not is_whole:
        # Before them there would be a gap.
        return HourlyHistory(by_hour(reversed(fresh)), False)
    days |= made
    left = [day for day in missing if day not in made]
    hours = [hour for day in sorted(days) if not left or day > left[-1] for hour in days[day]]
    return HourlyHistory([*hours, *by_hour(reversed(fresh))], not left)


def _rows(can_id: str, first: date, end: date) -> dict[date, Item]:
    """Return the summaries' rows of the days from `first` and before `end`, good ones or not."""
    if first >= end:
        return {}
    answers = query_history(can_id, day_key(first.isoformat()), day_key((end - _DAY).isoformat()))
    return {date.fromisoformat(item["order_key"]["S"][2:]): item for answer in answers for item in answer["Items"]}


def _is_good(row: Item) -> bool:
    """Say whether a row's hours are all that is known of its day."""
    is_made = bool(row.get("hours", {}).get("S"))
    is_outdated = row.get("dirty", {}).get("BOOL", False)
    return is_made and not is_outdated


def _make(can_id: str, days: Sequence[date], rows: Collection[date], now: datetime, pages: int) -> _Days:
    """Sum up days, the newest first, as far as `pages` pages of reports reach; return those that are whole."""
    token = secrets.token_hex(8)
    _announce(can_id, days, rows, token)
    made: _Days = {}
    for run in _runs(days):
        reports: dict[date, list[Report]] = {day: [] for day in run}
        whole_from = run[-1] + _DAY
        for page in _raw(can_id, _start(run[0]), _start(run[-1] + _DAY), now, consistent=True):
            if pages <= 0:
                break
            pages -= 1
            for report in page:
                reports[report.measured_at.date()].append(report)  # type: ignore[union-attr]
            # The page may have ended within the day of its last report.
            whole_from = page[-1].measured_at.date() + _DAY if page else whole_from  # type: ignore[union-attr]
        else:
            whole_from = run[0]
        made |= {day: by_hour(reversed(reports[day])) for day in run if day >= whole_from}
        if pages <= 0:
            break
    _finish(can_id, made, token)
    return made


def _raw(
    can_id: str, since: datetime, until: datetime | None, now: datetime, *, consistent: bool = False
) -> Iterator[list[Report]]:
    """Yield the reports measured from `since` and before `until`, newest first, by the page of a megabyte."""
    answers = query_history(
        can_id,
        instant_key(since),
        instant_key(until) if until else AFTER_ALL,
        now=now,
        newest_first=True,
        # Of attributes, which may be large, nothing is needed here.
        names=("id", "order_key", "level"),
        consistent=consistent,
    )
    for answer in answers:
        yield [report for item in answer["Items"] if (report := report_of(item))]


def _fresh(can_id: str, since: datetime, now: datetime) -> tuple[Sequence[Report], bool]:
    """Return the reports measured from `since`, newest first, as far as whole hours are known, and whether all."""
    fresh: list[Report] = []
    for count, page in enumerate(_raw(can_id, since, None, now)):
        if len(fresh) >= FRESH or count == FRESH_PAGES:
            broken = _hour(fresh[-1]) if fresh else since
            return [report for report in fresh if _hour(report) > broken], False
        fresh += page
    return fresh, True


def _hour(report: Report) -> datetime:
    assert report.measured_at is not None
    return report.measured_at.replace(minute=0, second=0, microsecond=0)


def _oldest(can_id: str, since: datetime, now: datetime) -> date | None:
    """Return the day of a can's first report since then."""
    answer = next(query_history(can_id, instant_key(since), instant_key(now), limit=1, names=("order_key",)))
    items = answer["Items"]
    return date.fromisoformat(items[0]["order_key"]["S"][:10]) if items else None


def _announce(can_id: str, days: Sequence[date], rows: Collection[date], token: str) -> None:
    """Put our token into each day's row before its reports are read: from now on a late report marks it."""
    name = full_name(HISTORY)
    statements = []
    for day in days:
        key, expires = {"S": day_key(day.isoformat())}, epoch_seconds(_expiry(day))
        if day in rows:
            statement = f'UPDATE "{name}" SET making=?, dirty=?, hours=? WHERE id=? AND order_key=?'  # noqa: S608
            values = [{"S": token}, {"BOOL": False}, {"S": ""}, {"S": can_id}, key]
        else:
            names = ("id", "order_key", "making", "dirty", "hours", "expires_at")
            members = ", ".join(f"'{each}': ?" for each in names)
            statement = f'INSERT INTO "{name}" VALUE {{{members}}}'
            values = [{"S": can_id}, key, {"S": token}, {"BOOL": False}, {"S": ""}, expires]
        statements.append({"Statement": statement, "Parameters": values})
    # A row that another one announced in between stays theirs: our hours will not be written to it.
    _execute(statements)


def _finish(can_id: str, days: Mapping[date, Sequence[LevelSummary]], token: str) -> None:
    """Write the hours of days that we announced and nobody marked since; the others are made another time."""
    unmarked = "making=? AND dirty=?"
    statement = f'UPDATE "{full_name(HISTORY)}" SET hours=? WHERE id=? AND order_key=? AND {unmarked}'  # noqa: S608
    _execute(
        [
            {
                "Statement": statement,
                "Parameters": [
                    {"S": _written(hours)},
                    {"S": can_id},
                    {"S": day_key(day.isoformat())},
                    {"S": token},
                    {"BOOL": False},
                ],
            }
            for day, hours in days.items()
        ]
    )


def _execute(statements: Sequence[Mapping[str, Any]]) -> None:
    """Run statements of which any may fail: a summary that is not written now is written another time."""
    for at in range(0, len(statements), WRITES):
        dynamodb().patiently(
            "BatchExecuteStatement", {"Statements": statements[at : at + WRITES]}, within_s=READ_WITHIN_S
        )


def _written(hours: Sequence[LevelSummary]) -> str:
    return json.dumps([[hour.start.hour, hour.low, hour.high, hour.last, hour.count] for hour in hours])


def _read(day: date, text: str) -> list[LevelSummary]:
    midnight = _start(day)
    return [LevelSummary(midnight + timedelta(hours=hour), *rest) for hour, *rest in json.loads(text)]


def _range(first: date, end: date) -> list[date]:
    return [first + timedelta(days=count) for count in range((end - first).days)]


def _runs(days: Sequence[date]) -> list[list[date]]:
    """Return days, given in order, as runs of consecutive ones, the newest run first."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day == runs[-1][-1] + _DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs[::-1]


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _expiry(day: date) -> datetime:
    return _start(day) + timedelta(days=settings.TRASH_HISTORY_DAYS + 1)
