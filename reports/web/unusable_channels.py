"""The channels of alerts by which nobody can be told, as the workers that run say it: they send, no web server does."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from reports import store
from reports.insight.alert_rule import NEEDS, Channel
from reports.insight.health import SILENT_AFTER
from reports.store import StoreUnavailable


def unusable_channels(now: datetime) -> frozenset[str] | None:
    """Return those for which a worker that runs has no setting; None where DynamoDB does not answer."""
    try:
        workers = store.workers(now)
    except StoreUnavailable:
        return None
    return frozenset(channel for each in workers if now - each.seen_at <= SILENT_AFTER for channel in each.unusable)


def warning_of(channel: str, unusable: Collection[str] | None) -> str | None:
    """
    Return in a sentence why a rule of this channel tells nobody; None where it does.

    unusable: as `unusable_channels` returns it; where that is None, the sentence says that it cannot be told.
    """
    if unusable is None:
        return f"Whether workers can use {channel} cannot be told just now." if channel in NEEDS else None
    if channel not in unusable:
        return None
    return f"Nobody is told by {channel}: {NEEDS[Channel(channel)].missing} for the workers. Its alerts are set aside."
