"""What this worker process knows of the limits that were entered of streams: at most 10 s old."""

from __future__ import annotations

from collections.abc import Mapping

from reports.insight.entered import Limits, limits_from_text
from reports.insight.fold import NO_LIMITS
from reports.worker.register import Register

#: One entry holds all streams.
ALL_STREAMS = "streams"
LIMITS: Register[Mapping[str, Limits]] = Register("limits", limits_from_text)


def by_stream() -> Mapping[str, Limits]:
    """Return the limits by the streams' names without case. Raises StoreUnavailable."""
    return LIMITS.entries([ALL_STREAMS]).get(ALL_STREAMS, NO_LIMITS)
