"""Which readings are the same one, sent or heard again. Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import orjson

from reports.formats.readings import Reading
from reports.report import iso

#: A device repeats a frame within minutes, under the same counter; after a restart its counter returns much later.
REPEATED_WITHIN = timedelta(minutes=10)


def reading_id(reading: Reading) -> str:
    """
    Return 32 hex digits that are the same for the same measurement, however often and in whatever words it comes.

    Of sensor, channel, frame counter, instant and measurement; not of gateways, signal, envelopes or the server's name
    for the event, in which copies of one frame differ (LORIOT's rx and gw, two gateways, a redelivery).
    """
    parts = [*_frame(reading), iso(reading.measured_at.replace(microsecond=0))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def fingerprint(reading: Reading) -> str:
    """Return 12 hex digits that are the same for copies of one frame's measurement, whatever their times."""
    return hashlib.blake2b(orjson.dumps(_frame(reading)), digest_size=6).hexdigest()


def is_repeat(earlier: Reading, later: Reading) -> bool:
    """
    Return whether `later` is `earlier` once more, also where the server gave the copy a time of its own.

    A retransmission has its frame's counter and content, and comes within REPEATED_WITHIN: TheThingsArchive/ttn#272
    tells of 48 s. Without a counter only the same instant makes a repeat.
    """
    if _frame(earlier) != _frame(later):
        return False
    apart = abs(later.measured_at - earlier.measured_at)
    if earlier.frame.counter is None or earlier.is_past:
        return apart < timedelta(seconds=1)
    return apart <= REPEATED_WITHIN


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
    return None if value is None else f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
