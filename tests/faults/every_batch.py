"""Loaded into each worker: a line for every batch, by which a run measures its recovery, however fast they come."""

from __future__ import annotations

from reports.worker import batch_log

batch_log.MOST_LINES = 1_000_000
