"""The pipeline's last hour, minute by minute, and whether each report that was received is accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from trashsite.outcomes import OUTCOMES

MINUTES = 60
#: What one worker at a time finds out for all, and how old the oldest message of a batch was: the greatest counts.
LEVELS = ("backlog", "dead", "lag_ms")


class Minute(Protocol):
    """What is needed here of what a worker did in a minute (reports.store.Minute)."""

    @property
    def begins_at(self) -> datetime:
        """The minute."""

    @property
    def worker(self) -> str:
        """Whose it is."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What it counted."""


@dataclass(frozen=True, slots=True)
class Hour:
    """
    An hour of the pipeline.

    minutes: the beginnings, oldest first. counts: by name, one number a minute, 0 where nothing was done. levels: by
    name, one number a minute, None where no worker told it. totals: of the hour, by name.
    """

    minutes: list[datetime]
    counts: Mapping[str, list[int]]
    levels: Mapping[str, list[int | None]]
    totals: Mapping[str, int] = field(default_factory=dict)

    @property
    def unaccounted(self) -> int:
        """Reports that were received and have no outcome: other than 0, a defect of this program."""
        return self.totals.get("received", 0) - sum(self.totals.get(name, 0) for name in OUTCOMES)


def hour(rows: Iterable[Minute], now: datetime) -> Hour:
    """
    Return the hour up to `now`, the present minute included, from what workers told.

    A row that comes twice, as from a heartbeat and the table, counts once: the one with more in it.
    """
    last = now.replace(second=0, microsecond=0)
    minutes = [last - timedelta(minutes=back) for back in reversed(range(MINUTES))]
    at = {begins_at: index for index, begins_at in enumerate(minutes)}
    known: dict[tuple[datetime, str], Mapping[str, int]] = {}
    for row in rows:
        key = row.begins_at, row.worker
        if row.begins_at in at and row.counts.get("received", 0) >= known.get(key, {}).get("received", 0):
            known[key] = row.counts
    names = ("received", "older", *OUTCOMES)
    counts = {name: [0] * MINUTES for name in names}
    levels: dict[str, list[int | None]] = {name: [None] * MINUTES for name in LEVELS}
    totals: Counter[str] = Counter(dict.fromkeys(names, 0))
    for (begins_at, _), told in known.items():
        index = at[begins_at]
        for name in names:
            counts[name][index] += told.get(name, 0)
            totals[name] += told.get(name, 0)
        for name in LEVELS:
            if name in told:
                levels[name][index] = max(told[name], levels[name][index] or 0)
    return Hour(minutes, counts, levels, dict(totals))
