"""
What time alone changes, as SILENT: one worker at a time looks through the fleet for it, slowly.

A can's row holds from when on it is silent, so nothing is written when it comes. A look covers the time since the last
one that reached the end began. One that is broken off goes on where its position was kept last, for the same time: what
is told twice has one id.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from celery import signals

from reports import register_kinds, store
from reports.insight.change import MOST_SAID, NEWS, Change, by_time
from reports.insight.standing import standing
from reports.insight.status import is_out_of_service, outlook_of
from reports.queue import QueueUnavailable
from reports.store import Claim, Met, StoreUnavailable, Swept, Watch
from reports.worker.alerts import rules, telling
from reports.worker.register import Register
from trashsite.outage import Outage

NAME = "alert-sweep"
#: Between the begins of two looks, where the fleet is small.
EVERY_S = 60.0
#: Cans that a look reads in a second at most: about 30 read units, and 10 ms of CPU.
PACE = 300
#: Stretches of the walk after which its position is kept: 5,000 cans, 17 s.
KEPT_EVERY = 10
#: Cans whose rows are read together, for their reasons.
TOGETHER = 100

#: Since when cans are out of service: such a can is silent for good.
RETIRED: Register[datetime] = Register(register_kinds.RETIRED, datetime.fromisoformat)

logger = logging.getLogger(__name__)


@signals.worker_ready.connect
def start_sweeping(**_: object) -> None:
    """Look through the fleet again and again, in a thread of the main process, until this worker stops."""
    ended = threading.Event()
    threading.Thread(target=_keep_sweeping, args=(ended,), name="alert-sweep", daemon=True).start()
    signals.worker_shutdown.connect(lambda **_: ended.set(), weak=False)


def _keep_sweeping(ended: threading.Event) -> None:
    outage, claim = Outage("looking for silent cans"), Claim(NAME)
    while not ended.wait(EVERY_S / 4):
        try:
            sweep(claim, ended)
            outage.ended()
        except (StoreUnavailable, QueueUnavailable) as error:
            outage.failed(error)
        except Exception:
            # A defect of ours must not end what tells of silence.
            logger.exception("the look for silent cans raised an error in our code")


def sweep(claim: Claim, ended: threading.Event) -> bool:
    """
    Look through the fleet, where no other worker does or just did; say whether it came to the end.

    Raises StoreUnavailable and QueueUnavailable: then the next look covers the same time.
    """
    watch, now = rules.watch(), _now()
    if watch is None or not _is_due(store.swept(), now) or not claim.take(now):
        return False
    try:
        # Another worker may have come to the end between.
        swept = store.swept()
        return _is_due(swept, now) and _has_swept(watch, swept, now, claim, ended)
    finally:
        claim.give_back()


def _is_due(swept: Swept, now: datetime) -> bool:
    return swept.position is not None or swept.until is None or now.timestamp() - swept.until >= EVERY_S


def _has_swept(watch: Watch, swept: Swept, now: datetime, claim: Claim, ended: threading.Event) -> bool:
    began = now.timestamp() if swept.began is None else swept.began
    # The first look of all tells of nothing that has been so before.
    since = began if swept.until is None else max(swept.until, (now - NEWS).timestamp())
    for number, stretch in enumerate(store.walk(swept.position), start=1):
        began_s = time.monotonic()
        changes = list(_changes(stretch.cans, since, _now().timestamp(), watch))
        for at in range(0, len(changes), TOGETHER):
            telling.tell(_still_so(changes[at : at + TOGETHER]))
        until_s = began_s + len(stretch.cans) / PACE
        while (left_s := until_s - time.monotonic()) > 0 and not ended.wait(min(left_s, store.HELD_EVERY_S)):
            if not claim.hold(_now):
                return False
        if not claim.hold(_now):
            return False
        if stretch.position and (ended.is_set() or number % KEPT_EVERY == 0):
            store.note_swept(Swept(swept.until, began, stretch.position))
        if stretch.position and ended.is_set():
            return False
    store.note_swept(Swept(began))
    return True


def _changes(cans: Sequence[Met], since: float, until: float, watch: Watch) -> Iterator[Change]:
    """Yield what time has changed of some cans, as far as a rule asks for it."""
    for can in cans:
        report = can.report
        for at, before, status in by_time(outlook_of(report), since, until):
            change = Change(report.can_id, before, status, at, stream=report.stream or "", level=report.level)
            if watch(change):
                yield change


def _still_so(changes: Sequence[Change]) -> list[Change]:
    """Return those of some changes that a report has not ended meanwhile, of cans in service, each with its reason."""
    can_ids = [each.can_id for each in changes]
    retired, rows, now, found = RETIRED.entries(can_ids), store.latest_rows(can_ids), _now(), list[Change]()
    for each in changes:
        row = rows.get(each.can_id)
        if row is None or is_out_of_service(retired.get(each.can_id), row.report.measured_at):
            continue
        stands = standing(row, now)
        if stands.status is each.status:
            found.append(replace(each, reason=stands.reason[:MOST_SAID]))
    return found


def _now() -> datetime:
    return datetime.now(UTC)
