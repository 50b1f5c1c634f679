"""A message's verdict as one JSON object, for people and for tests: what `manage.py uplink --json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from reports.formats import Element
from reports.formats.models import load
from reports.formats.readings import Clock, Location, Reading, Verdict
from reports.formats.unwrap import BASE64
from reports.report import InvalidReport, Report, iso, json_number

#: Which verdict stands for a message whose elements differ: the first of these that one of them has.
_FIRST = (Verdict.STORE, Verdict.HOLD, Verdict.INVALID, Verdict.IGNORE)


def as_json(elements: Sequence[Element]) -> dict[str, Any]:
    """
    Return the verdict on one message.

    The members at the top are the present reading's; `more` holds what else the message tells, so that a message of
    past measurements alone has its values there. `uncertain` holds the notes and reasons, `source` where the model's
    facts are from.
    """
    readings = [element for element in elements if isinstance(element, Reading)]
    if not readings:
        return _own(elements)
    first = readings[0]
    has_present = not first.is_past
    rest = readings[1:] if has_present else readings
    invalid = [element for element in elements if isinstance(element, InvalidReport)]
    verdicts = {*(reading.verdict for reading in readings), *([Verdict.INVALID] if invalid else [])}
    notes = dict.fromkeys(note for reading in readings for note in (*reading.notes, reading.reason) if note)
    battery = first.battery
    frame = first.frame
    return {
        "server": " in ".join((frame.server, *(name for name in reversed(frame.envelopes) if name != BASE64)))
        + (f", {BASE64}" if BASE64 in frame.envelopes else ""),
        "model": first.model,
        "verdict": str(next(verdict for verdict in _FIRST if verdict in verdicts)),
        "can_key": frame.key,
        "can_key_kind": frame.key_kind if frame.key else None,
        "measured_at": _instant(first) if has_present else None,
        "distance_mm": json_number(first.distance_mm) if has_present else None,
        "level_percent": json_number(first.level_percent) if has_present else None,
        "temperature_c": json_number(first.temperature_c) if has_present else None,
        "battery": {"value": json_number(battery.value), "unit": battery.unit} if battery and battery.unit else None,
        "events": list(first.events) if has_present else [],
        "channel": first.channel if has_present else None,
        "fcnt": frame.counter if frame.counter is not None and not _is_event(first) else None,
        "location": _place(first.location),
        "needs_decoder": bool(frame.payload) and frame.fields is None,
        "duplicate_of": None,
        "more": [_more(reading, first) for reading in rest],
        "uncertain": [*notes, *(str(error) for error in invalid)],
        "source": _sources(first.model),
    }


def _own(elements: Sequence[Element]) -> dict[str, Any]:
    report = next((element for element in elements if isinstance(element, Report)), None)
    errors = [str(element) for element in elements if isinstance(element, InvalidReport)]
    empty = dict.fromkeys(_MEMBERS)
    others = [element for element in elements if isinstance(element, Report)][1:]
    return {
        **empty,
        "server": "trashsite" if report else None,
        "verdict": str(Verdict.STORE if report else Verdict.INVALID),
        "can_key": report.can_id if report else None,
        "can_key_kind": "can_id" if report else None,
        "measured_at": iso(report.measured_at) if report and report.measured_at else None,
        "level_percent": json_number(Decimal(report.level)) if report else None,
        "events": [],
        "needs_decoder": False,
        "more": [_own_more(other) for other in others],
        "uncertain": errors,
        "source": [],
    }


_MEMBERS = (
    "server", "model", "verdict", "can_key", "can_key_kind", "measured_at", "distance_mm", "level_percent",
    "temperature_c", "battery", "events", "channel", "fcnt", "location", "needs_decoder", "duplicate_of", "more",
    "uncertain", "source",
)  # fmt: skip


def _own_more(report: Report) -> dict[str, Any]:
    return {
        "can_key": report.can_id,
        "channel": None,
        "measured_at": iso(report.measured_at) if report.measured_at else None,
        "distance_mm": None,
        "level_percent": json_number(Decimal(report.level)),
        "temperature_c": None,
        "events": [],
    }


def _more(reading: Reading, first: Reading) -> dict[str, Any]:
    found = {
        "channel": reading.channel,
        "measured_at": _instant(reading),
        "distance_mm": json_number(reading.distance_mm),
        "level_percent": json_number(reading.level_percent),
        "temperature_c": json_number(reading.temperature_c),
        "events": list(reading.events),
    }
    if reading.frame.key != first.frame.key:
        found = {"can_key": reading.frame.key, **found}
    return found


def _is_event(reading: Reading) -> bool:
    """Whether the message was no uplink at all: a join's counter counts nothing."""
    return bool(reading.frame.ignored)


def _instant(reading: Reading) -> str | None:
    """Return the time that the message tells; the queue's time is no member of it."""
    return None if reading.clock is Clock.QUEUE else iso(reading.measured_at)


def _place(location: Location | None) -> dict[str, Any] | None:
    return {"lat": float(location.lat), "lon": float(location.lon)} if location else None


def _sources(name: str | None) -> list[str]:
    for family in load():
        if any(model.name == name for model in family.models):
            return list(family.sources)
    return []


def sentence(element: Element) -> str:
    """Return what becomes of one element, in one line."""
    if isinstance(element, InvalidReport):
        where = "" if element.index is None else f" (element {element.index})"
        return f"{Verdict.INVALID}{where}: {element}"
    if isinstance(element, Report):
        at = f", measured at {iso(element.measured_at)}" if element.measured_at else ""
        return f"{Verdict.STORE}: can {element.can_id}, {element.level} %{at}"
    parts = [
        f"channel {element.channel}" if element.channel else "",
        f"{element.distance_mm.normalize():f} mm" if element.distance_mm is not None else "",
        f"{element.level_percent.normalize():f} %" if element.level_percent is not None else "",
        f"{element.temperature_c.normalize():f} °C" if element.temperature_c is not None else "",
        f"battery {element.battery.text}" if element.battery else "",
        *element.events,
        f"measured at {iso(element.measured_at)} by the {element.clock}'s clock",
    ]
    why = f" ({element.reason})" if element.reason else ""
    who = f"{element.model or 'an unknown model'} {element.frame.key or ''}".strip()
    return f"{element.verdict}{why}: {who}, {', '.join(part for part in parts if part)}"
