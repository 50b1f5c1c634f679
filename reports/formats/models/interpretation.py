"""From a model's fields to readings: events, channels, what is held and why, and the sensor's memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from reports.formats import sent
from reports.formats.models.family import BatteryRule, EventRule, Family, History, plain_word
from reports.formats.models.quantities import (
    Findings,
    bare,
    distance_mm,
    find,
    get,
    joined,
    level_percent,
    plain,
    short,
)
from reports.formats.models.recognition import Chosen
from reports.formats.readings import MAX_READINGS, Battery, Clock, Frame, Location, Reading, Tell, Verdict
from reports.formats.times import device_time
from reports.report import InvalidReport

#: Beyond these a value is a fault of the sensor.
MOST_TEMPERATURE = Decimal(200)
MOST_TILT = Decimal(360)
MOST_BATTERY = {"%": Decimal(100), "V": Decimal(60), "mV": Decimal(60_000)}
#: No memory reaches farther back.
MOST_PAST = timedelta(days=366)
#: A text of past rows may be no longer.
MAX_ROWS_TEXT = 16_384

_ROW = re.compile(r"\[([^\[\]]{1,300})\]")


def interpret(
    frame: Frame,
    chosen: Chosen,
    measured_at: datetime,
    clock: Clock,
    *,
    notes: tuple[str, ...] = (),
    tell: Tell | None = None,
) -> list[Reading]:
    """
    Return a frame's readings, the present one first, then those of the sensor's memory; never an empty list.

    measured_at, clock: the frame's own time, checked; notes: what was found on the way to it. Raises InvalidReport
    where a distance or level is neither a number nor a word, which no sensor sends, or where there are more than
    MAX_READINGS.
    """
    model = chosen.model
    if model is None or not chosen.fields:
        verdict, reason = (Verdict.IGNORE, chosen.ignored) if chosen.ignored else (Verdict.HOLD, chosen.reason)
        if tell:
            tell("model", reason)
        return [
            Reading(
                verdict=verdict, frame=frame, measured_at=measured_at, clock=clock, reason=reason, notes=notes,
                model=model.name if model else None, location=frame.registered, battery=frame.battery,
                channel=frame.channel,
            )
        ]  # fmt: skip
    family = model.family
    state = _state(family, chosen.fields, Findings(notes=list(notes), tell=tell))
    common: dict[str, Any] = {
        "frame": frame,
        "model": model.name,
        "battery": state.battery or frame.battery,
        "location": state.location or frame.registered,
        "is_level_trusted": family.is_level_trusted,
    }
    past = _past(family, chosen.fields, measured_at, clock, common, tell)
    common |= {"measured_at": measured_at, "clock": clock}
    readings = [*_present(family, chosen, state, common, has_past=bool(past)), *past]
    if len(readings) > MAX_READINGS:
        raise InvalidReport("message", f"must hold at most {MAX_READINGS} readings")
    return _with_lost_clocks(readings)


def _with_lost_clocks(readings: list[Reading]) -> list[Reading]:
    """
    Leave a past measurement without a usable time the frame's time, if its channel has no other of that instant.

    Else hold it: two of one channel at one instant could not both be the level then.
    """
    lost = [each.is_past and each.clock is not Clock.DEVICE and each.verdict is Verdict.STORE for each in readings]
    if not any(lost):
        return readings
    at_frame = [
        each.channel
        for each, is_lost in zip(readings, lost, strict=True)
        if is_lost or (not each.is_past and each.verdict is Verdict.STORE)
    ]
    return [
        each._replace(verdict=Verdict.HOLD, reason=each.notes[0], distance_mm=None, level_percent=None)
        if is_lost and at_frame.count(each.channel) > 1
        else each
        for each, is_lost in zip(readings, lost, strict=True)
    ]


@dataclass(slots=True)
class _State:
    """What is said beside the measurement; is_void: an event says that there is none."""

    findings: Findings
    is_void: bool = False
    battery: Battery | None = None
    temperature_c: Decimal | None = None
    tilt_deg: Decimal | None = None
    location: Location | None = None


def _state(family: Family, fields: Mapping[str, Any], findings: Findings) -> _State:
    state = _State(findings)
    for rule in family.events:
        for where, value in _said(rule, fields):
            if isinstance(value, str | bool | Decimal) and (plain_word(value) in rule.values) != rule.is_other:
                findings.events.append(rule.event)
                state.is_void = state.is_void or rule.is_void
                if findings.tell:
                    findings.say(f"{where} = {short(value)}: the event {rule.event}")
                break
    if family.temperature:
        state.temperature_c = plain(family.temperature, fields, MOST_TEMPERATURE, "temperature", findings)
    if family.tilt:
        state.tilt_deg = plain(family.tilt, fields, MOST_TILT, "tilt", findings)
    if family.battery:
        state.battery = _battery(family.battery, fields, findings)
    if family.latitude:
        lat, lon = find(fields, family.latitude), find(fields, family.longitude)
        if lat and lon:
            state.location = sent.place(bare(lat[1]), bare(lon[1]))
    return state


def _said(rule: EventRule, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path in rule.paths:
        value = bare(get(fields, path))
        if value is not None:
            yield joined(path), value
    for outer, inner in rule.listed:
        for each in sent.items(get(fields, outer), MAX_READINGS):
            value = get(each, inner)
            if value is not None:
                yield f"{joined(outer)}[].{joined(inner)}", value


def _battery(rule: BatteryRule, fields: Mapping[str, Any], findings: Findings) -> Battery | None:
    says_low = _says_low(rule, fields, findings)
    battery = None if says_low is None else Battery(None, says_low=says_low)
    quantity = rule.quantity
    found = find(fields, quantity.paths) if quantity else None
    if quantity is None or found is None:
        return battery
    unit = quantity.units.get(found[0], quantity.unit)
    value = plain(quantity, fields, MOST_BATTERY[unit], "battery", findings)
    if value is None or value < 0:
        return battery
    left = None if unit == "%" else rule.percent(value / 1_000 if unit == "mV" else value)
    if left is not None:
        findings.say(f"battery: about {left} % by the model's curve")
    return Battery(value, unit, left, says_low)


def _says_low(rule: BatteryRule, fields: Mapping[str, Any], findings: Findings) -> bool | None:
    found = find(fields, rule.status) if rule.status else None
    value = bare(found[1]) if found else None
    if found is None or not isinstance(value, str | bool | Decimal):
        return None
    word = plain_word(value)
    if word not in rule.low | rule.ok:
        return None
    findings.say(f"{found[0]} = {short(value)}: the battery is {'low' if word in rule.low else 'ok'}")
    return word in rule.low


def _measurements(
    family: Family, fields: Mapping[str, Any], state: _State
) -> Iterator[tuple[str | None, Decimal | None, Decimal | None, Findings]]:
    """
    Yield channel, distance in mm, level in percent and findings of each measurement that is there.

    One with neither distance nor level is an error: its findings say which.
    """
    for channel, quantity in family.channels or ((None, family.distance),):
        if family.channels and (quantity is None or find(fields, quantity.paths) is None):
            continue
        findings = state.findings.copy()
        distance = distance_mm(family, quantity, fields, findings) if quantity else None
        level = None if family.channels else level_percent(family, fields, findings)
        if state.is_void:
            distance = level = None
        is_told = distance is not None or level is not None
        if is_told or state.is_void or findings.events != state.findings.events:
            yield channel, distance, level, findings


def _present(
    family: Family, chosen: Chosen, state: _State, common: Mapping[str, Any], *, has_past: bool
) -> list[Reading]:
    frame: Frame = common["frame"]
    common = {**common, "temperature_c": state.temperature_c, "tilt_deg": state.tilt_deg}
    readings = [
        _reading(distance, level, findings, channel=channel or frame.channel, **common)
        for channel, distance, level, findings in _measurements(family, chosen.fields, state)
    ]
    if readings or (has_past and not chosen.ignored):
        return readings
    events = state.findings.events
    if chosen.ignored or family.measures.isdisjoint(chosen.fields):
        verdict, reason = Verdict.IGNORE, chosen.ignored or "no measurement: settings or status"
    else:
        verdict, reason = Verdict.HOLD, "no measurement: the sensor left it out"
        events = [*events, "no_distance"]
    state.findings.say(reason)
    return [
        Reading(
            verdict=verdict, reason=reason, channel=frame.channel, events=tuple(dict.fromkeys(events)),
            notes=tuple(state.findings.notes), **common,
        )
    ]  # fmt: skip


def _reading(distance: Decimal | None, level: Decimal | None, findings: Findings, **common: Any) -> Reading:
    is_told = distance is not None or level is not None
    events = tuple(dict.fromkeys(findings.events))
    return Reading(
        verdict=Verdict.STORE if is_told else Verdict.HOLD,
        reason="" if is_told else f"no measurement: {', '.join(events)}",
        distance_mm=distance,
        level_percent=level,
        events=events,
        notes=tuple(findings.notes),
        **common,
    )


def _past(
    family: Family,
    fields: Mapping[str, Any],
    measured_at: datetime,
    clock: Clock,
    common: Mapping[str, Any],
    tell: Tell | None,
) -> list[Reading]:
    if family.history is None or (found := get(fields, family.history.path)) is None:
        return []
    frame: Frame = common["frame"]
    readings: list[Reading] = []
    apart = _apart(family.history, fields)
    quantities = (family.distance, family.level, *(quantity for _, quantity in family.channels))
    # A unit that stands in the frame counts for its rows too.
    units = {each.unit_path[0]: fields.get(each.unit_path[0]) for each in quantities if each and each.unit_path}
    for index, told_row in enumerate(_rows(family, found), 1):
        row = {**units, **told_row} if units else told_row
        told = row.get(family.history.time)
        told_at = sent.instant(str(told) if isinstance(told, Decimal) else told)
        if apart and apart * index < MOST_PAST:
            told_at = measured_at - apart * index
        at, note = device_time(told_at, measured_at)
        state = _state(family, row, Findings(notes=[note] if at is None else []))
        for channel, distance, level, findings in _measurements(family, row, state):
            reading = _reading(
                distance, level, findings, channel=channel or frame.channel, is_past=True,
                measured_at=at or measured_at, clock=Clock.DEVICE if at else clock,
                temperature_c=state.temperature_c, **common,
            )  # fmt: skip
            readings.append(reading)
            if tell:
                where = f", channel {channel}" if channel else ""
                tell("history", f"{short(told) if told else at}: {distance} mm{where} {reading.reason}".rstrip())
        if len(readings) > MAX_READINGS:
            raise InvalidReport("message", f"must hold at most {MAX_READINGS} readings")
    return readings


def _apart(history: History, fields: Mapping[str, Any]) -> timedelta | None:
    """Return how far past rows without a time are apart, None where that is not told."""
    number = sent.whole(bare(get(fields, history.every_path)), 100_000) if history.every_path else 1
    return timedelta(seconds=history.every_s * number) if history.every_s and number else None


def _rows(family: Family, found: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of the past; raises InvalidReport where what stands there is none: nothing is left out unsaid."""
    assert family.history is not None
    where, columns = joined(family.history.path), family.history.columns
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        yield from found[: MAX_READINGS + 1]
    elif isinstance(found, str) and columns and len(found) <= MAX_ROWS_TEXT:
        rows = [[value.strip() for value in match[1].split(",")] for match in _ROW.finditer(found)]
        if not rows or any(len(row) != len(columns) for row in rows):
            raise InvalidReport(where, f"must be rows of {len(columns)} values in brackets")
        for row in rows:
            yield {name: value for name, value in zip(columns, row, strict=True) if name}
    else:
        raise InvalidReport(where, "must be rows of past measurements")
