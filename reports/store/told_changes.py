"""
The changes of a can's status that its row made last, kept in the row itself as `told`.

A worker that dies between the write of a row and its alert gets the report again, and finds here what it had to tell:
the row itself has the new status by then, and would show no change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from reports.insight.change import Change, by_report, is_news
from reports.insight.fold import Row
from reports.insight.standing import standing
from reports.insight.status import Outlook, Status, outlook_of
from reports.store.dynamodb import Item
from reports.store.keys import Keyed

#: Says whether anybody is to be told of a change. Only then it is noted.
Watch = Callable[[Change], bool]
#: Changes that a row keeps, 30 bytes each: one that came three changes before its report came again is told no more.
MOST = 3


def note_changes(
    new: Item | None,
    stood: tuple[Item | None, Row | None],
    row: Row,
    seconds: Sequence[int] | None,
    now: datetime,
    watch: Watch,
) -> list[Change]:
    """
    Return what is to be told of a can, and note it in the item that is about to be written.

    new: that item, None where the row stays as it is. stood: the item that stands there, and its row. row: after some
    measurements, which were made in these seconds since 1970, in order. What was noted before is told again where the
    measurement that made it is among them: it has come again. seconds: None where an operator made the change, which is
    so from now on: then all that was noted is told again.
    """
    item, before = stood
    told = _told(row.report.can_id, new or item or {})
    found = [replace(each, stream=row.report.stream or "") for each in told if seconds is None or each.at in seconds]
    if new is None or not is_news(at := seconds[-1] if seconds else math.floor(now.timestamp()), now):
        return found
    was = _outlook(item, before) if item and before else None
    if not (changed := by_report(was, _outlook(new, row), now)):
        return found
    change = Change(
        row.report.can_id, *changed, at, int(new["version"]["N"]), row.report.stream or "", row.report.level
    )
    if watch(change):
        kept = [change, *(each for each in told if is_news(each.at, now))][:MOST]
        new["told"] = {"S": ";".join(f"{each.before} {each.status} {each.at} {each.version}" for each in kept)}
        found.append(replace(change, reason=standing(row, now).reason))
    return found


def seconds_of(mine: Sequence[Keyed]) -> list[int]:
    """Return in which second each of some reports was measured."""
    return [math.floor(each.report.measured_at.timestamp()) for each in mine if each.report.measured_at]


def _outlook(item: Item, row: Row) -> Outlook:
    """Return a row's outlook as its item says it: a row that was folded just now says none."""
    return outlook_of(replace(row.report, outlook=item.get("status", {}).get("S", "")))


def _told(can_id: str, item: Item) -> list[Change]:
    text = item.get("told", {}).get("S", "")
    return [
        Change(can_id, Status(before), Status(status), int(at), int(version))
        for before, status, at, version in (each.split() for each in text.split(";") if each)
    ]
