"""What a worker counts, its latest figures, and what it logs of batches."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest

from reports.report import InvalidReport
from reports.worker import batch_log, counters
from reports.worker.counters import BatchCounts
from trashsite import telemetry


def test_stored_per_minute_counts_the_last_minute_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(counters, "time", SimpleNamespace(monotonic=lambda: now_s[0], time=lambda: now_s[0]))
    counters._stored.clear()
    before = counters.counters()["stored"]

    counters.add(BatchCounts(messages=7, stored=5, older=2, set_aside=9, ages_s=(0.01, 0.07)))
    now_s[0] += 59
    counters.add(BatchCounts(messages=1, stored=1, ages_s=(0.01, 0.04)))

    assert counters.counters()["stored_per_minute"] == 6
    now_s[0] += 2
    later = counters.counters()
    assert (later["stored_per_minute"], later["stored"], later["lag_ms"]) == (1, before + 6, 40)


def test_a_field_that_a_device_made_up_is_no_label() -> None:
    before = telemetry.REPORTS_INVALID.counted("other"), telemetry.REPORTS_INVALID.counted("level")
    counters.add_invalid([InvalidReport("level", "x"), *(InvalidReport(f"made up {n}", "x") for n in range(50))])
    assert (telemetry.REPORTS_INVALID.counted("other"), telemetry.REPORTS_INVALID.counted("level")) == (
        before[0] + 50,
        before[1] + 1,
    )


def test_batches_that_come_fast_share_one_line_that_sums_them_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(batch_log, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    log = batch_log.BatchLog()
    caplog.set_level(logging.INFO)
    for _ in range(500):
        now_s[0] += 0.02
        log.add(BatchCounts(messages=50, received=51, stored=49, repeated=2, ages_s=(0.1, 0.5)))
    log.flush()

    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) <= 12
    assert lines[0].startswith("messages=50 stored=49 older=0 repeated=2 set_aside=0 postponed=0 new_cans=0 age_s=")
    counts = [record.counts for record in caplog.records]
    assert sum(each["batches"] for each in counts) == 500
    assert sum(each["messages"] for each in counts) == 500 * 50
    assert json.dumps(counts[-1])
    now_s[0] += 60
    # What was sent again has no age.
    log.add(BatchCounts(messages=1))
    assert caplog.records[-1].getMessage().endswith(" new_cans=0")
