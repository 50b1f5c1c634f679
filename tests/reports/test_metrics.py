"""What a worker counts, and how it says how it goes."""

from __future__ import annotations

import pytest

from reports import metrics


def test_the_last_minute_is_told_and_then_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(metrics.time, "monotonic", lambda: now_s[0])
    metrics._kept.clear()
    before = metrics.counters()["stored"]

    metrics.add(stored=3, stale=2, set_aside=9)
    now_s[0] += 59
    metrics.add(stored=1)
    metrics.note(lag_ms=70)
    metrics.note(lag_ms=40)

    assert metrics.counters()["stored_per_minute"] == 6
    now_s[0] += 2
    told = metrics.counters()
    assert (told["stored_per_minute"], told["stored"], told["lag_ms"]) == (1, before + 4, 40)
