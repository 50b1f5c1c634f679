"""One quantity out of a model's fields: its number, its unit, and what an error's word or value means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reports.formats import sent
from reports.formats.models.family import (
    FAHRENHEIT,
    LENGTHS,
    PERCENTS,
    TEMPERATURES,
    UNIT_CODES,
    Family,
    Path,
    Quantity,
)
from reports.formats.readings import MAX_READINGS, MOST_MM, Tell
from reports.report import InvalidReport
from trashsite.json_slices import Number

#: Degrees Celsius that are calculated have no more decimals.
HUNDREDTH = Decimal("0.01")


@dataclass(slots=True)
class Findings:
    """What was found on the way to a reading: events, notes for people, and who is told each step."""

    events: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tell: Tell | None = None

    def copy(self) -> Findings:
        """Return findings that go on from these."""
        return Findings(list(self.events), list(self.notes), self.tell)

    def say(self, sentence: str) -> None:
        """Tell a step, where somebody listens."""
        if self.tell:
            self.tell("reading", sentence)

    def fault(self, event: str, note: str) -> None:
        """Keep why there is no measurement."""
        self.events.append(event)
        self.notes.append(note)
        self.say(note)


def distance_mm(family: Family, quantity: Quantity, fields: Mapping[str, Any], findings: Findings) -> Decimal | None:
    """Return a distance in mm, or None; raises InvalidReport for what is neither a number nor a word."""
    found = find(fields, quantity.paths)
    if found is None:
        return None
    value, unit = _measured(quantity, found, fields, LENGTHS, findings)
    if value is None:
        return None
    where, distance = found[0], value * LENGTHS[unit]
    # Nothing is at 0 mm: sensors say it for an error, and codecs where nothing was measured.
    if not 0 < distance <= MOST_MM:
        findings.fault("sensor_error", f"{where}: {short(found[1])} {unit} is no distance")
        return None
    if findings.tell:
        findings.say(f"{where} = {short(found[1])}, in {unit}: a distance of {distance.normalize():f} mm")
    if family.blind_zone_mm is not None and distance < family.blind_zone_mm:
        findings.fault(
            "blind_spot", f"{where}: nearer than {family.blind_zone_mm} mm, where the sensor does not measure"
        )
    return distance


def level_percent(family: Family, fields: Mapping[str, Any], findings: Findings) -> Decimal | None:
    """Return the percent full that the message itself says, or None; raises InvalidReport as distance_mm does."""
    quantity = family.level
    if quantity is None or (found := find(fields, quantity.paths)) is None:
        return None
    value, unit = _measured(quantity, found, fields, PERCENTS, findings)
    if value is None:
        return None
    level = value * PERCENTS[unit]
    if not 0 <= level <= 100:
        findings.fault("sensor_error", f"{found[0]}: {short(found[1])} is no percentage")
        return None
    if family.is_empty_percent:
        level = 100 - level
    if findings.tell:
        trust = "" if family.is_level_trusted else ", which this model is not trusted with"
        findings.say(f"{found[0]} = {short(found[1])}, in {unit}: a level of {level.normalize():f} %{trust}")
    return level


def plain(
    quantity: Quantity, fields: Mapping[str, Any], most: Decimal, name: str, findings: Findings
) -> Decimal | None:
    """Return a quantity of the state; what cannot be one is noted, and never keeps a level from being stored."""
    found = find(fields, quantity.paths)
    if found is None:
        return None
    where, value = found
    number = sent.quantity(bare(value))
    if number is None or number[0] in quantity.absent:
        return None
    unit = number[1] or quantity.units.get(where, quantity.unit)
    amount = (number[0] - 32) * 5 / 9 if unit in FAHRENHEIT else number[0]
    if abs(amount) > most or (number[1] and number[1] not in (*TEMPERATURES, "°", quantity.unit)):
        findings.notes.append(f"{where}: {short(value)} is no {name}")
        return None
    if findings.tell:
        findings.say(f"{where} = {short(bare(value))}: {name} in {unit}")
    return amount.quantize(HUNDREDTH) if unit in FAHRENHEIT else amount


def _measured(
    quantity: Quantity,
    found: tuple[str, Any],
    fields: Mapping[str, Any],
    units: Mapping[str, Decimal],
    findings: Findings,
) -> tuple[Decimal | None, str]:
    """Return a distance or level as its number and unit; an error's word or value becomes an event."""
    where, value = found
    unit = quantity.units.get(where, quantity.unit)
    if quantity.unit_path and isinstance(said := bare(get(fields, quantity.unit_path)), str | Decimal) and str(said):
        unit = _known_unit(UNIT_CODES.get(str(said), str(said)), units, where)
    if isinstance(value, dict):
        told = value.get("unit")
        if quantity.is_unit_told and isinstance(told, str) and told:
            unit = _known_unit(UNIT_CODES.get(told, told), units, where)
        value = value.get("value")
        if value is None:
            return None, unit
    number = sent.quantity(value)
    if number is not None:
        amount, written = number
        if written:
            unit = _known_unit(written, units, where)
        if amount in quantity.absent:
            return None, unit
        event = quantity.events.get(amount) or _beyond(quantity, amount)
        if event is None:
            return amount, unit
    elif isinstance(value, Number):
        raise InvalidReport(where, "must be a number within reach")
    elif isinstance(value, str):
        event = quantity.events.get(value[:40].strip().lower(), "sensor_error")
    else:
        raise InvalidReport(where, "must be a number, or a word for why there is none")
    findings.fault(event, f"{where}: {short(value)} means {event}")
    return None, unit


