"""What a worker counts, and its latest figures."""

from __future__ import annotations

import pytest

from reports.worker import counters


def test_stored_per_minute_counts_the_last_minute_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(counters.time, "monotonic", lambda: now_s[0])
    counters._stored.clear()
    before = counters.counters()["stored"]

    counters.add(stored=5, older=2, set_aside=9)
    now_s[0] += 59
    counters.add(stored=1)
    counters.set_gauges(lag_ms=70)
    counters.set_gauges(lag_ms=40)

    assert counters.counters()["stored_per_minute"] == 6
    now_s[0] += 2
    later = counters.counters()
    assert (later["stored_per_minute"], later["stored"], later["lag_ms"]) == (1, before + 6, 40)
