"""Which sender may report which cans: TRASH_SENDERS, where it is set."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from reports.report import InvalidReport
from trashsite.sqs.delivery import ANY_SENDER

EVERY_CAN = "*"


def check_for(sender_id: str) -> Callable[[str], None] | None:
    """
    Return a check of can ids for a sender: it raises InvalidReport for a can that this sender may not report.

    sender_id: AWS's SenderId, as "AIDAEXAMPLE" or "AROAEXAMPLE:session"; a role is meant with all its sessions, unless
    a session is listed itself. Returns None where every can is allowed.
    """
    senders: dict[str, tuple[str, ...]] = settings.TRASH_SENDERS
    if not senders or sender_id == ANY_SENDER:
        return None
    prefixes = senders.get(sender_id, senders.get(sender_id.partition(":")[0], ()))
    if EVERY_CAN in prefixes:
        return None

    def check(can_id: str) -> None:
        if not can_id.startswith(prefixes):
            raise InvalidReport(
                "can_id", f"must be one that sender {sender_id or 'unknown'} may report (TRASH_SENDERS)"
            )

    return check
