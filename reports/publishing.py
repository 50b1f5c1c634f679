"""
From Django's database to the register that workers read: what changed is copied once its transaction is committed.

A change notes in its own transaction which entries it touches (reports.pending_entries.PendingEntry). So a process that
ends between the two leaves a note, and the next repair copies it: each web process looks for notes every 5 s, and
`manage.py publish` does it by hand.

A new mounting also notes that its sensor may have waited for it: what that sent meanwhile is sent to the queue again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import close_old_connections, connection
from django.db.models import Q
from django.utils import timezone

from reports import queue, store
from reports.alert_rules import AlertRule
from reports.entered_models import ALL_STREAMS, CAN, RETIRED, Correction, StreamLimits
from reports.formats import mounting, registered
from reports.insight import alert_rule, entered
from reports.insight.entered import Entered, Limits
from reports.models import HAS_LIMITS, Can, streams_entered
from reports.pending_entries import PendingEntry, note_change
from reports.queue import Origin, QueueUnavailable, RedriveKeyMissing
from reports.report import EPOCH
from reports.rule_entries import rule_ids, rule_texts, rules_on
from reports.sensor_models import KEPT, Mounting, Sensor
from reports.store import StoreUnavailable
from trashsite.database import DATABASE_DOWN
from trashsite.outage import Outage

logger = logging.getLogger(__name__)

REPAIR_S = 5.0
#: Entries that whoever made a change waits for; more are copied by the next repair.
MOST_AT_ONCE = 100
#: Of cans fewer: the state of each is made again from its history.
MOST_CANS_AT_ONCE = 3
#: Notes looked at together.
NOTES = 1_000
_publishing = Outage("copying entries to the workers' register")


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where one kind of entries comes from.

    texts: the text of each of some ids, as the database has it now; without those that it does not have.
    ids: all there are.
    """

    texts: Callable[[Sequence[str]], Mapping[str, str]]
    ids: Callable[[], Iterable[str]]


def sensor_texts(keys: Sequence[str]) -> dict[str, str]:
    """Return the entries of sensors' keys: model and mountings of all their channels."""
    models: dict[str, str] = {}
    mountings: dict[str, list[mounting.Mounting]] = {}
    for sensor in Sensor.objects.filter(key__in=keys).prefetch_related("mountings"):
        models[sensor.key] = models.get(sensor.key) or sensor.model
        mountings.setdefault(sensor.key, []).extend(_mounting(sensor, each) for each in sensor.mountings.all())
    return {key: registered.to_text(models[key], mountings[key]) for key in models}


def _mounting(sensor: Sensor, row: Mounting) -> mounting.Mounting:
    calibration = None
    if row.empty_mm is not None and row.full_mm is not None:
        calibration = mounting.Calibration(
            version=row.version,
            empty_mm=Decimal(row.empty_mm),
            full_mm=Decimal(row.full_mm),
            blind_mm=None if row.blind_mm is None else Decimal(row.blind_mm),
            is_blind_full=row.is_blind_full,
        )
    return mounting.Mounting(
        can_id=row.can_id,
        since=row.since,
        until=row.until,
        channel=sensor.channel or None,
        calibration=calibration,
        holds_tilted=row.holds_tilted,
    )


def _sensor_keys() -> Iterator[str]:
    return Sensor.objects.order_by("key").values_list("key", flat=True).distinct().iterator()


#: Until then each worker knows the mounting: it believes what it knows for 5 s.
SENT_AFTER_S = 15


