"""
What of Django's database has to be copied again into the register that workers read (reports.publishing).

Each change of a Registered row notes in its own transaction which entries it touches.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar

from django.db import models, transaction
from django.dispatch import Signal

#: Sent with `kind` and `ids` once a change is committed whose entries of the register have to be copied again.
register_changed = Signal()


class PendingEntry(models.Model):
    """An entry of the register that has to be copied again; removed when that is done."""

    kind = models.CharField(max_length=32)
    entry_id = models.CharField(max_length=128)

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("kind", "entry_id"), name="pending_entry"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.entry_id}"


def note_change(kind: str, ids: Collection[str]) -> None:
    """
    Note that entries of the register have to be copied again; call it in the transaction of the change.

    Once that is committed they are copied at once, and by the next repair where that fails.
    """
    PendingEntry.objects.bulk_create([PendingEntry(kind=kind, entry_id=id_) for id_ in ids], batch_size=500)
    transaction.on_commit(partial(register_changed.send, PendingEntry, kind=kind, ids=ids))


class Registered(models.Model):
    """A row of which workers must know. `QuerySet.update` and `bulk_create` need a `note_change` of their own."""

    #: The kind of its entries, and how the id of its entry is found.
    register_kind: ClassVar[str]

    class Meta:
        abstract = True

    @property
    def register_id(self) -> str:
        """The id of the entry that tells of this row."""
        raise NotImplementedError

    def save(self, *args: Any, **named: Any) -> None:
        """Save the row, and note its entry in the same transaction."""
        with transaction.atomic():
            super().save(*args, **named)
            note_change(self.register_kind, [self.register_id])


def note_deleted(instance: Registered, **_: Any) -> None:
    """Note the entry of a row that is deleted, alone or with many."""
    note_change(instance.register_kind, [instance.register_id])
