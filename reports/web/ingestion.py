"""Whether reports are being stored, as the pages tell it: what is shown is no newer than that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from reports import store
from reports.insight.health import SILENT_AFTER
from reports.store import Heartbeat, StoreUnavailable
from reports.web.access import Visitor
from reports.web.held import Held

#: How long a process trusts what it knows: so often at most it asks the store, however many pages are looked at.
HELD_S = 5.0
#: The newest report is older than this: said, though nothing may be wrong.
QUIET_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Ingestion:
    """
    Whether reports are stored at `asked_at`.

    is_running: None where it cannot be told. stored_at: when the newest report was stored, None where no worker of
    the last day says so. stopped_at: the last sign of any worker. is_brief: whether it tells no more than the health
    pages do.
    """

    is_running: bool | None
    asked_at: datetime
    stored_at: datetime | None = None
    stopped_at: datetime | None = None
    problem: str = ""
    is_brief: bool = False

    @property
    def is_quiet(self) -> bool:
        """Whether workers run, and have stored no report for long."""
        return bool(self.is_running and self.stored_at and self.asked_at - self.stored_at > QUIET_AFTER)


def current() -> Ingestion:
    """Return whether reports are stored, as of the last seconds. Raises nothing; asks the store once in HELD_S."""
    return _held.get()


def told_to(visitor: Visitor) -> Ingestion:
    """Return the same for a page that anybody may open: who may not read is told no times and no problems."""
    known = current()
    if settings.TRASH_READS == "open" or visitor.name:
        return known
    return Ingestion(known.is_running, known.asked_at, is_brief=True)


def _find_out() -> Ingestion:
    now = timezone.now()
    try:
        return judged(store.workers(now), now)
    except StoreUnavailable:
        return Ingestion(None, now)


def judged(workers: Sequence[Heartbeat], now: datetime) -> Ingestion:
    """Return what the heartbeats of the last day say."""
    stored_at_s = max((worker.counters.get("last_stored_at_s", 0) for worker in workers), default=0)
    heard = [worker for worker in workers if now - worker.seen_at <= SILENT_AFTER]
    working = [worker for worker in heard if not worker.problem]
    return Ingestion(
        is_running=bool(working),
        asked_at=now,
        stored_at=datetime.fromtimestamp(stored_at_s, UTC) if stored_at_s else None,
        stopped_at=None if working else max((worker.seen_at for worker in workers), default=None),
        problem=heard[0].problem if heard and not working else "",
    )


_held = Held(_find_out, HELD_S)


def forget() -> None:
    """Forget what this process knows: the store itself has changed, as between tests."""
    _held.forget()
