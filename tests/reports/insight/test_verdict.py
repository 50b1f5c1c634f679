"""How a can is, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.insight.alarms import Told, told_by
from reports.insight.cycles import Reading
from reports.insight.state import rebuild, rules_for
from reports.insight.status import Status, may_be_suspect
from reports.insight.verdict import Verdict, outlook, verdict
from tests.reports.insight import cans
from tests.reports.insight.cans import HOUR, MONDAY, hourly

RULES = rules_for("paper")
#: A can of a habit: 60 reports of 30 %, one an hour, a little up and down.
STEADY = [30.0, 32.0] * 30


def told(levels: list[float], *, hours_later: float = 0, events: tuple[str, ...] = ()) -> Verdict:
    readings = hourly(levels)
    state, _ = rebuild(readings, RULES)
    last = Told(datetime.fromtimestamp(readings[-1][0], UTC), events)
    return verdict(state, readings[-1][0] + round(hours_later * HOUR), RULES, last)


def test_a_can_without_a_report_is_known_and_has_never_reported() -> None:
    assert verdict(None, MONDAY, RULES) == Verdict(Status.NEVER_REPORTED, "No report was ever received.")


@pytest.mark.parametrize(
    ("levels", "hours_later", "status", "words"),
    [
        ([30], 0, Status.NEW, "1 report so far, the last of 30 %"),
        ([*STEADY, 70, 80], 0, Status.FULL, "At 80 %; its threshold is 80 %."),
        ([*STEADY, 70, 80, 76], 0, Status.FULL, "and full until below 75 %"),
        ([*STEADY, 70, 80, 74.9], 0, Status.FILLING, "At 74.9 %, near: its threshold is 80 %."),
        ([*STEADY, 70, 80], 9, Status.FULL, "No report for 9 h."),
        (STEADY, 2, Status.OK, "At 32 %"),
        (STEADY, 2.1, Status.SILENT, "No report for 2 h; by its own rhythm 2 h are too long. Last level: 32 %."),
        ([*STEADY, 100], 0, Status.SUSPECT, "rose from 32 % to 100 % between two reports"),
        ([*STEADY, *[100] * 26], 0, Status.FULL, "At 100 %"),
        ([*STEADY, *[31] * 24 * 8], 0, Status.SUSPECT, "has been 31 % for 8 days"),
        # It counts as full, since somebody has to go there, and says that it is suspect, too.
        ([*STEADY, 70, *[100] * 24 * 8], 0, Status.FULL, "Suspect, too: the level has been 100 % for 7 days, without"),
        ([*STEADY, *[5, 90] * 8], 0, Status.FULL, "Suspect, too: 36 % of its recent reports jump"),
        ([*STEADY, *[5, 60] * 8, 5], 0, Status.SUSPECT, "of its recent reports jump"),
        ([*STEADY, 40, 50, 62], 0, Status.FILLING, "At 62 %, near: its threshold is 80 %."),
        ([*STEADY, 40, 50, 59.9], 0, Status.OK, "At 59.9 %; its threshold is 80 %."),
    ],
)
def test_the_status_and_its_reason(levels: list[float], hours_later: float, status: Status, words: str) -> None:
    found = told(levels, hours_later=hours_later)

    assert (found.status, words in found.reason) == (status, True), found
    assert found.suspect is (status is Status.SUSPECT or "Suspect, too" in found.reason)


@pytest.mark.parametrize("levels", [STEADY, [30.0], [*STEADY, 70, 80], [*STEADY, 100]])
def test_fire_and_tilt_come_before_every_level(levels: list[float]) -> None:
    fire, tilt = told(levels, events=("fire", "tilt")), told(levels, events=("tilt",), hours_later=3)

    assert (fire.status, tilt.status) == (Status.FIRE, Status.TILT)
    assert fire.reason.startswith("Its sensor told of a fire 0 min ago, and of no end of it since. Last level: ")
    assert tilt.reason.startswith("Its sensor told 3 h ago that it is tilted, so its level is not to be trusted.")


def test_what_reports_tell_of_fire_and_tilt_is_read_from_their_events_alone() -> None:
    assert told_by('{"tilt_deg":40,"events":["full","tilt","fire"]}') == ("fire", "tilt")
    others = ("{}", '{"note":"tilt"}', '{"events":"tilt"}', '{"events"', '{"events":[["fire"],{"fire":1},null]}')
    assert [told_by(text) for text in others] == [()] * 5
    # Numbers that a device may send and few parsers take.
    for number in ("1e999", "9" * 5_000):
        assert told_by(f'{{"events":["fire"],"n":{number}}}') == ("fire",)
    # Another service may have written any text.
    assert [told_by(text) for text in ('["events"]', '"events"', "[" * 2_000 + '"events"')] == [()] * 3


@given(cans.readings, st.integers(0, 60 * 24 * 60), st.sampled_from(["paper", "glass", None]))
def test_nothing_but_a_report_changes_it_before_the_instant_that_it_names(
    readings: list[Reading], minutes: int, stream: str | None
) -> None:
    rules = rules_for(stream)
    state, _ = rebuild(readings, rules)
    assert state is not None
    first = verdict(state, state.at, rules)
    later = state.at + minutes * 60

    assert first.reason.endswith(".")
    if first.status is not Status.SUSPECT and (first.until is None or later < first.until):
        assert verdict(state, later, rules).status is first.status


@given(cans.readings, st.integers(0, 60 * 24 * 60), st.sampled_from(["paper", "glass", None]), st.booleans())
def test_the_outlook_says_at_each_instant_what_the_verdict_says(
    readings: list[Reading], minutes: int, stream: str | None, tilted: bool
) -> None:
    rules, last = rules_for(stream), Told(datetime.now(UTC), ("tilt",) if tilted else ())
    state, _ = rebuild(readings, rules)
    assert state is not None
    told = outlook(state, rules, last)
    turns = [after + by for after, _ in told.steps for by in (0, 1)]

    for now in (*turns, state.at + minutes * 60):
        found, status = verdict(state, now, rules, last), told.at(datetime.fromtimestamp(now, UTC))
        assert (status, told.is_suspect(status)) == (found.status, found.suspect)
        assert may_be_suspect(told.text(state.at)) or not found.suspect
