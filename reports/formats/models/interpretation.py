"""From a model's fields to readings: units, errors, events, channels, history."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from reports.formats import sent
from reports.formats.models.family import CELSIUS, LENGTHS, PERCENTS, UNIT_CODES, Family, Path, Quantity
from reports.formats.models.loading import plain_word
from reports.formats.models.recognition import Chosen
from reports.formats.own import InvalidReport
from reports.formats.readings import MAX_READINGS, Battery, Clock, Frame, Location, Reading, Tell, Verdict
from reports.formats.times import device_time
from trashsite.spans import Number

#: Beyond these a value is a fault of the sensor, not a measurement.
MOST_MM = Decimal(100_000)
MOST_TEMPERATURE = Decimal(200)
MOST_BATTERY = {"%": Decimal(100), "V": Decimal(60), "mV": Decimal(60_000)}
#: A text of past rows is read no further.
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
    state = _state(family, chosen.fields, tell)
    state.notes[:0] = notes
    common: dict[str, Any] = {
        "frame": frame,
        "model": model.name,
        "battery": state.battery or frame.battery,
        "location": state.location or frame.registered,
        "is_level_trusted": family.is_level_trusted,
    }
    past = _past(family, chosen.fields, measured_at, clock, common, tell)
    readings = [*_present(family, chosen, state, common, measured_at, clock, tell, bool(past)), *past]
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
        replace(each, verdict=Verdict.HOLD, reason=each.notes[-1], distance_mm=None, level_percent=None)
        if is_lost and at_frame.count(each.channel) > 1
        else each
        for each, is_lost in zip(readings, lost, strict=True)
    ]


@dataclass(slots=True)
class _State:
    """What is said beside the measurement."""

    events: list[str] = field(default_factory=list)
    is_void: bool = False
    battery: Battery | None = None
    temperature_c: Decimal | None = None
    tilt_deg: Decimal | None = None
    location: Location | None = None
    notes: list[str] = field(default_factory=list)


def _present(
    family: Family,
    chosen: Chosen,
    state: _State,
    common: dict[str, Any],
    measured_at: datetime,
    clock: Clock,
    tell: Tell | None,
    has_past: bool,
) -> list[Reading]:
    fields = chosen.fields
    frame: Frame = common["frame"]
    common = {
        **common,
        "measured_at": measured_at,
        "clock": clock,
        "temperature_c": state.temperature_c,
        "tilt_deg": state.tilt_deg,
    }
    readings = []
    for channel, quantity in family.channels or ((frame.channel, family.distance),):
        events, notes = list(state.events), list(state.notes)
        distance_mm = _distance(family, quantity, fields, events, notes, tell) if quantity else None
        level = None if family.channels else _level(family, fields, events, notes, tell)
        is_said = quantity is not None and _find(fields, quantity.paths) is not None
        if family.channels and not is_said:
            continue
        if state.is_void:
            distance_mm = level = None
        if distance_mm is not None or level is not None:
            verdict, reason = Verdict.STORE, ""
        elif events and (state.is_void or events != state.events):
            verdict, reason = Verdict.HOLD, f"no measurement: {', '.join(events)}"
        else:
            continue
        readings.append(
            Reading(
                verdict=verdict, reason=reason, distance_mm=distance_mm, level_percent=level, channel=channel,
                events=tuple(dict.fromkeys(events)), notes=tuple(notes), **common,
            )
        )  # fmt: skip
    if readings or (has_past and not chosen.ignored):
        return readings
    if chosen.ignored or family.measures.isdisjoint(fields):
        verdict, reason = Verdict.IGNORE, chosen.ignored or "no measurement: settings or status"
        events = state.events
    else:
        verdict, reason = Verdict.HOLD, "no measurement: the sensor left it out"
        events = [*state.events, "no_distance"]
    if tell:
        tell("reading", reason)
    return [
        Reading(
            verdict=verdict, reason=reason, channel=frame.channel, events=tuple(dict.fromkeys(events)),
            notes=tuple(state.notes), **common,
        )
    ]  # fmt: skip


def _past(
    family: Family,
    fields: Mapping[str, Any],
    measured_at: datetime,
    clock: Clock,
    common: dict[str, Any],
    tell: Tell | None,
) -> list[Reading]:
    if family.history is None or (found := _get(fields, family.history.path)) is None:
        return []
    readings = []
    for row in _rows(family, found):
        told = row.get(family.history.time)
        at, note = device_time(
            sent.instant(str(told)) if isinstance(told, Decimal) else sent.instant(told), measured_at
        )
        state = _state(family, row, None)
        for channel, quantity in family.channels or ((None, family.distance),):
            events, notes = list(state.events), list(state.notes)
            distance_mm = _distance(family, quantity, row, events, notes, None) if quantity else None
            level = None if family.channels else _level(family, row, events, notes, None)
            if state.is_void:
                distance_mm = level = None
            if distance_mm is None and level is None and (family.channels or not events):
                continue
            is_stored = distance_mm is not None or level is not None
            reason = "" if is_stored else f"no measurement: {', '.join(events)}"
            if at is None:
                notes.append(note)
            readings.append(
                Reading(
                    verdict=Verdict.STORE if is_stored else Verdict.HOLD,
                    reason=reason,
                    measured_at=measured_at if at is None else at,
                    clock=clock if at is None else Clock.DEVICE,
                    distance_mm=distance_mm,
                    level_percent=level,
                    temperature_c=state.temperature_c,
                    channel=channel or common["frame"].channel,
                    events=tuple(dict.fromkeys(events)),
                    is_past=True,
                    notes=tuple(notes),
                    **common,
                )
            )
            if tell:
                tell(
                    "history",
                    f"{_short(told)}: {distance_mm} mm{f', channel {channel}' if channel else ''} {reason}".rstrip(),
                )
            if len(readings) > MAX_READINGS:
                raise InvalidReport("message", f"must hold at most {MAX_READINGS} readings")
    return readings


def _rows(family: Family, found: Any) -> Iterator[Mapping[str, Any]]:
    assert family.history is not None
    columns = family.history.columns
    if isinstance(found, list):
        for row in found[: MAX_READINGS + 1]:
            if isinstance(row, dict):
                yield row
    elif isinstance(found, str) and columns and len(found) <= MAX_ROWS_TEXT:
        for match in _ROW.finditer(found):
            values = [value.strip() for value in match[1].split(",")]
            if len(values) == len(columns):
                yield {name: value for name, value in zip(columns, values, strict=True) if name}


def _state(family: Family, fields: Mapping[str, Any], tell: Tell | None) -> _State:
    state = _State()
    for rule in family.events:
        for where, value in _said(rule.paths, rule.listed, fields):
            if isinstance(value, str | bool | Decimal) and (plain_word(value) in rule.values) != rule.is_other:
                state.events.append(rule.event)
                state.is_void = state.is_void or rule.is_void
                if tell:
                    tell("reading", f"{where} = {_short(value)}: the event {rule.event}")
                break
    if family.temperature:
        state.temperature_c = _plain(family.temperature, fields, MOST_TEMPERATURE, "temperature", state.notes, tell)
    if family.tilt:
        state.tilt_deg = _plain(family.tilt, fields, Decimal(360), "tilt", state.notes, tell)
    if family.battery:
        found = _find(fields, family.battery.paths)
        unit = family.battery.units.get(found[0], family.battery.unit) if found else ""
        battery = _plain(family.battery, fields, MOST_BATTERY[unit], "battery", state.notes, tell) if found else None
        if battery is not None and battery >= 0:
            state.battery = Battery(battery, unit)
    if family.latitude:
        lat, lon = _find(fields, family.latitude), _find(fields, family.longitude)
        if lat and lon:
            state.location = sent.place(_bare(lat[1]), _bare(lon[1]))
    return state


def _said(
    paths: tuple[Path, ...], listed: tuple[tuple[Path, Path], ...], fields: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for path in paths:
        value = _bare(_get(fields, path))
        if value is not None:
            yield ".".join(path), value
    for outer, inner in listed:
        for each in sent.items(_get(fields, outer), MAX_READINGS):
            value = _get(each, inner)
            if value is not None:
                yield f"{'.'.join(outer)}[].{'.'.join(inner)}", value


def _distance(
    family: Family,
    quantity: Quantity,
    fields: Mapping[str, Any],
    events: list[str],
    notes: list[str],
    tell: Tell | None,
) -> Decimal | None:
    found = _find(fields, quantity.paths)
    if found is None:
        return None
    value, unit = _measured(quantity, found, events, notes, LENGTHS, tell)
    if value is None:
        return None
    distance_mm = value * LENGTHS[unit]
    # Nothing is at 0 mm: sensors say it for an error, and codecs where nothing was measured.
    if not 0 < distance_mm <= MOST_MM:
        events.append("sensor_error")
        notes.append(f"{found[0]}: {_short(found[1])} {unit} is no distance")
        return None
    if family.blind_zone_mm is not None and distance_mm < family.blind_zone_mm:
        events.append("blind_spot")
        notes.append(f"{found[0]}: nearer than {family.blind_zone_mm} mm, where the sensor does not measure")
    if tell:
        tell("reading", f"{found[0]} = {_short(found[1])}, in {unit}: a distance of {distance_mm.normalize():f} mm")
    return distance_mm


def _level(
    family: Family, fields: Mapping[str, Any], events: list[str], notes: list[str], tell: Tell | None
) -> Decimal | None:
    quantity = family.level
    if quantity is None or (found := _find(fields, quantity.paths)) is None:
        return None
    value, unit = _measured(quantity, found, events, notes, PERCENTS, tell)
    if value is None:
        return None
    level = value * PERCENTS[unit]
    if not 0 <= level <= 100:
        events.append("sensor_error")
        notes.append(f"{found[0]}: {_short(found[1])} is no percentage")
        return None
    if family.is_empty_percent:
        level = 100 - level
    if tell:
        trust = "" if family.is_level_trusted else ", which this model is not trusted with"
        tell("reading", f"{found[0]} = {_short(found[1])}, in {unit}: a level of {level.normalize():f} %{trust}")
    return level


def _measured(
    quantity: Quantity,
    found: tuple[str, Any],
    events: list[str],
    notes: list[str],
    units: Mapping[str, Decimal],
    tell: Tell | None,
) -> tuple[Decimal | None, str]:
    """Return a distance or level as its number and unit; an error's word or value becomes an event."""
    where, value = found
    unit = quantity.units.get(where, quantity.unit)
    if isinstance(value, dict):
        told = value.get("unit")
        if quantity.is_unit_told and isinstance(told, str) and told:
            unit = UNIT_CODES.get(told, told)
            if unit not in units:
                raise InvalidReport(where, f"has a unit that is none of {', '.join(units)}")
        value = value.get("value")
        if value is None:
            return None, unit
    number = sent.quantity(value)
    if number is not None:
        amount, written = number
        if written:
            if written not in units:
                raise InvalidReport(where, f"has a unit that is none of {', '.join(units)}")
            unit = written
        if amount in quantity.absent:
            return None, unit
        event = quantity.events.get(amount)
        is_low = quantity.least is not None and amount < quantity.least
        if event is None and (is_low or (quantity.most is not None and amount > quantity.most)):
            event = "sensor_error"
        if event is None:
            return amount, unit
    elif isinstance(value, str) and not isinstance(value, Number):
        event = quantity.events.get(value[:40].strip().lower(), "sensor_error")
    elif isinstance(value, Number):
        raise InvalidReport(where, "must be a number within reach")
    else:
        raise InvalidReport(where, "must be a number, or a word for why there is none")
    events.append(event)
    notes.append(f"{where}: {_short(value)} means {event}")
    if tell:
        tell("reading", f"{where} = {_short(value)}: no measurement but {event}")
    return None, unit


