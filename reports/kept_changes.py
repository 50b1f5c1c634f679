"""The changes of cans' facts, kept: who made each, when, by which way, and from what to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from django.db import models

from reports.report import iso

#: The facts of a can, as a change names them.
FACTS = ("name", "address", "stream", "latitude", "longitude", "retired_at", "full_from", "hysteresis")
#: What else a change may name: an emptying that was added or struck, or is so no longer.
EMPTYING = "emptying"
#: Changes kept of one can: of more, the oldest are deleted.
MOST_CHANGES = 100


class CanChange(models.Model):
    """
    One change of a can's facts.

    kind: "added", "changed" or "deleted". by: the user's name at that time. via: "form", "API", "CSV" or "admin".
    facts: by name, what stood there before and what after, as text; "" for nothing. retired_at is ISO 8601. An emptying
    that was added or struck is one of them, with its note.
    """

    can_id = models.CharField(max_length=128)
    at = models.DateTimeField()
    kind = models.CharField(max_length=8)
    by = models.CharField(max_length=150)
    via = models.CharField(max_length=8)
    facts = models.JSONField()

    class Meta:
        default_permissions = ()
        ordering = ("-id",)
        indexes = (models.Index(fields=["can_id", "-id"], name="change_of_can"),)

    def __str__(self) -> str:
        return f"{self.can_id}: {self.kind} by {self.by}"


class KnownCan(Protocol):
    """A can of which facts are known: attributes by the names in FACTS (reports.models.Can)."""

    @property
    def can_id(self) -> str: ...


#: A can before a change and after it; None: no facts are known.
Pair = tuple[KnownCan | None, KnownCan | None]


def note_changes(pairs: Iterable[Pair], *, by: str, via: str, now: datetime) -> Sequence[CanChange]:
    """
    Keep what differs between the two states of each can, and return it; of a can the newest hundred are kept.

    Call it in the transaction that makes the change.
    """
    return _kept([change for before, after in pairs if (change := _change(before, after, by, via, now))])


def note_emptying(can_id: str, before: str, after: str, *, by: str, via: str, now: datetime) -> None:
    """Keep that an emptying of a can was added or struck. Call it in the transaction that makes the change."""
    facts = {EMPTYING: [before, after]}
    _kept([CanChange(can_id=can_id, at=now, kind="changed", by=by, via=via, facts=facts)])


def _kept(changes: list[CanChange]) -> Sequence[CanChange]:
    CanChange.objects.bulk_create(changes, batch_size=500)
    can_ids = [change.can_id for change in changes]
    for start in range(0, len(can_ids), 500):
        counted = CanChange.objects.filter(can_id__in=can_ids[start : start + 500]).order_by().values("can_id")
        for row in counted.annotate(count=models.Count("id")).filter(count__gt=MOST_CHANGES):
            of_can = CanChange.objects.filter(can_id=row["can_id"])
            of_can.filter(id__lte=of_can.values_list("id", flat=True)[MOST_CHANGES]).delete()
    return changes


def changes_of(can_id: str) -> Sequence[CanChange]:
    """Return the changes that are kept of one can, the newest first."""
    return list(CanChange.objects.filter(can_id=can_id))


def _change(before: KnownCan | None, after: KnownCan | None, by: str, via: str, now: datetime) -> CanChange | None:
    old, new = ({name: _text(name, getattr(can, name, None)) for name in FACTS} for can in (before, after))
    facts = {name: [old[name], new[name]] for name in FACTS if old[name] != new[name]}
    can = after or before
    if can is None or (before and after and not facts):
        return None
    kind = "added" if before is None else "deleted" if after is None else "changed"
    return CanChange(can_id=can.can_id, at=now, kind=kind, by=by, via=via, facts=facts)


def _text(name: str, fact: Any) -> str:
    if fact is None:
        return ""
    if name in ("latitude", "longitude"):
        # Equal ones are the same text, whoever has read them: 50.1 and 50.100000.
        return f"{Decimal(fact).normalize():f}"
    return iso(fact) if isinstance(fact, datetime) else str(fact)
