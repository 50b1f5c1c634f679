"""What a worker counts, and how it says how it goes."""

from __future__ import annotations

import pytest

from reports.worker import counters


def test_the_last_minute_is_told_and_then_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(counters.time, "monotonic", lambda: now_s[0])
    counters._kept.clear()
    before = counters.counters()["stored"]

    counters.add(stored=3, stale=2, set_aside=9)
    now_s[0] += 59
    counters.add(stored=1)
    counters.note(lag_ms=70)
    counters.note(lag_ms=40)

    assert counters.counters()["stored_per_minute"] == 6
    now_s[0] += 2
    told = counters.counters()
    assert (told["stored_per_minute"], told["stored"], told["lag_ms"]) == (1, before + 4, 40)