def _plain(
    quantity: Quantity, fields: Mapping[str, Any], most: Decimal, name: str, notes: list[str], tell: Tell | None
) -> Decimal | None:
    """Return a quantity of the state; what cannot be one is noted, and never keeps a level from being stored."""
    found = _find(fields, quantity.paths)
    if found is None:
        return None
    where, value = found
    number = sent.quantity(_bare(value))
    if number is None or number[0] in quantity.absent:
        return None
    if abs(number[0]) > most or (number[1] and number[1] not in (*CELSIUS, "°", quantity.unit)):
        notes.append(f"{where}: {_short(value)} is no {name}")
        return None
    if tell:
        tell("reading", f"{where} = {_short(value)}: {name} in {quantity.units.get(where, quantity.unit)}")
    return number[0]


def _find(fields: Mapping[str, Any], paths: tuple[Path, ...]) -> tuple[str, Any] | None:
    """Return the first of the paths at which something stands, and what."""
    for path in paths:
        value = _get(fields, path)
        if value is not None:
            return ".".join(path), value
    return None


def _get(fields: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(fields, dict):
            return None
        fields = fields.get(name)
    return fields


def _bare(value: Any) -> Any:
    return value.get("value") if isinstance(value, dict) else value


def _short(value: Any) -> str:
    if isinstance(value, Decimal | Number):
        return str(value)[:40]
    try:
        return json.dumps(value, default=str)[:60]
    except (ValueError, RecursionError):
        return "something else"
