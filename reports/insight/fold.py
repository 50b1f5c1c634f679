"""
A can's row, folded from its reports: what the newest says, and the last known of what it does not say.

Each fact stands beside the sort key, or the second, of the report that sent it, and the later one wins. So a report may
be folded in at any time, and more than once: the row is the same as if all had come in the order of measurement.

One fact needs them in order: the state (reports.insight.state). A report that comes late only marks the row;
`caught_up` then makes the state again from the history.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from reports.insight.alarms import Told, later, told, told_by
from reports.insight.cycles import Emptied, Reading, Stage
from reports.insight.entered import DEFAULT, NOTHING, Entered, Limits, limits_of
from reports.insight.state import CanState, Rules, advance, reading_of, relimited, rules_for
from reports.insight.trend import EMPTY as NO_SAMPLES
from reports.insight.trend import SLOT_S, SLOTS, levels, sampled
from reports.report import EPOCH, Report, attribute_values, percent
from trashsite import json_slices

#: Attributes whose last value is kept, those of the newest report counted: the ones sent last.
MOST_KNOWN = 10
#: Characters of a name, and of a value's JSON text, that are kept: ten of both fit into a row of 1 KB, one write unit,
#: unless all are longer than what sensors send.
MAX_NAME = 40
MAX_TEXT = 40

#: Sorts before every sort key: a state that lacks all reports.
ALL = "0"

#: No limits were entered of any stream.
NO_LIMITS: Mapping[str, Limits] = MappingProxyType({})

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """The last value of an attribute. text: as JSON, "" where it is too long to be kept. key: its report's sort key."""

    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Row:
    """
    What is known of one can.

    report: the newest, but with the stream and the location that the can sent last. key: its sort key, "" where
    another service wrote it without a time. stream_key, location_key: sort keys of the reports that sent these, ""
    where none did. known: by name, attributes that an earlier report sent last. samples: the levels of the last day
    (reports.insight.trend).
    is_whole: False where version 0.1 of this program, which folds nothing, wrote the newest report: such a row is
    folded again from the history before anything is folded into it.
    state: what status, last emptying and forecast follow from; None where nothing of it is known yet. late: the least
    sort key of the reports that came too late for it, "" where it is as if all had come in order; `caught_up` mends it.
    decided: the emptying that the last reading confirmed or took back, so that it can be kept again after a crash.
    held: what a measurement without a level told that is later than the newest report, None where there is none.
    entered: what operators entered of the can, and limits: the thresholds that follow from it and from the stream; by
    these the state was made. asks: whether the register has to be asked what was entered, since the row is new.
    """

    report: Report
    key: str
    stream_key: str = ""
    location_key: str = ""
    known: Mapping[str, Sent] = field(default_factory=dict)
    samples: int = NO_SAMPLES
    is_whole: bool = True
    state: CanState | None = None
    late: str = ""
    decided: Emptied | None = None
    held: Told | None = None
    entered: Entered = NOTHING
    limits: Limits = DEFAULT
    asks: bool = False

    @property
    def told(self) -> Told:
        """What the can's last measurement told of fire and tilt, whether a report came of it or not."""
        return self.held or Told(self.report.measured_at or EPOCH, told_by(self.report.attributes))

    @property
    def rules(self) -> Rules:
        """The rules of the can: its state is made by them."""
        return rules_of(self.report.stream, self.limits, self.entered)


def rules_of(stream: str | None, limits: Limits, entered: Entered) -> Rules:
    """Return the rules of a can of this stream, by its limits and what operators entered of it."""
    return rules_for(stream, limits.full_from, limits.hysteresis, entered.added, entered.struck)


@dataclass(frozen=True, slots=True)
class LastKnown:
    """An attribute as the can sent it last. text: the value's JSON text, "" where it was too long to be kept."""

    name: str
    text: str
    measured_at: datetime


