"""Changes of where sensors are: mount one, move it, take it out, calibrate its can. Each is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from reports import store
from reports.formats import sensor_state
from reports.sensor_models import Mounting, Sensor, canonical_key

#: What a calibration or a mounting may say beside its can and its times.
CALIBRATION = ("empty_mm", "full_mm", "blind_mm", "is_blind_full", "holds_tilted")


def mount(
    key: str,
    can_id: str,
    since: datetime | None,
    now: datetime,
    *,
    channel: str = "",
    model: str | None = None,
    **others: Any,
) -> tuple[Mounting, bool]:
    """
    Mount a sensor in a can from an instant on, None: from now on, and say whether that is new.

    A sensor that nobody has registered becomes one. Where it is in another can then, it is moved: that mounting ends.
    The same mounting again changes its calibration only. From now on where it is, under the calibration that it has:
    that is no new mounting, so that a form may be sent twice. others: `until`, and of CALIBRATION. Raises
    ValidationError by field.
    """
    with transaction.atomic():
        sensor = Sensor.objects.filter(key=canonical_key(key), channel=channel).first()
        if sensor is None:
            sensor = Sensor(key=canonical_key(key), channel=channel)
        if sensor.pk is None or (model is not None and model != sensor.model):
            sensor.model = model or ""
            sensor.full_clean()
            sensor.save()
        asked = Mounting(sensor=sensor, can_id=can_id, since=since or now, **others)
        known = sensor.mountings.filter(can_id=can_id, since=asked.since).first()
        if known is None and since is None:
            known = next((each for each in sensor.mountings.filter(can_id=can_id) if _goes_on(each, asked)), None)
        if known is None:
            for open_one in sensor.mountings.filter(until=None, since__lt=asked.since):
                open_one.until = asked.since
                open_one.save()
        mounting = known or asked
        change(mounting, others)
        return mounting, known is None


def _goes_on(known: Mounting, asked: Mounting) -> bool:
    """Return whether a mounting still lasts, and says what another one in the same can would say."""
    same = (known.until, known.calibration, known.holds_tilted) == (None, asked.calibration, asked.holds_tilted)
    return same and asked.until is None


def change(mounting: Mounting, others: Mapping[str, Any]) -> None:
    """
    Change `since`, `until` and what is in CALIBRATION of a mounting. Raises ValidationError by field.

    What its sensor sent while it waited is sent to the queue again: with an earlier begin more of it has a can.
    """
    for name, value in others.items():
        setattr(mounting, name, value)
    mounting.full_clean(exclude=["sensor"])
    mounting.save()


def take_present_as_empty(mounting: Mounting) -> None:
    """
    Take the distance that a sensor measured last as the one in the empty can; full is 0 mm where it was not entered.

    Raises ValidationError where no distance is known, StoreUnavailable.
    """
    key = mounting.sensor.key
    state = sensor_state.state_of(store.sensor_states([key])[key].text)
    distance = state and state.facts.get("distance")
    if mounting.sensor.channel or not distance or distance.at < mounting.since:
        raise ValidationError({"empty_mm": "No distance of this sensor is known since it was mounted: enter one."})
    change(
        mounting,
        {
            "empty_mm": round(float(distance.text.split()[0])),
            "full_mm": mounting.full_mm if mounting.full_mm is not None else mounting.blind_mm or 0,
        },
    )
