"""Who changed which facts, in the admin's log."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.admin.models import LogEntry

from reports.models import Can


def log_changes(user_id: int | None, cans: Sequence[Can], action: int, said: str) -> None:
    """Note in the admin's log who changed what."""
    if user_id is not None and cans:
        LogEntry.objects.log_actions(user_id, cans, action, change_message=said)
