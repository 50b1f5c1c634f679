"""Make hours of the fleet that nobody counted, from the reports that are stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from reports import queue, store
from reports.insight.over_time import DAY, HOUR, FleetHour, begin_of
from reports.insight.past_hours import PastCan, PastHours
from reports.insight.replay import HOURS
from reports.insight.state import rules_for
from reports.models import facts_of, place_of, stream_of
from reports.queue import QueueUnavailable
from reports.report import EPOCH, Report
from reports.store import StoreUnavailable

#: A larger fleet's history is not read for this: of 10,000 cans that report ten times a day a month has 3,000,000.
MOST_CANS = 10_000
#: With --wait: the queue is empty when it is seen to be so many times, so many seconds apart.
LOOKS, LOOK_EVERY_S = 4, 2.0


class Command(BaseCommand):
    help = (
        "Makes the hours that the page of the fleet over time lacks, from the stored reports of each can: its status "
        "at the end of each hour, emptyings, reports. Exact as far as the history reaches back; for up to 10,000 cans. "
        "Hours that were counted stay as they are. Safe to run again. It needs the site's rights."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=7, metavar="N", help="how far back (default 7, at most 400)")
        parser.add_argument("--wait", action="store_true", help="begin when the queue has been empty for some seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= 400:
            raise CommandError("--days must be from 1 to 400.")
        try:
            if options["wait"]:
                _wait_for_queue()
            made = self._fill(timezone.now(), options["days"])
        except (StoreUnavailable, QueueUnavailable) as error:
            raise CommandError(f"{error} Run it again: nothing is lost.") from error
        self.stdout.write(f"made {made} hours")

    def _fill(self, now: datetime, days: int) -> int:
        until = begin_of(now, HOUR)
        since = until - DAY * days
        there = {hour.begins_at: hour for hour in store.fleet_hours(since, until)}
        missing = [
            at for back in range(days * 24) if not ((at := since + HOUR * back) in there and there[at].counted_at)
        ]
        if not missing:
            return 0
        past = PastHours(missing[0], (until - missing[0]) // HOUR, HOURS)
        cans = list(_cans())
        for can in tqdm(cans, unit=" cans", disable=not self.stderr.isatty(), file=self.stderr):
            past.add(can, _reports(can.can_id, now))
        made = {hour.begins_at: hour for hour in past.hours(now)}
        first = next((at for at in missing if made[at].reports or sum(made[at].by_status.values())), until)
        kept = [at for at in missing if at >= first]
        for at in kept:
            store.put_fleet_hour(_with_told(made[at], there.get(at)))
        self._keep_maps(past, set(kept), now)
        return len(kept)

    def _keep_maps(self, past: PastHours, hours: set[datetime], now: datetime) -> None:
        for frame in past.frames():
            if frame.begins_at in hours:
                store.keep_snapshot(frame.name, frame.packed(store.MAX_BYTES), now)


def _with_told(made: FleetHour, there: FleetHour | None) -> FleetHour:
    """Return an hour with what workers told of it where they did."""
    if there is None or there.reports is None:
        return made
    return replace(made, reports=there.reports, emptied=there.emptied)


def _cans() -> Iterator[PastCan]:
    """Yield the cans that have reported. Raises StoreUnavailable, and CommandError where they are too many."""
    seen = 0
    for stretch in store.walk():
        seen += len(stretch.cans)
        if seen > MOST_CANS:
            raise CommandError(f"The fleet has more than {MOST_CANS:,} cans: its past is not made from its history.")
        facts = facts_of(can.report.can_id for can in stretch.cans)
        for report in (can.report for can in stretch.cans):
            known = facts.get(report.can_id)
            # The rules are those of the stream that the device sends, as in the can's row.
            yield PastCan(
                report.can_id, stream_of(report, known), rules_for(report.stream), place_of(report, known),
                known.retired_at if known else None,
            )  # fmt: skip


def _reports(can_id: str, now: datetime) -> Iterator[Report]:
    return chain.from_iterable(store.stored_reports(can_id, EPOCH, now))


def _wait_for_queue() -> None:
    """Wait until what was sent is stored. Raises QueueUnavailable."""
    empty = 0
    while empty < LOOKS:
        depth = queue.depth()
        empty = 0 if depth.waiting + depth.in_flight else empty + 1
        time.sleep(LOOK_EVERY_S)
