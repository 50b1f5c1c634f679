"""Who changed which facts: in the changes of each can, and in the admin's log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.utils import timezone

from reports.kept_changes import Pair, note_changes
from reports.models import Can

_FLAGS = {"added": ADDITION, "changed": CHANGE, "deleted": DELETION}


def log_changes(user: Any, pairs: Iterable[Pair], via: str) -> None:
    """Note what this user changed, and by which way; call it in the transaction of the change."""
    changes = note_changes(pairs, by=user.get_username(), via=via, now=timezone.now())
    for kind, flag in _FLAGS.items():
        if cans := [Can(can_id=change.can_id) for change in changes if change.kind == kind]:
            LogEntry.objects.log_actions(user.pk, cans, flag, change_message=f"by {via}")
