"""What this worker process knows of the limits that were entered of streams: at most 10 s old."""

from __future__ import annotations

from collections.abc import Mapping

from reports import register_kinds
from reports.insight.entered import Limits, limits_from_text
from reports.insight.fold import NO_LIMITS
from reports.worker.register import Register

LIMITS: Register[Mapping[str, Limits]] = Register(register_kinds.LIMITS, limits_from_text)


def by_stream() -> Mapping[str, Limits]:
    """Return the limits by the streams' names without case. Raises StoreUnavailable."""
    entry = register_kinds.ALL_STREAMS
    return LIMITS.entries([entry]).get(entry, NO_LIMITS)
