"""A sensor that is asked for by its key, or a mounting of it: what is registered, or 404."""

from __future__ import annotations

from rest_framework.exceptions import NotFound

from reports.sensor_models import Mounting, Sensor, canonical_key

_UNKNOWN = "No such sensor is registered."


def sensor_key(key: str) -> str:
    """Return a key as messages give it. Raises NotFound for what can be none: PostgreSQL takes no NUL."""
    if "\x00" in key or len(key) > 128:
        raise NotFound(_UNKNOWN)
    return canonical_key(key)


def known_sensors(key: str) -> list[Sensor]:
    """Return the channels of a sensor with their mountings. Raises NotFound."""
    found = list(Sensor.objects.filter(key=sensor_key(key)).prefetch_related("mountings"))
    if not found:
        raise NotFound(_UNKNOWN)
    return found


def known_mounting(key: str, pk: str) -> Mounting:
    """Return a mounting of a sensor; pk: its number, in digits. Raises NotFound."""
    found = None
    if pk.isascii() and pk.isdigit() and len(pk) < 20:
        found = Mounting.objects.select_related("sensor").filter(pk=pk, sensor__key=sensor_key(key)).first()
    if found is None:
        raise NotFound("No such mounting of this sensor is known.")
    return found
