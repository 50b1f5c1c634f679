"""
The queue: all that the reports need of SQS, as verbs. Errors leave as QueueUnavailable.

Two queues: `trash-level` takes what devices send, `trash-level-dead` keeps what can never be stored, with the
reason. What SQS itself moved there, after too many receives, has no reason attached.
"""

from reports.queue.dead_letters import (
    DeadLetter,
    Settled,
    discard,
    find_letters,
    redrive,
    redrive_where,
    sample_letters,
    walk_letters,
)
from reports.queue.messages import Depth, Rejected, delete, depth, ping, postpone, publish, quarantine
from reports.queue.provisioning import MAX_RECEIVES, flaws, provision
from reports.queue.requests import DEAD, MAX_BYTES, REPORTS, QueueUnavailable, url_of
from trashsite.names import full_name

__all__ = (
    "DEAD", "MAX_BYTES", "MAX_RECEIVES", "REPORTS", "DeadLetter", "Depth", "QueueUnavailable", "Rejected", "Settled",
    "delete", "depth", "discard", "find_letters", "flaws", "full_name", "ping", "postpone", "provision", "publish",
    "quarantine", "redrive", "redrive_where", "sample_letters", "url_of", "walk_letters",
)  # fmt: skip
