"""What a sensor measured while it waited for a mounting, and what its mountings make of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from reports import formats, store
from reports.formats import registered
from reports.formats.mounting import Held, mounting_of, to_report
from reports.formats.readings import Reading, Verdict
from reports.formats.registered import Registered
from reports.register_sources import sensor_texts
from reports.report import iso
from reports.sensor_models import Mounting

#: Pages of kept messages, of 1 MB each, that are read for one answer. A thousand common messages fit into one.
MOST_PAGES = 4


@dataclass(frozen=True, slots=True)
class KeptReading:
    """A measurement that a mounting would make a report of, and when the queue took its message first."""

    reading: Reading
    sent_at: datetime


def first_without_can(key: str, now: datetime) -> datetime | None:
    """
    Return when a sensor that is in no can measured first, since it left its last one, what is kept; None: nothing.

    Raises StoreUnavailable, and the database's errors.
    """
    entry = _entry(key)
    ends = [each.until for each in entry.mountings if each.until]
    if len(ends) < len(entry.mountings):
        return None
    kept, _ = _kept(key, entry, now)
    instants = [each.reading.measured_at for each in kept]
    return min((at for at in instants if not ends or at >= max(ends)), default=None)


def told_of(mounting: Mounting, now: datetime) -> str:
    """
    Say what a mounting makes of what its sensor measured before it was entered.

    It says too where no message of the sensor, or no report of the can, has come yet.

    Raises StoreUnavailable, and the database's errors.
    """
    key = mounting.sensor.key
    entry = _entry(key)
    kept, is_all = _kept(key, entry, now)
    said = []
    if kept:
        said.append(f"Measurements kept of it: {len(kept)}{'' if is_all else ' and more'}.")
        said += _of_kept(kept, entry, mounting)
    elif not store.sensor_states([key])[key].version and all(each.key != key for each in store.waiting_sensors(now)):
        said.append("Nothing has been heard from this sensor yet: if it sends already, look whether its key is right.")
    if store.latest(mounting.can_id) is None:
        said.append(f"No report of can {mounting.can_id} is stored yet: look whether its id is right.")
    return " ".join(said)


def _of_kept(kept: Sequence[KeptReading], entry: Registered, mounting: Mounting) -> list[str]:
    """Say what a mounting makes of what is kept, and what has no mounting."""
    this = mounting.can_id, mounting.since, mounting.sensor.channel or None
    stored, held, nowhere = 0, Counter[str](), list[datetime]()
    for each in kept:
        found = mounting_of(each.reading, entry.mountings)
        if found is None:
            nowhere.append(each.reading.measured_at)
        elif (found.can_id, found.since, found.channel) == this:
            made = to_report(each.reading, found, each.sent_at)
            if isinstance(made, Held):
                held[made.reason] += 1
            else:
                stored += 1
    soon = "within half a minute" if settings.TRASH_REDRIVE_KEYS else "once TRASH_REDRIVE_KEY is set"
    said = [f"Of these, stored under the can {soon}: {stored}."]
    said += [f"Without a level: {count} ({reason})." for reason, count in held.most_common(3)]
    if nowhere:
        first = iso(min(nowhere).replace(microsecond=0))
        said.append(
            f"Measured while it was mounted nowhere, and not stored: {len(nowhere)}, the first at {first}. "
            "Where it was in the can then, correct “Mounted at” of this mounting."
        )
    return said


def _entry(key: str) -> Registered:
    """Return what workers know of a sensor, once the register is copied."""
    text = sensor_texts([key]).get(key)
    return registered.from_text(text) if text else Registered()


def _kept(key: str, entry: Registered, now: datetime) -> tuple[list[KeptReading], bool]:
    """Return each kept measurement once, and whether that is all. Raises StoreUnavailable."""
    models = {key: entry.model} if entry.model else None
    found: dict[tuple[datetime, str | None], KeptReading] = {}
    for count, page in enumerate(store.kept_messages(key, now)):
        if count == MOST_PAGES:
            return list(found.values()), False
        for message in page:
            for each in formats.parse(message.body, message.sent_at, registered=models):
                if isinstance(each, Reading) and each.frame.key == key and each.verdict is Verdict.STORE:
                    found.setdefault((each.measured_at, each.channel), KeptReading(each, message.sent_at))
    return list(found.values()), True
