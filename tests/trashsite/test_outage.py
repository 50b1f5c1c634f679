"""An outage is told when it begins and when it ends, whatever is on its way meanwhile."""

from __future__ import annotations

import logging
import time

import pytest

from trashsite.outage import Outage


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trashsite.outage")


def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("receiving")
    for _ in range(3):
        outage.failed("refused")
    outage.ended()
    outage.ended()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_what_began_before_a_failure_does_not_end_the_outage(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("receiving")
    began = time.monotonic()
    outage.failed("reset")
    outage.ended(began)
    assert outage.lasts
    outage.ended(time.monotonic())
    assert not outage.lasts
    assert len(caplog.records) == 2


def test_a_fault_that_comes_and_goes_is_two_lines_until_it_lasts(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage("storing")
    for _ in range(5):
        outage.failed("throttled")
        outage.ended()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    now = time.monotonic()
    outage.failed("throttled")
    monkeypatch.setattr(time, "monotonic", lambda: now + 11)
    outage.failed("throttled")
    outage.failed("throttled")
    outage.ended()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 2
    assert "fails for 11 s" in caplog.records[2].getMessage()
