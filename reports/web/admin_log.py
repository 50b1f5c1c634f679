"""Who changed what: in the admin's log, and the facts of a can in its own changes, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.utils import timezone

from reports.kept_changes import Pair, note_changes
from reports.models import Can
from reports.sensor_models import Mounting, Sensor

_FLAGS = {"added": ADDITION, "changed": CHANGE, "deleted": DELETION}


def log_changes(user: Any, pairs: Iterable[Pair], via: str) -> None:
    """Note which facts this user changed, and by which way; call it in the transaction of the change."""
    changes = note_changes(pairs, by=user.get_username(), via=via, now=timezone.now())
    for kind, flag in _FLAGS.items():
        if cans := [Can(can_id=change.can_id) for change in changes if change.kind == kind]:
            LogEntry.objects.log_actions(user.pk, cans, flag, change_message=f"by {via}")


def log_action(user: Any, subject: Sensor | Mounting | None, action: int, said: str) -> None:
    """Note what this user did with a sensor or a mounting; None: with many at once. action: a flag of LogEntry."""
    LogEntry.objects.create(
        user_id=user.pk,
        object_id="" if subject is None else str(subject.pk),
        object_repr=str(subject or "sensors")[:200],
        action_flag=action,
        change_message=said,
    )