def send_kept(keys: Collection[str]) -> int:
    """
    Send to the queue what sensors sent while they waited for a mounting, and take them off the list.

    Returns how many messages that were. They stay kept until they expire: a mounting that begins earlier may need
    them again, and what is stored twice is stored once. Raises StoreUnavailable, QueueUnavailable, RedriveKeyMissing.
    """
    count = 0
    for key in keys:
        for page in store.kept_messages(key, timezone.now()):
            sent = [
                (
                    each.body,
                    Origin(each.message_id, (each.sent_at - EPOCH) // timedelta(milliseconds=1), each.sender_id),
                )
                for each in page
            ]
            queue.send_again(sent, delay_s=SENT_AFTER_S)
            count += len(sent)
        store.forget_waiting(key)
    return count


def can_texts(can_ids: Sequence[str]) -> dict[str, str]:
    """Return the entries of what was entered of cans: their limits, and their emptyings added and struck."""
    return {can_id: entered.to_text(each) for can_id, each in _entered(can_ids).items() if each != entered.NOTHING}


def _entered(can_ids: Sequence[str]) -> dict[str, Entered]:
    limits = by_stream()
    found = dict.fromkeys(can_ids, entered.NOTHING)
    for can in Can.objects.filter(can_id__in=can_ids):
        # The stream that is entered counts over the one that the device sends.
        of_stream = limits.get(can.stream.casefold()) if can.stream else None
        full_from = of_stream.full_from if can.full_from is None and of_stream else can.full_from
        hysteresis = of_stream.hysteresis if can.hysteresis is None and of_stream else can.hysteresis
        found[can.can_id] = Entered(_number(full_from), _number(hysteresis))
    for can_id in can_ids:
        instants: dict[bool, list[int]] = {False: [], True: []}
        for each in Correction.objects.filter(can_id=can_id).order_by("at"):
            instants[each.is_struck].append(math.floor(each.at.timestamp()))
        found[can_id] = replace(found[can_id], added=tuple(instants[False]), struck=tuple(instants[True]))
    return found


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def by_stream() -> dict[str, Limits]:
    """Return the limits that were entered of streams, by their names without case."""
    found = StreamLimits.objects.all()
    return {each.stream: Limits(float(each.full_from), float(each.hysteresis)) for each in found}


def _limits_texts(ids: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(ids, entered.limits_to_text(by_stream()))


def _cans_entered() -> Iterator[str]:
    corrected = set(Correction.objects.values_list("can_id", flat=True).distinct())
    yield from corrected
    names = [name for name in streams_entered() if name.casefold() in by_stream()]
    for can_id in Can.objects.filter(HAS_LIMITS | Q(stream__in=names)).values_list("pk", flat=True).iterator():
        if can_id not in corrected:
            yield can_id


def _retired_texts(can_ids: Sequence[str]) -> dict[str, str]:
    retired = Can.objects.filter(pk__in=can_ids, retired_at__isnull=False)
    return {can_id: at.isoformat() for can_id, at in retired.values_list("pk", "retired_at") if at}


def _retired_cans() -> Iterator[str]:
    return Can.objects.filter(retired_at__isnull=False).values_list("pk", flat=True).iterator()


#: By kind. Another kind needs a line here, a Registered model, and a Register in the worker.
SOURCES: Mapping[str, Source] = {
    "sensor": Source(sensor_texts, _sensor_keys),
    CAN: Source(can_texts, _cans_entered),
    RETIRED: Source(_retired_texts, _retired_cans),
    StreamLimits.register_kind: Source(_limits_texts, lambda: [ALL_STREAMS]),
    AlertRule.register_kind: Source(rule_texts, rule_ids),
}


def publish_changed(*, kind: str, ids: Collection[str], **_: Any) -> None:
    """
    Copy entries that somebody has just changed. Raises nothing: what cannot be copied now stays noted.

    The first hundred of many; the next repair copies the rest, and sends what sensors sent while they waited.
    """
    if kind not in SOURCES:
        return
    try:
        most = MOST_CANS_AT_ONCE if kind == CAN else MOST_AT_ONCE
        _publish(PendingEntry.objects.filter(kind=kind, entry_id__in=sorted(ids)[:most]))
    except (StoreUnavailable, QueueUnavailable, *DATABASE_DOWN) as error:
        _publishing.failed(error)


def publish_noted() -> int:
    """
    Copy all entries that are noted, and send what sensors sent while they waited; return how many entries.

    Raises StoreUnavailable, QueueUnavailable, RedriveKeyMissing, or Django's database errors.
    """
    count = 0
    # A kind that only another version of this program knows is that version's to copy.
    while published := _publish(PendingEntry.objects.filter(kind__in=SOURCES).order_by("id")[:NOTES]):
        count += published
    while notes := list(PendingEntry.objects.filter(kind=KEPT).order_by("id").values_list("pk", "entry_id")[:NOTES]):
        send_kept({key for _, key in notes})
        _forget([pk for pk, _ in notes])
    return count


def note_all() -> None:
    """Note every entry that there is, to be copied again: after a restored database, or for a new table."""
    for kind, source in SOURCES.items():
        some: list[str] = []
        for id_ in source.ids():
            some.append(id_)
            if len(some) == NOTES:
                note_change(kind, some)
                some = []
        note_change(kind, some)


def _publish(notes: Any) -> int:
    """Copy the entries of these notes, then remove the notes; notes that came meanwhile stay."""
    began = time.monotonic()
    by_kind: dict[str, set[str]] = defaultdict(set)
    seen = []
    for pk, kind, id_ in notes.values_list("pk", "kind", "entry_id"):
        seen.append(pk)
        by_kind[kind].add(id_)
    watch = alert_rule.any_of(rules_on()) if CAN in by_kind else None
    for kind, ids in by_kind.items():
        store.write_entries(kind, ids, SOURCES[kind].texts, timezone.now())
        # A can's row says by what was entered it was made. Its entry comes first: what has no row yet asks for it.
        for can_id in ids if kind == CAN else ():
            changes = store.put_entered(can_id, partial(_entered_of, can_id), by_stream, timezone.now(), watch)
            queue.publish_alerts(changes)
    _forget(seen)
    if seen:
        _publishing.ended(began)
    return len(seen)


def _entered_of(can_id: str) -> Entered:
    return _entered([can_id])[can_id]


def _forget(notes: Sequence[int]) -> None:
    for at in range(0, len(notes), 500):
        PendingEntry.objects.filter(pk__in=notes[at : at + 500]).delete()


def start_repair(**_: Any) -> None:
    """Look for notes every 5 s from now on, in a thread of this web process."""
    threading.Thread(target=_repair, name="register", daemon=True).start()


def _repair() -> None:
    while True:
        try:
            close_old_connections()
            publish_noted()
        except (StoreUnavailable, QueueUnavailable, RedriveKeyMissing, *DATABASE_DOWN) as error:
            _publishing.failed(error)
        except Exception:
            # A defect of ours must not end what heals.
            logger.exception("entries of the workers' register could not be copied")
        finally:
            # A connection of the pool is the others' while this thread sleeps.
            connection.close()
        time.sleep(REPAIR_S)
