"""Whose clock counts: the server's, where it can be right; else the queue's. Pure, and reads no clock."""

from __future__ import annotations

from datetime import UTC, datetime

from reports.formats.readings import Clock
from reports.report import MAX_AHEAD

#: No sensor of this kind measured before; a clock that was never set says 1970 or 2000.
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)


def server_time(told: datetime | None, received_at: datetime) -> tuple[datetime, Clock, str]:
    """
    Return when a frame was measured, whose time that is, and a note where the told one was refused.

    told: the network server's time. received_at: when the queue took the message, which is the time of a message
    that tells none, or one before 2010, or one more than 5 minutes ahead of the queue.
    """
    if told is None:
        return received_at, Clock.QUEUE, ""
    if told < EARLIEST or told - received_at > MAX_AHEAD:
        return (
            received_at,
            Clock.QUEUE,
            f"the server's time {told:%Y-%m-%dT%H:%M:%SZ} cannot be right: the queue's counts",
        )
    return told, Clock.SERVER, ""


def device_time(told: datetime | None, sent_at: datetime) -> tuple[datetime | None, str]:
    """
    Return a past measurement's time by the device's clock, or None and why it cannot be right.

    sent_at: when the frame came. A row without a usable time is held: at the frame's time it would be a false
    present level.
    """
    if told is None:
        return None, "the row has no time"
    if told < EARLIEST or told - sent_at > MAX_AHEAD:
        return None, f"the row's time {told:%Y-%m-%dT%H:%M:%SZ} cannot be right: the device's clock is not set"
    return told, ""
