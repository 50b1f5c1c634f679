"""
Counting the fleet: a small one can by can, a large one by its indexes, while a slow walk reads what no index knows.

Both go on in threads of their own, in one process at a time each. The walk reads PACE cans a second, whatever their
number, and keeps what it has counted, so that another process goes on where this one ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import close_old_connections
from django.utils import timezone

from reports import store
from reports.insight.fleet_counts import URGENT, Count, Overview, Urgent, Walked, urgent
from reports.insight.status import FULL_FROM, SILENT_AFTER, Status, status
from reports.models import ListedCan, facts_of, place_of, stream_of
from reports.report import Report, iso
from reports.store import Claim, KeyRange, Stretch
from reports.web import never_reported
from trashsite.aws import stopping

#: A fleet of up to so many cans is counted can by can each time: about 500 read units.
WHOLE = 10_000
#: Cans that the walk reads in a second at most: about 15 read units, and 10 ms of CPU.
PACE = 300
#: So much slower than it could it goes at least, where the store takes long for its answers.
SHARE = 0.1
#: How often what it has counted is kept, and when that is too old to go on from.
KEPT_EVERY_S = 15.0
KEPT_FOR = timedelta(minutes=15)
WALKING, WALKED = "fleet-walking", "fleet-walked"
#: By this the range of the silent cans is shifted: its keys hold when twelve hours began, of which half have passed.
_HALF = timedelta(hours=6)

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """This process stops, or another one has the claim by now."""


@dataclass(slots=True)
class Walk:
    """What a walk has counted since it began, and the position from which it goes on."""

    since: datetime
    until: datetime
    position: str | None = None
    complete: bool = False
    count: Count = field(default_factory=Count)

    @property
    def walked(self) -> Walked:
        return Walked(self.count.seen, iso(self.since), iso(self.until), self.complete)

    def add(self, stretch: Stretch) -> None:
        """Count some more cans."""
        self.until = timezone.now()
        _add(self.count, stretch, self.until)
        self.position = stretch.position

    def keep(self, name: str) -> None:
        """Keep it for all processes. Raises StoreUnavailable."""
        beside = {"since": iso(self.since), "until": iso(self.until)}
        body = self.count.packed(store.MAX_BYTES, **beside, position=self.position, complete=self.complete)
        store.keep_snapshot(name, body, self.until)

    @classmethod
    def kept(cls, name: str) -> Walk | None:
        """Return the walk that was kept, None where there is none, or one of another version of this program."""
        if found := store.snapshot(name):
            with suppress(KeyError, TypeError, ValueError):
                count, beside = Count.unpacked(found[0])
                since, until = (datetime.fromisoformat(beside[end]) for end in ("since", "until"))
                return cls(since, until, beside["position"], beside["complete"], count)
        return None


def count_whole(claim: Claim) -> Overview | None:
    """
    Count the fleet can by can; None where it is larger than WHOLE: then a walk goes on from there.

    Raises StoreUnavailable, Interrupted.
    """
    now = timezone.now()
    walk = Walk(now, now)
    for stretch in store.walk():
        if walk.count.seen + len(stretch.cans) > WHOLE:
            walk.keep(WALKING)
            return None
        walk.add(stretch)
        _hold(claim)
    walk.complete = True
    return walk.count.overview(walk.walked)


def count_by_index(claim: Claim) -> Overview:
    """Count the fleet by its indexes, corrected by what the last walk saw. Raises StoreUnavailable, Interrupted."""
    in_ranges = {
        name: sum(_paced(store.count(keys), claim, share=0.5)) for name, keys in _ranges(timezone.now()).items()
    }
    now = timezone.now()
    walk = Walk.kept(WALKED) or Walk.kept(WALKING) or Walk(now, now)
    return walk.count.estimated(walk.walked, in_ranges, _urgent(now, walk.count.alarmed()))


def walk(claim: Claim) -> None:
    """
    Walk slowly through the fleet, from where a walk stopped lately, or from the beginning, to the end.

    Raises StoreUnavailable, Interrupted.
    """
    now = timezone.now()
    walk = Walk.kept(WALKING)
    if walk is None or walk.complete or now - walk.until > KEPT_FOR:
        walk = Walk(now, now)
    kept_s = time.monotonic()
    stretches = store.walk(walk.position)
    for stretch in _paced(stretches, claim, share=SHARE, least_s=lambda stretch: len(stretch.cans) / PACE):
        walk.add(stretch)
        if time.monotonic() - kept_s > KEPT_EVERY_S:
            walk.keep(WALKING)
            kept_s = time.monotonic()
    walk.complete = True
    walk.keep(WALKED)
    # The next one begins at the beginning.
    Walk(walk.until, walk.until, complete=True).keep(WALKING)


def _ranges(now: datetime) -> dict[str, KeyRange]:
    """Return by status the range of an index that about those cans are in, and under "" that of all."""
    return {
        "": store.every_can(),
        Status.FULL: store.from_level(int(FULL_FROM)),
        Status.SILENT: store.silent_until(now - SILENT_AFTER - _HALF),
    }


def _add(count: Count, stretch: Stretch, now: datetime) -> None:
    """Count some cans, and bring into the indexes what another service wrote without our keys."""
    ranges = _ranges(now)
    facts = facts_of(can.report.can_id for can in stretch.cans)
    never_reported.note(facts.values())
    # Between two pages nobody waits for this thread to end its use of the database.
    close_old_connections()
    for can in stretch.cans:
        known = facts.get(can.report.can_id)
        held_by = [name for name, keys in ranges.items() if keys.holds(can)]
        if known and known.is_retired(can.report.measured_at):
            count.pass_over(held_by)
            continue
        count.add(can.report, place_of(can.report, known), stream_of(can.report, known), now, held_by)
    if mended := store.mend(stretch.cans):
        log.info("brought %d cans that another service wrote into the indexes", mended)


def _urgent(now: datetime, alarmed: Sequence[str]) -> list[Urgent]:
    """
    Return the cans of FIRE and TILT, the fullest, and, where these are few, those that have been silent for longest.

    alarmed: cans that were FIRE or TILT when the walk met them, the most urgent first: no index knows these. They are
    read again.
    """

    def in_service(reports: Sequence[Report]) -> set[str]:
        facts.update(facts_of(report.can_id for report in reports))
        close_old_connections()
        return {
            report.can_id
            for report in reports
            if not (known := facts.get(report.can_id)) or not known.is_retired(report.measured_at)
        }

    facts: dict[str, ListedCan] = {}
    ask = partial(store.ranked, keep=in_service, selective=False, size=URGENT)
    rows = store.latest_rows(alarmed)
    still = [rows[can_id].report for can_id in alarmed if can_id in rows]
    still = [one for one in still if status(one, now) in (Status.FIRE, Status.TILT)]
    kept = in_service(still)
    found = [one for one in still if one.can_id in kept]
    full = partial(ask, "fullest", low=int(FULL_FROM))
    for others in (full, partial(ask, "silent", until=now - SILENT_AFTER)):
        if len(found) < URGENT:
            known = {report.can_id for report in found}
            found += [one for one in others().items if one.can_id not in known]
    streams = {can_id: can.stream for can_id, can in facts.items()}
    return [urgent(one, status(one, now), streams.get(one.can_id) or one.stream) for one in found[:URGENT]]


# -- the pace ---------------------------------------------------------------------------------------------------------


def _paced(
    answers: Iterator[Answer], claim: Claim, *, share: float, least_s: Callable[[Answer], float] = lambda answer: 0
) -> Iterator[Answer]:
    """
    Yield answers at a pace at which the pages are not held up. Raises Interrupted.

    share: of the time that may go by with asking for them and with what the caller does with them. least_s: how long
    one answer and all that belongs to it are to take at least.
    """
    while True:
        began_s = time.monotonic()
        answer = next(answers, None)
        if answer is None:
            return
        yield answer
        took_s = time.monotonic() - began_s
        until_s = began_s + max(took_s / share, least_s(answer))
        _hold(claim)
        while (left_s := until_s - time.monotonic()) > 0:
            if stopping.wait(min(left_s, store.HELD_EVERY_S)):
                raise Interrupted
            _hold(claim)


def _hold(claim: Claim) -> None:
    if not claim.hold(timezone.now):
        raise Interrupted
