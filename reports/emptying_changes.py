"""What operators enter of a can's emptyings: one that no level showed is added, one that was none is struck."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from reports import store
from reports.entered_models import MOST_CORRECTIONS, Correction
from reports.insight.cycles import Emptied, Stage
from reports.kept_changes import note_emptying
from reports.report import EPOCH, iso

#: Emptyings that are looked through for the one that is struck.
LOOKED_AT = 100
MAX_NOTE = 200
_SECOND = timedelta(seconds=1)


def add(can_id: str, at: datetime, note: str, *, by: str, via: str, now: datetime) -> Correction | None:
    """
    Add an emptying, or let one count again that was struck; return what is entered now of it, None for nothing.

    at: when it was; where one was struck, its time. Raises ValidationError by field, StoreUnavailable.
    """
    at = _whole(at, now)
    if struck := _struck(can_id, at):
        _end(struck, note, by=by, via=via, now=now)
        return None
    before = store.history(can_id, until=at, size=1, now=now).items
    after = store.history(can_id, since=at, newest_first=False, size=1, now=now).items
    if not before or not after or before[0].measured_at is None or after[0].measured_at is None:
        raise ValidationError({"at": "It must lie between two reports of this can: the next one tells what is left."})
    first, last = _seconds(before[0].measured_at), _seconds(after[0].measured_at)
    for each in _counted(can_id, before[0].measured_at, now):
        if first < each.at <= last:
            raise ValidationError({"at": "An emptying then is known already."})
    return _enter(Correction(can_id=can_id, at=at, is_struck=False), "", note, by=by, via=via, now=now)


def strike(can_id: str, at: datetime, note: str, *, by: str, via: str, now: datetime) -> Correction | None:
    """
    Strike an emptying, or take one back that was added; return what is entered now of it, None for nothing.

    at: the first report after it, as its list says. Raises ValidationError by field, StoreUnavailable.
    """
    at = _whole(at, now)
    found = next((each for each in _counted(can_id, at, now) if each.at == _seconds(at)), None)
    if found is None:
        raise ValidationError({"at": "No emptying with this first report after it is known."})
    if found.by_operator:
        before = store.history(can_id, until=at, size=1, now=now).items
        since = before[0].measured_at if before else None
        added = Correction.objects.filter(can_id=can_id, is_struck=False, at__lte=at)
        entered = (added.filter(at__gt=since) if since else added).first()
        if entered is None:
            raise ValidationError({"at": "This emptying was added, and is being taken back already."})
        _end(entered, note, by=by, via=via, now=now)
        return None
    return _enter(Correction(can_id=can_id, at=at, is_struck=True), iso(at), note, by=by, via=via, now=now)


def _whole(at: datetime, now: datetime) -> datetime:
    if at > now:
        raise ValidationError({"at": "It must not be in the future."})
    return at.replace(microsecond=0)


def _struck(can_id: str, at: datetime) -> Correction | None:
    return Correction.objects.filter(can_id=can_id, at=at, is_struck=True).first()


def _counted(can_id: str, since: datetime, now: datetime) -> Sequence[Emptied]:
    """Return the emptyings from an instant on that count, or are not decided yet."""
    row = store.latest_row(can_id)
    last = row.state.last_emptied(row.rules) if row and row.state else None
    decided = store.emptyings(can_id, since=since, size=LOOKED_AT, now=now).items
    undecided = [last] if last and last.stage is Stage.PROVISIONAL else []
    return [*undecided, *(each for each in decided if each.stage is Stage.CONFIRMED)]


def _enter(correction: Correction, before: str, note: str, *, by: str, via: str, now: datetime) -> Correction:
    correction.note, correction.by, correction.entered_at = note, by, now
    correction.full_clean(validate_unique=False)
    with transaction.atomic():
        if Correction.objects.filter(can_id=correction.can_id).count() >= MOST_CORRECTIONS:
            raise ValidationError({"at": f"At most {MOST_CORRECTIONS} emptyings of a can can be added or struck."})
        try:
            with transaction.atomic():
                correction.save(force_insert=True)
        except IntegrityError:
            raise ValidationError({"at": "It was entered already."}) from None
        after = f"{correction}: {note}"
        note_emptying(correction.can_id, before, after, by=by, via=via, now=now)
    return correction


def _end(correction: Correction, note: str, *, by: str, via: str, now: datetime) -> None:
    """Take back what was entered; the note says why."""
    with transaction.atomic():
        before = f"{correction}: {correction.note}"
        what = f"counts again: {note}" if correction.is_struck else f"added no longer: {note}"
        note_emptying(correction.can_id, before, what, by=by, via=via, now=now)
        correction.delete()


def _seconds(at: datetime) -> int:
    return (at - EPOCH) // _SECOND
