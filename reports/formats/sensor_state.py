"""
What is known of one sensor beside its measurements: battery, temperature, tilt, signal, events, its last frames. Pure.

Each fact stands beside the instant of which it is true, and the later one wins; so readings may be folded in in any
order, and more than once. As text it fits into one write unit of DynamoDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from reports.formats.identity import REPEATED_WITHIN, fingerprint
from reports.formats.readings import Battery, Reading, Verdict
from reports.report import EPOCH

#: Frames by which a repeat is known: of a sensor that repeats each within minutes, the last ones do.
FRAMES = 8
MAX_REASON = 100
_MS = timedelta(milliseconds=1)
REPEATED_WITHIN_MS = REPEATED_WITHIN // _MS
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Fact(NamedTuple):
    """A value as the sensor told it last, as text with its unit, and when that was true."""

    text: str
    at: datetime


class SensorState(NamedTuple):
    """
    One sensor, as its frames told. A tuple: each uplink makes a new one, and of a dataclass that took three times the
    CPU.

    heard_at: when the queue took its last frame. verdict, reason: what became of its last measurement; counter,
    rssi_dbm: of that frame. battery_percent: what is left, as stated or by the model's curve, "" where neither is
    known. facts: battery, temperature, tilt, and what it measured last: distance, its own level.
    events: by name, when each was told last. active: those of the last measurement. frames: fingerprint and epoch
    milliseconds of the last ones, in the order of their times.
    """

    heard_at: datetime
    server: str = ""
    model: str = ""
    counter: int | None = None
    rssi_dbm: str = ""
    measured_at: datetime = EPOCH
    verdict: str = ""
    reason: str = ""
    is_battery_low: bool = False
    battery_percent: str = ""
    facts: Mapping[str, Fact] = _NOTHING
    events: Mapping[str, datetime] = _NOTHING
    active: tuple[str, ...] = ()
    frames: tuple[tuple[str, int], ...] = ()


def folded(
    state: SensorState | None, reading: Reading, verdict: str, reason: str, received_at: datetime
) -> SensorState:
    """
    Return the state that follows from one of a frame's readings. verdict: what became of it; reason: why it is not
    stored.

    A measurement of the sensor's memory tells nothing of its state but that it sent a frame.
    """
    state = state or SensorState(EPOCH)
    # Collected, since each copy of a state costs as much as all else that is done here.
    new: dict[str, Any] = {}
    if received_at >= state.heard_at:
        new = {"heard_at": received_at, "server": reading.frame.server, "model": reading.model or state.model}
    new["facts"] = facts = {**state.facts}
    if reading.battery is not None:
        new |= _battery(facts, reading.battery, received_at if reading.is_past else reading.measured_at)
    if not reading.is_past and reading.verdict is not Verdict.IGNORE:
        new |= _measurement(state, facts, reading, verdict, reason)
    return state._replace(**new)


def _battery(facts: dict[str, Fact], battery: Battery, at: datetime) -> dict[str, Any]:
    """Put the battery into the facts; return what else of the state it changes."""
    known = facts.get("battery")
    if known and known.at > at:
        return {}
    facts["battery"] = Fact(battery.text, at)
    percent = battery.percent
    return {
        "is_battery_low": battery.is_low,
        "battery_percent": "" if percent is None else f"{percent.normalize():f}",
    }


def _measurement(
    state: SensorState, facts: dict[str, Fact], reading: Reading, verdict: str, reason: str
) -> dict[str, Any]:
    """Put what was measured into the facts; return what else of the state it changes."""
    at, new = reading.measured_at, dict[str, Any]()
    told = (
        ("distance", reading.distance_mm, "mm"),
        ("level", reading.level_percent, "%"),
        ("temperature", reading.temperature_c, "°C"),
        ("tilt", reading.tilt_deg, "°"),
    )
    for name, value, unit in told:
        if value is not None and (name not in facts or facts[name].at <= at):
            facts[name] = Fact(f"{value.normalize():f} {unit}", at)
    if reading.events:
        new["events"] = {**state.events, **{name: max(state.events.get(name, at), at) for name in reading.events}}
    mark = fingerprint(reading)
    if mark not in [known for known, _ in state.frames]:
        new["frames"] = tuple(sorted((*state.frames, (mark, _ms(at))), key=itemgetter(1))[-FRAMES:])
    if at >= state.measured_at:
        # Of what came together after an outage, the frame that was measured last, not the one that came last.
        frame = reading.frame
        new |= {
            "measured_at": at,
            "verdict": verdict,
            "reason": reason[:MAX_REASON],
            "active": tuple(reading.events),
            "counter": frame.counter,
        }
        if frame.rssi_dbm is not None:
            new["rssi_dbm"] = f"{frame.rssi_dbm.normalize():f}"
    return new


def is_known(state: SensorState | None, reading: Reading) -> bool:
    """
    Return whether this measurement came before under another instant: the same frame, heard or sent once more.

    The same instant is no such repeat: it is stored again with no effect, as after a crash.
    """
    if state is None or reading.is_past or reading.frame.counter is None or not state.frames:
        return False
    at_ms = _ms(reading.measured_at)
    # Most sensors send more seldom than that: then no digest is made.
    if at_ms - state.frames[-1][1] > REPEATED_WITHIN_MS:
        return False
    near = [mark for mark, ms in state.frames if 0 < abs(at_ms - ms) <= REPEATED_WITHIN_MS]
    return bool(near) and fingerprint(reading) in near


def to_text(state: SensorState) -> str:
    """Return the state as JSON."""
    members: dict[str, Any] = {
        "heard": state.heard_at,
        "server": state.server,
        "model": state.model,
        "counter": state.counter,
        "rssi": state.rssi_dbm,
        "measured": state.measured_at,
        "verdict": state.verdict,
        "reason": state.reason,
        "low": state.is_battery_low,
        "left": state.battery_percent,
        "facts": {name: (fact.text, fact.at) for name, fact in sorted(state.facts.items())},
        "events": dict(sorted(state.events.items())),
        "active": state.active,
        "frames": state.frames,
    }
    told = {name: value for name, value in members.items() if value or (name == "counter" and value is not None)}
    # Instants as reports.report.iso writes them.
    return orjson.dumps(told, option=orjson.OPT_UTC_Z).decode()


def from_text(text: str) -> SensorState:
    """Return the state that `to_text` wrote."""
    members = orjson.loads(text)
    return SensorState(
        heard_at=datetime.fromisoformat(members["heard"]),
        server=members.get("server", ""),
        model=members.get("model", ""),
        counter=members.get("counter"),
        rssi_dbm=members.get("rssi", ""),
        measured_at=datetime.fromisoformat(members["measured"]),
        verdict=members.get("verdict", ""),
        reason=members.get("reason", ""),
        is_battery_low=members.get("low", False),
        battery_percent=members.get("left", ""),
        facts={name: Fact(said, datetime.fromisoformat(at)) for name, (said, at) in members.get("facts", {}).items()},
        events={name: datetime.fromisoformat(at) for name, at in members.get("events", {}).items()},
        active=tuple(members.get("active", ())),
        frames=tuple(map(tuple, members.get("frames", ()))),
    )


def state_of(text: str) -> SensorState | None:
    """Return a state; None where the text is empty, or another version of this program wrote it."""
    with suppress(KeyError, TypeError, ValueError):
        return from_text(text) if text else None
    return None


def _ms(at: datetime) -> int:
    return (at - EPOCH) // _MS
