"""
From Django's database to the register that workers read: what changed is copied once its transaction is committed.

A change notes in its own transaction which entries it touches (reports.pending_entries.PendingEntry). So a process that
ends between the two leaves a note, and the next repair copies it: each web process looks for notes every 5 s, and
`manage.py publish` does it by hand.

A new mounting also notes that its sensor may have waited for it: what that sent meanwhile is sent to the queue again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import close_old_connections, connection
from django.utils import timezone

from reports import queue, store
from reports.insight import alert_rule
from reports.pending_entries import PendingEntry, note_change
from reports.queue import Origin, QueueUnavailable, RedriveKeyMissing
from reports.register_kinds import CAN
from reports.register_sources import SOURCES, by_stream, entered_of
from reports.report import EPOCH
from reports.rule_entries import rules_on
from reports.sensor_models import KEPT
from reports.store import StoreUnavailable
from trashsite.database import DATABASE_DOWN
from trashsite.outage import Outage

logger = logging.getLogger(__name__)

REPAIR_S = 5.0
#: What waited for a mounting is sent again so much later: by then each worker knows the mounting.
SENT_AFTER_S = 15
#: Entries that whoever made a change waits for; more are copied by the next repair.
MOST_AT_ONCE = 100
#: Of cans fewer: the state of each is made again from its history.
MOST_CANS_AT_ONCE = 3
#: Notes looked at together.
NOTES = 1_000
_publishing = Outage("copying entries to the workers' register")


def publish_changed(*, kind: str, ids: Collection[str], **_: Any) -> None:
    """
    Copy entries that somebody has just changed. Raises nothing: what cannot be copied now stays noted.

    The first hundred of many; the next repair copies the rest, and sends what sensors sent while they waited.
    """
    if kind not in SOURCES:
        return
    try:
        most = MOST_CANS_AT_ONCE if kind == CAN else MOST_AT_ONCE
        if errors := _publish(list(PendingEntry.objects.filter(kind=kind, entry_id__in=sorted(ids)[:most]))):
            _publishing.failed(errors[0])
    except (StoreUnavailable, QueueUnavailable, *DATABASE_DOWN) as error:
        _publishing.failed(error)


def publish_noted() -> int:
    """
    Copy all entries that are noted, and send what sensors sent while they waited; return how many entries.

    Raises StoreUnavailable, QueueUnavailable, RedriveKeyMissing, or Django's database errors. A can whose row cannot be
    written keeps its note, and StoreUnavailable is raised once all others are copied.
    """
    began = time.monotonic()
    count, last, errors = 0, 0, list[StoreUnavailable]()
    # A kind that only another version of this program knows is that version's to copy.
    due = PendingEntry.objects.filter(kind__in=SOURCES).order_by("pk")
    while notes := list(due.filter(pk__gt=last)[:NOTES]):
        errors += _publish(notes)
        count, last = count + len(notes), notes[-1].pk
    while kept := list(PendingEntry.objects.filter(kind=KEPT).order_by("pk")[:NOTES]):
        send_kept({note.entry_id for note in kept})
        _forget(kept)
    if errors:
        raise errors[0]
    if count:
        _publishing.ended(began)
    return count


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


def _publish(notes: Sequence[PendingEntry]) -> list[StoreUnavailable]:
    """
    Copy the entries of these notes, then remove the notes; those that came meanwhile stay.

    Returns why cans' rows could not be written, as where many write one at once: their notes stay, and hold up none.
    """
    by_kind: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        by_kind[note.kind].add(note.entry_id)
    watch = alert_rule.any_of(rules_on()) if CAN in by_kind else None
    failed: dict[str, StoreUnavailable] = {}
    for kind, ids in by_kind.items():
        store.write_entries(kind, ids, SOURCES[kind].texts, timezone.now())
        # A can's row says by what was entered it was made. Its entry comes first: what has no row yet asks for it.
        for can_id in ids if kind == CAN else ():
            try:
                changes = store.put_entered(can_id, partial(entered_of, can_id), by_stream, timezone.now(), watch)
            except StoreUnavailable as error:
                failed[can_id] = error
            else:
                queue.publish_alerts(changes)
    _forget([note for note in notes if note.kind != CAN or note.entry_id not in failed])
    return list(failed.values())


def _forget(notes: Sequence[PendingEntry]) -> None:
    for at in range(0, len(notes), 500):
        PendingEntry.objects.filter(pk__in=[note.pk for note in notes[at : at + 500]]).delete()


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