def _known_unit(unit: str, units: Mapping[str, Decimal], where: str) -> str:
    if unit not in units:
        raise InvalidReport(where, f"has a unit that is none of {', '.join(units)}")
    return unit


def _beyond(quantity: Quantity, amount: Decimal) -> str | None:
    is_low = quantity.least is not None and amount < quantity.least
    is_high = quantity.most is not None and amount > quantity.most
    return "sensor_error" if is_low or is_high else None


def find(fields: Mapping[str, Any], paths: tuple[Path, ...]) -> tuple[str, Any] | None:
    """Return the first of the paths at which something stands, and what."""
    for path in paths:
        value = get(fields, path)
        if value is not None:
            return joined(path), value
    return None


def joined(path: Path) -> str:
    """Return a path as a model's file writes it."""
    return path[0] if len(path) == 1 else ".".join(path).replace(".[", "[")


def get(fields: Any, path: Path) -> Any:
    """Return what stands at a path, or None."""
    for name in path:
        if isinstance(fields, dict):
            fields = fields.get(name)
        elif isinstance(fields, list):
            fields = _element(fields, name)
        else:
            return None
    return fields


def _element(elements: list[Any], step: str) -> Any:
    """Return one element of a list: `[0]` the first, `[-1]` the last, `[name=x]` the first whose member name is x."""
    name, is_told, said = step.strip("[]").partition("=")
    if step[0] != "[":
        return None
    if is_told:
        return next((each for each in elements[:MAX_READINGS] if str(_of(each, name)) == said), None)
    at = int(name)
    return elements[at] if -len(elements) <= at < len(elements) else None


def _of(element: Any, name: str) -> Any:
    return element.get(name) if isinstance(element, dict) else None


def bare(value: Any) -> Any:
    """Return a value without the object {value, unit} around it."""
    return value.get("value") if isinstance(value, dict) else value


def short(value: Any) -> str:
    """Return a value for a sentence: ASCII, at most 60 characters."""
    if isinstance(value, Decimal | Number):
        return str(value)[:40]
    try:
        return json.dumps(value, default=str)[:60]
    except (ValueError, RecursionError):
        return "something else"
