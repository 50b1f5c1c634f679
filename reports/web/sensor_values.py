"""Sensors as the API and its pages show them: what was entered of them, and what they told last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports import store
from reports.formats.sensor_state import SensorState, state_of
from reports.sensor_models import Mounting, Sensor
from reports.store import Waiting
from reports.web.answers import instant


@dataclass(frozen=True, slots=True)
class ShownSensor:
    """A sensor, its mountings, newest first, and its state: None where it never sent anything while registered."""

    sensor: Sensor
    mountings: Sequence[Mounting]
    state: SensorState | None

    @property
    def model(self) -> str:
        """Its model as it was entered, else as its messages told."""
        return self.sensor.model or (self.state.model if self.state else "")

    def json(self) -> dict[str, Any]:
        return {
            "key": self.sensor.key,
            "channel": self.sensor.channel,
            "model": self.sensor.model,
            "mountings": [mounting_json(each) for each in self.mountings],
            "state": state_json(self.state),
        }


@dataclass(frozen=True, slots=True)
class ShownWaiting:
    """
    A sensor that sent what no mounting takes, and what it told last.

    mounting_id: of where it is now; it was in no can when it measured that, or its can is not calibrated. None: in no
    can.
    """

    waiting: Waiting
    state: SensorState | None
    mounting_id: int | None

    def json(self) -> dict[str, Any]:
        return {
            "key": self.waiting.key,
            "first_at": instant(self.waiting.first_at),
            "last_at": instant(self.waiting.last_at),
            "messages": self.waiting.messages,
            "mounted": self.mounting_id is not None,
            "state": state_json(self.state),
        }


def shown(sensors: Iterable[Sensor]) -> list[ShownSensor]:
    """Return sensors, fetched with their mountings, with their states. Raises StoreUnavailable."""
    rows = list(sensors)
    states = store.sensor_states(sorted({each.key for each in rows})) if rows else {}
    return [ShownSensor(each, list(each.mountings.all()), state_of(states[each.key].text)) for each in rows]


def mountings_in(can_id: str) -> list[Mounting]:
    """Return the mountings of the sensors that are in a can."""
    return list(Mounting.objects.filter(can_id=can_id, until=None).select_related("sensor").order_by("since"))


def with_low_battery(can_ids: Iterable[str]) -> set[str]:
    """Return those of these cans in which the battery of a sensor is low. Raises StoreUnavailable."""
    mounted = Mounting.objects.filter(can_id__in=list(can_ids), until=None).values_list("can_id", "sensor__key")
    keys: dict[str, list[str]] = {}
    for can_id, key in mounted:
        keys.setdefault(key, []).append(can_id)
    states = store.sensor_states(sorted(keys)) if keys else {}
    low = [key for key, stored in states.items() if (state := state_of(stored.text)) and state.is_battery_low]
    return {can_id for key in low for can_id in keys[key]}


def shown_in(mountings: Sequence[Mounting]) -> list[ShownSensor]:
    """Return the sensor of each of these mountings with that mounting alone. Raises StoreUnavailable."""
    keys = sorted({each.sensor.key for each in mountings})
    states = store.sensor_states(keys) if keys else {}
    return [ShownSensor(each.sensor, [each], state_of(states[each.sensor.key].text)) for each in mountings]


def shown_waiting(now: datetime) -> list[ShownWaiting]:
    """Return the sensors that wait, those first that sent last. Raises StoreUnavailable, and the database's errors."""
    found = sorted(store.waiting_sensors(now), key=lambda each: each.last_at, reverse=True)
    in_cans = Mounting.objects.filter(sensor__key__in=[each.key for each in found], until=None)
    mounted = dict(in_cans.values_list("sensor__key", "pk")) if found else {}
    return [ShownWaiting(each, state_of(each.told), mounted.get(each.key)) for each in found]


def mounting_json(mounting: Mounting) -> dict[str, Any]:
    """Return one mounting as the API answers it."""
    return {
        "id": mounting.pk,
        "can_id": mounting.can_id,
        "since": instant(mounting.since),
        "until": instant(mounting.until),
        "empty_mm": mounting.empty_mm,
        "full_mm": mounting.full_mm,
        "blind_mm": mounting.blind_mm,
        "is_blind_full": mounting.is_blind_full,
        "holds_tilted": mounting.holds_tilted,
        "calibration": mounting.version,
    }


def state_json(state: SensorState | None) -> Mapping[str, Any] | None:
    """Return what a sensor told last, each fact with the time at which it was true."""
    if state is None:
        return None
    return {
        "heard_at": instant(state.heard_at),
        "server": state.server,
        "model": state.model,
        "frame": state.counter,
        "rssi_dbm": float(state.rssi_dbm) if state.rssi_dbm else None,
        "verdict": state.verdict or None,
        "reason": state.reason,
        "battery_low": state.is_battery_low,
        "battery_percent": float(state.battery_percent) if state.battery_percent else None,
        "facts": {name: {"value": fact.text, "at": instant(fact.at)} for name, fact in state.facts.items()},
        "events": {
            name: {"at": instant(at), "active": name in state.active} for name, at in sorted(state.events.items())
        },
    }