def fold(row: Row | None, report: Report, key: str, by_stream: Mapping[str, Limits] = NO_LIMITS) -> Row:
    """
    Return the row that follows from a report; an equal one where it changes nothing.

    row: None where there is none. key: the report's sort key (reports.store.keys.order_key). by_stream: the limits
    that were entered of streams. The result is the same in whatever order, and how often ever, reports are folded in;
    of the state only once it has caught up.
    """
    if row is None or not row.key:
        # What another service wrote tells no time: ours wins.
        first = Row(
            report, key, key if report.stream else "", key if report.location else "", {}, _sampled(NO_SAMPLES, report),
            limits=limits_of(report.stream, by_stream), asks=True,
        )  # fmt: skip
        reading = _reading(report)
        state = None if reading is None else advance(None, reading, first.rules)[0]
        # What another service wrote over may have a history.
        return replace(first, state=state, late="" if row is None else ALL)
    if key == row.key:
        return row
    is_newest = key > row.key
    newest = report if is_newest else row.report
    stream_key = key if report.stream and key > row.stream_key else row.stream_key
    location_key = key if report.location and key > row.location_key else row.location_key
    stream = report.stream if stream_key == key else row.report.stream
    location = report.location if location_key == key else row.report.location
    if newest.stream != stream or newest.location != location:
        newest = replace(newest, stream=stream, location=location)
    known = _known_before(report, row) if is_newest else _known_with(row, report, key)
    limits = row.entered.limits(limits_of(stream, by_stream))
    state, late, decided = _moved_on(row, rules_of(stream, limits, row.entered), report, key)
    return Row(
        newest, max(key, row.key), stream_key, location_key, known, _sampled(row.samples, report), row.is_whole,
        state, late, decided, _still_held(row.held, newest),
        row.entered, limits, row.asks,
    )  # fmt: skip


def fold_all(
    row: Row | None, reports: Iterable[tuple[Report, str]], by_stream: Mapping[str, Limits] = NO_LIMITS
) -> Row | None:
    """Return the row that follows from several reports, each with its sort key; `row` where there are none."""
    for report, key in reports:
        row = fold(row, report, key, by_stream)
    return row


def enter(row: Row, entered: Entered, by_stream: Mapping[str, Limits], late_key: Callable[[int], str]) -> Row:
    """
    Return the row once this was entered of the can; its state has to catch up from the history then.

    late_key: returns the least sort key of an instant in seconds since 1970.
    """
    limits = entered.limits(limits_of(row.report.stream, by_stream))
    since = entered.changed_from(row.entered)
    new = replace(row, entered=entered, limits=limits, asks=False)
    if row.state is None:
        return new
    if limits != row.limits:
        return replace(new, state=relimited(row.state, row.rules, new.rules), late=ALL, decided=None)
    if since is None:
        return new
    key = late_key(since)
    return replace(new, late=min(row.late or key, key), decided=None)


def hold(row: Row, at: datetime, events: Collection[str]) -> Row:
    """
    Return the row after a measurement of which no report came: it keeps what that told of fire and tilt.

    Where a later one is known nothing changes, so the order of arrival decides nothing.
    """
    return replace(row, held=_still_held(later(row.held, told(at, events)), row.report))


def caught_up(
    row: Row, start: CanState | None, readings: Iterable[Reading]
) -> tuple[Row, Sequence[tuple[Emptied, CanState]]]:
    """
    Return a row whose state is as if no report had come late, and what was decided on the way, each with its state.

    start: a state by the row's rules that no report came too late for, None for the beginning. readings: of all reports
    of the can since then up to the row's newest, in any order; earlier ones are left out.
    """
    state, decided, last = start, list[tuple[Emptied, CanState]](), None
    for reading in sorted(readings):
        if state is not None and reading <= (state.at, state.level):
            continue
        state, event = advance(state, reading, row.rules)
        last = event if event is not None and event.stage is not Stage.PROVISIONAL else None
        if last is not None:
            decided.append((last, state))
    return replace(row, state=state, late="", decided=last), decided


def without_late(row: Row) -> Row:
    """Return a row that will never catch up: there is no history, or too little of it. What came late is left out."""
    return replace(row, late="")


def fold_again(row: Row, reports: Iterable[tuple[Report, str]] | None) -> Row:
    """
    Return a row made whole. reports: what the history holds of its day, None where no history is kept.

    The trend is made of these alone; what the row knows beside it stays, unless they know something later.
    """
    own = _names(row.report)
    known = {name: sent for name, sent in row.known.items() if name not in own}
    samples = _sampled(row.samples if reports is None else NO_SAMPLES, row.report)
    whole = replace(row, known=known, samples=samples, is_whole=True)
    return fold_all(whole, reports or ()) or whole


def trend_begins(row: Row) -> datetime:
    """Return from which instant on reports matter to a row's trend."""
    assert row.report.measured_at is not None
    slot = (row.report.measured_at - EPOCH) // _SECOND // SLOT_S
    return EPOCH + max(timedelta(seconds=(slot - SLOTS + 1) * SLOT_S), datetime.min.replace(tzinfo=UTC) - EPOCH)


def trend(row: Row) -> tuple[int | None, ...]:
    """Return a can's whole percents of the last day up to its newest report, one in two hours, oldest first."""
    return levels(row.samples)


