"""The last hour of the pipeline: each minute once, and every report accounted for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reports.insight.pipeline_hour import MINUTES, hour
from reports.store import Minute

NOW = datetime(2026, 11, 26, 12, 0, 30, tzinfo=UTC)


def row(minutes_ago: int, worker: str = "a:1", **counts: int) -> Minute:
    return Minute(NOW.replace(second=0) - timedelta(minutes=minutes_ago), worker, counts)


def test_counts_of_all_workers_are_added_and_the_greatest_level_counts() -> None:
    found = hour([row(0, received=3, stored=2, set_aside=1, lag_ms=50, dead=4),
                  row(0, "b:1", received=5, stored=5, lag_ms=70), row(59, received=1, repeated=1)], NOW)  # fmt: skip
    assert (found.counts["received"][0], found.counts["received"][-1]) == (1, 8)
    assert (found.levels["lag_ms"][-1], found.levels["dead"][-1], found.levels["dead"][0]) == (70, 4, None)
    assert found.totals["received"] == 9
    assert found.unaccounted == 0
    assert len(found.minutes) == MINUTES


def test_a_minute_told_by_row_and_heartbeat_counts_once_and_one_out_of_the_hour_not_at_all() -> None:
    found = hour(
        [row(1, received=5, stored=5), row(1, received=3, stored=3), row(60, received=9), row(-2, received=9)], NOW
    )
    assert found.totals["received"] == found.totals["stored"] == 5


def test_a_report_without_an_outcome_is_not_accounted_for() -> None:
    assert hour([row(0, received=500, set_aside=1)], NOW).unaccounted == 499
