"""Which readings are the same one, sent or heard again. Pure."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import orjson

from reports.formats.readings import Reading

#: A device repeats a frame within minutes, under the same counter (TheThingsArchive/ttn#272 tells of 48 s); after a
#: restart its counter returns much later.
REPEATED_WITHIN = timedelta(minutes=10)


def fingerprint(reading: Reading) -> str:
    """
    Return 12 hex digits that are the same for copies of one frame's measurement, whatever their times.

    Of sensor, channel, frame counter and measurement; not of gateways, signal, envelopes or the server's name for the
    event, in which copies differ (LORIOT's rx and gw, two gateways, a redelivery).
    """
    return hashlib.blake2b(orjson.dumps(_frame(reading)), digest_size=6).hexdigest()


def _frame(reading: Reading) -> list[str | None]:
    frame = reading.frame
    return [
        frame.key,
        reading.channel,
        None if frame.counter is None or reading.is_past else str(frame.counter),
        _text(reading.distance_mm),
        _text(reading.level_percent),
        _text(reading.temperature_c),
        " ".join(sorted(reading.events)),
    ]


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