def last_known(row: Row) -> list[LastKnown]:
    """Return each attribute that is known of a can as it was sent last, the latest first."""
    own = {name: Sent(text, row.key) for name, text in _members(row.report)} if row.key else {}
    known = sorted({**row.known, **own}.items(), key=lambda item: (item[1].key, item[0]), reverse=True)
    return [LastKnown(name, sent.text, measured_at_of(sent.key)) for name, sent in known]


def reading_in(measured_at: datetime, level: str) -> Reading | None:
    """Return what the rules take of a report; None where another service wrote what is no level."""
    number = percent(level)
    return None if number is None or not 0 <= number <= 100 else reading_of(measured_at, number)


def _reading(report: Report) -> Reading | None:
    assert report.measured_at is not None
    return reading_in(report.measured_at, report.level)


def _moved_on(row: Row, rules: Rules, report: Report, key: str) -> tuple[CanState | None, str, Emptied | None]:
    """Return the state, the mark and what is decided after a report; rules: those that hold with this report."""
    reading = _reading(report)
    still_decided = None if key > row.key else row.decided
    if reading is None:
        return row.state, row.late, still_decided
    state, late, before = row.state, row.late, row.rules
    is_other = rules != before
    if state is not None and is_other and rules.name == before.name:
        # Other thresholds: what follows from the state until it is made again.
        state, late = relimited(state, before, rules), ALL
    elif state is None or is_other:
        # Of an older form, or of a can that turns out to be of another stream: all of it is to be made again.
        return advance(None, reading, rules)[0] if key > row.key else None, ALL, still_decided
    if reading == (state.at, state.level):
        return state, late, row.decided
    if reading < (state.at, state.level):
        return state, min(late or key, key), still_decided
    # Of one second the fullest is the last, whatever its key.
    state, event = advance(state, reading, rules)
    return state, late, event if event is not None and event.stage is not Stage.PROVISIONAL else None


def _still_held(held: Told | None, newest: Report) -> Told | None:
    """Return what a measurement without a level told, where it is later than the newest report."""
    return held if held and newest.measured_at and held.at > newest.measured_at else None


def _sampled(samples: int, report: Report) -> int:
    """Return the levels of the last day with a report's in its place."""
    level = percent(report.level)
    if level is None or not 0 <= level <= 100:
        return samples
    assert report.measured_at is not None
    return sampled(samples, (report.measured_at - EPOCH) // _SECOND, int(level))


def _known_before(report: Report, row: Row) -> Mapping[str, Sent]:
    """Return what is known beside a new newest report: what the row's said, and knew, and this one does not say."""
    if not row.known and row.report.attributes in ("{}", report.attributes):
        return {}
    own, before = _names(report), _names(row.report)
    known = {name: sent for name, sent in row.known.items() if name not in own}
    if not before <= own:
        said = before - own
        known |= {name: Sent(_short(text), row.key) for name, text in _members(row.report) if name in said}
    return _latest(known, MOST_KNOWN - len(own))


def _known_with(row: Row, report: Report, key: str) -> Mapping[str, Sent]:
    """Return what is known beside the row's newest report once an older one is folded in."""
    own = _names(row.report)
    news = {
        name: Sent(_short(text), key)
        for name, text in _members(report)
        if len(name) <= MAX_NAME and name not in own and (name not in row.known or key >= row.known[name].key)
    }
    return _latest({**row.known, **news}, MOST_KNOWN - len(own)) if news else row.known


def _latest(known: Mapping[str, Sent], most: int) -> Mapping[str, Sent]:
    """
    Return the attributes that were sent last, up to so many.

    What is left out now can never come back but by being sent again: so many others are, and stay, later than it.
    """
    if len(known) <= most:
        return known
    return dict(heapq.nlargest(max(0, most), known.items(), key=lambda item: (item[1].key, item[0])))


def _names(report: Report) -> set[str]:
    """Return the names of a report's attributes that are short enough to be kept."""
    if report.attributes == "{}":
        return set()
    return {name for name in attribute_values(report.attributes) if len(name) <= MAX_NAME}


def _members(report: Report) -> Iterator[tuple[str, str]]:
    """Return each attribute of a report with its value's text as it was sent."""
    text = report.attributes
    return json_slices.members(text, json_slices.skip_blank(text, 0))


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else ""


def measured_at_of(key: str) -> datetime:
    """Return the instant with which a sort key begins."""
    return datetime.fromisoformat(key.partition("#")[0])
